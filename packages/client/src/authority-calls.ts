/**
 * The three calls to the authority. None throws: what may happen is a value. Each is bounded in time and size, follows
 * no redirect (the token must not travel), and a write that went unanswered is repeated under the same Idempotency-Key.
 */
import { authorityUrlProblem, type Changeover, type Claim, randomBase62, sha256Text, type World } from "@keyover/core";
import { parseChangeover, parseClaim } from "./answers.ts";
import { KeyHolderError, reasonOf } from "./failure.ts";
import type { Secret } from "./secret.ts";
import { isRecord } from "./sidecar.ts";

export interface AuthorityOptions {
  /** Such as `https://keys.example.com`. */
  url: string;
  /** A token of the consumer. Without one the key speaks for itself, which its policy must allow (`claim: self`). */
  token?: string | undefined;
  /** Send secrets over http:// to another machine. Only where nobody else can listen. */
  allowPlainHttp?: boolean | undefined;
}

/** `final`: the authority understood and says no; asking again changes nothing by itself. */
export type Answer<T> = { ok: true; value: T } | { ok: false; code: string; detail: string; final: boolean };

const CALL_MS = 10_000;
const ANSWER_BYTES_MAX = 65_536;

export class AuthorityCalls {
  readonly #options: AuthorityOptions;
  readonly #base: string;
  readonly #world: World;
  readonly #instance: string;
  readonly #closing = new AbortController();
  /** The Idempotency-Key of each write that has had no answer yet. At most one rotation's claim and confirm. */
  readonly #unanswered = new Map<string, string>();

  constructor(options: AuthorityOptions, world: World, instance: string) {
    this.#options = options;
    this.#base = baseUrl(options);
    this.#world = world;
    this.#instance = instance;
  }

  changeover(secret: Secret): Promise<Answer<Changeover>> {
    return this.#call("/v1/changeover", { sha256: sha256Text(secret.reveal()) }, secret, parseChangeover);
  }

  async claim(rotation: string, secret: Secret): Promise<Answer<Claim>> {
    return this.#write(`/v1/rotations/${encodeURIComponent(rotation)}/claim`, {}, secret, parseClaim);
  }

  async confirm(rotation: string, version: number, secret: Secret): Promise<Answer<unknown>> {
    return this.#write(`/v1/rotations/${encodeURIComponent(rotation)}/confirm`, { version }, secret, (body) => ({
      body,
    }));
  }

  /** Breaks off what is under way. */
  close(): void {
    this.#closing.abort();
  }

  async #write<T>(
    path: string,
    body: object,
    secret: Secret,
    parse: (body: unknown) => T | string,
  ): Promise<Answer<T>> {
    const idempotencyKey = this.#unanswered.get(path) ?? randomBase62(22, this.#world.random);
    if (this.#unanswered.size > 8) this.#unanswered.clear();
    this.#unanswered.set(path, idempotencyKey);
    const answer = await this.#call(path, body, secret, parse, idempotencyKey);
    if (answer.ok || answer.final) this.#unanswered.delete(path);
    return answer;
  }

  async #call<T>(
    path: string,
    body: object,
    secret: Secret,
    parse: (body: unknown) => T | string,
    idempotencyKey?: string,
  ): Promise<Answer<T>> {
    const abort = new AbortController();
    const stop = () => abort.abort();
    this.#closing.signal.addEventListener("abort", stop, { once: true });
    const cancel = this.#world.clock.after(CALL_MS, stop);
    try {
      const work = this.#exchange(path, body, secret, parse, idempotencyKey, abort.signal);
      return await Promise.race([work, aborted<T>(abort.signal)]);
    } catch (error) {
      return { ok: false, code: "unreachable", detail: reasonOf(error), final: false };
    } finally {
      cancel();
      this.#closing.signal.removeEventListener("abort", stop);
    }
  }

  async #exchange<T>(
    path: string,
    body: object,
    secret: Secret,
    parse: (body: unknown) => T | string,
    idempotencyKey: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer<T>> {
    const response = await this.#world.fetch(this.#base + path, {
      method: "POST",
      redirect: "error",
      headers: {
        accept: "application/json",
        "content-type": "application/json",
        authorization: `Bearer ${this.#options.token ?? secret.reveal()}`,
        "keyover-instance": this.#instance,
        ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
      },
      body: JSON.stringify(body),
      signal,
    });
    const text = await readText(response, ANSWER_BYTES_MAX);
    if (text === undefined) return unreadable(response, `more than ${ANSWER_BYTES_MAX} bytes`);
    const value = parseJson(text);
    if (!response.ok) {
      const answer = refusal(response.status, value);
      const echo =
        answer.detail.includes(secret.reveal()) || answer.detail.includes(this.#options.token ?? secret.reveal());
      return echo ? { ...answer, detail: "(withheld: it repeats a secret)" } : answer;
    }
    if (value === undefined && text !== "") return unreadable(response, "it is no JSON");
    const parsed = parse(value);
    return typeof parsed === "string" ? unreadable(response, parsed) : { ok: true, value: parsed };
  }
}

type Refusal = Extract<Answer<never>, { ok: false }>;

function refusal(status: number, body: unknown): Refusal {
  const code = isRecord(body) && typeof body.code === "string" ? body.code : `http_${status}`;
  const detail = isRecord(body) && typeof body.detail === "string" ? body.detail : `HTTP ${status}`;
  const passing = status >= 500 || status === 429 || status === 408;
  // Text from outside goes into logs: as a word, and no longer than a sentence.
  return { ok: false, code: /^\w{1,60}$/.test(code) ? code : `http_${status}`, detail: plain(detail), final: !passing };
}

function unreadable<T>(response: Response, what: string): Answer<T> {
  return {
    ok: false,
    code: "unreadable",
    detail: `the authority's answer (HTTP ${response.status}): ${what}`,
    final: false,
  };
}

function plain(text: string): string {
  return text.slice(0, 300).replace(/[^\x20-\x7e]/g, "?");
}

/** At most `bytesMax` of a body; undefined if it is longer. */
async function readText(response: Response, bytesMax: number): Promise<string | undefined> {
  if (response.body === null) return "";
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks).toString("utf8");
    length += value.byteLength;
    if (length > bytesMax) {
      reader.cancel().catch(() => {});
      return undefined;
    }
    chunks.push(value);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** For a transport that does not mind its signal. */
function aborted<T>(signal: AbortSignal): Promise<Answer<T>> {
  return new Promise((resolve) => {
    const answer: Answer<T> = { ok: false, code: "unreachable", detail: "no answer in time", final: false };
    signal.addEventListener("abort", () => resolve(answer), { once: true });
  });
}

function baseUrl({ url: text, allowPlainHttp }: AuthorityOptions): string {
  const problem = authorityUrlProblem(text, allowPlainHttp);
  if (problem !== undefined) throw new KeyHolderError("invalid_options", `authority.url: ${problem}`);
  const url = new URL(text);
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new KeyHolderError("invalid_options", "authority.url takes no user, password, query or fragment");
  }
  return url.href.replace(/\/+$/, "");
}
