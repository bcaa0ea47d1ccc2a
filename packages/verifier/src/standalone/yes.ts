/**
 * A yes: who it is, as headers. As a list for gRPC and for every connection that is to end; and for the plain case, an answer over HTTP/1.1
 * on a connection that goes on, as the whole head in one text, because Node's own way from a list to a head costs as much as the decision.
 */
import type { Verdict } from "@keyover/core";
import type { Answer } from "./answers.ts";
import type { Wanted } from "./wanted.ts";

/** What a header's value can't hold (RFC 9110 §5.5, as Node has it). */
const UNSENDABLE = /[^\t\x20-\x7e\x80-\xff]/;
const NO_SCOPES: readonly string[] = [];
/** Sets of scopes are few, and of one set's keys all verdicts share the list. Where they do not, a flood of lists takes no memory. */
const RESTS_MAX = 1_000;

const NO_CONTENT = "HTTP/1.1 204 No Content\r\nKeyover-Key: ";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeyover-Key: ";
const BETWEEN = "\r\nKeyover-Consumer: ";
/** A key's and a consumer's, as far as a header can carry them: if it ends before they do, one of them has a line break, or worse. */
const TWO_VALUES = /[\t\x20-\x7e\x80-\xff]*\r\nKeyover-Consumer: [\t\x20-\x7e\x80-\xff]*/y;

interface Rest {
  environment: string | undefined;
  /** Undefined where no header can carry it. */
  text: string | undefined;
}
const rests = new Map<readonly string[], Rest>();

export class Yes implements Answer {
  readonly status: 200 | 204;
  readonly body = "";
  readonly #verdict: Verdict;
  readonly #wanted: Wanted;

  constructor(verdict: Verdict, wanted: Wanted, status: 200 | 204) {
    this.status = status;
    this.#verdict = verdict;
    this.#wanted = wanted;
  }

  /** Made anew each time. */
  get headers(): string[] {
    const { key, consumer, version, environment, scopes = NO_SCOPES, stale } = this.#verdict;
    const headers = [
      "Keyover-Key",
      key as string,
      "Keyover-Consumer",
      consumer as string,
      "Keyover-Version",
      String(version),
      "Keyover-Environment",
      environment as string,
      "Keyover-Scopes",
      scopes.join(" "),
    ];
    if (this.status === 200) headers.push("Content-Length", "0");
    if (stale === true) headers.push("Keyover-Stale", "true");
    for (const [name, value] of this.#wanted.door.headers(this.#verdict)) headers.push(name, value);
    return headers;
  }

  /** The same, from the status line to `end`, the lines behind the headers. Undefined where a value is among them that no header can carry. */
  head(end: string): string | undefined {
    const verdict = this.#verdict;
    const { key, consumer } = verdict;
    const rest = restOf(verdict.scopes ?? NO_SCOPES, verdict.environment);
    if (rest === undefined) return undefined;
    const start = this.status === 200 ? OK : NO_CONTENT;
    let further = verdict.stale === true ? "Keyover-Stale: true\r\n" : "";
    for (const [name, value] of this.#wanted.door.headers(verdict)) {
      if (UNSENDABLE.test(value)) return undefined;
      further += `${name}: ${value}\r\n`;
    }
    const head = `${start}${key}${BETWEEN}${consumer}\r\nKeyover-Version: ${verdict.version}\r\n${rest}${further}${end}`;
    // Both at once, where they stand: on its way to the socket the text is made one piece anyway.
    TWO_VALUES.lastIndex = start.length;
    const isSendable = TWO_VALUES.test(head);
    const valuesEnd = start.length + (key as string).length + BETWEEN.length + (consumer as string).length;
    return isSendable && TWO_VALUES.lastIndex === valuesEnd ? head : undefined;
  }
}

function restOf(scopes: readonly string[], environment: string | undefined): string | undefined {
  const known = rests.get(scopes);
  if (known !== undefined && known.environment === environment) return known.text;
  const joined = scopes.join(" ");
  const isSendable = !UNSENDABLE.test(joined) && !UNSENDABLE.test(environment as string);
  const text = isSendable ? `Keyover-Environment: ${environment}\r\nKeyover-Scopes: ${joined}\r\n` : undefined;
  if (rests.size >= RESTS_MAX) rests.clear();
  rests.set(scopes, { environment, text });
  return text;
}
