/**
 * The calls of wire.ts over `fetch`. Whatever happens is a value: an answer, or a refusal with the authority's code, or
 * `unreachable` for everything that is no answer of an authority (no connection, a timeout, a proxy's page).
 *
 * The authority may be several processes on one database, each at its own address; any of them answers for any boot.
 *
 *     every call ──▶ the current one ──does not answer, is in trouble, its stream ends──▶ the next is the current one
 *
 * It moves on only if the call that failed was made to the current one: ten calls that fail together move it by one. Each
 * verifier has the addresses in an order of its own, so that those which one dead authority leaves behind spread over the
 * others. A stream that is open stays where it is while it lives, whatever becomes of other calls.
 */
import type { World } from "@keyover/core";
import { parseJson } from "./shapes.ts";

export interface Refusal {
  ok: false;
  /** A `ProblemCode`, or `unreachable`. */
  code: string;
  status: number;
  detail: string;
  /** It speaks for this authority alone, and there are others. */
  elsewhere: boolean;
  /** With `reconciling`: what tells this restore from others, and the feed's head in the restored database. */
  restored?: Restored;
  /** With `unknown_boot` and `reconciling`: the number of the last report of that boot that was counted. */
  counted?: number;
}

/** An answer that is none, as if it had not come. */
export const ILL_FORMED: Refusal = {
  ok: false,
  code: "unreachable",
  status: 0,
  detail: "the answer does not have the form of one",
  elsewhere: false,
};

export interface Restored {
  epoch: string;
  after: number;
}

export interface Answer {
  ok: true;
  body: unknown;
  /** Monotonic times. */
  sentAt: number;
  receivedAt: number;
}

export interface OpenStream {
  ok: true;
  chunks: ReadableStream<Uint8Array>;
  sentAt: number;
  /** To say `lost` of. */
  move: number;
}

export interface CallOptions {
  urls: readonly string[];
  token: string;
  api: string;
}

export class AuthorityCalls {
  readonly #world: World;
  readonly #urls: string[];
  readonly #path: string;
  readonly #headers: Record<string, string>;
  /** How often it moved on, modulo the number of addresses which is the current one. */
  #move = 0;

  constructor(world: World, { urls, token, api }: CallOptions) {
    this.#world = world;
    this.#urls = shuffled([...new Set(urls.map((url) => url.replace(/\/+$/, "")))], world);
    this.#path = `/v1/apis/${encodeURIComponent(api)}/`;
    this.#headers = { authorization: `Bearer ${token}` };
  }

  /** How many authorities there are to call. */
  get count(): number {
    return this.#urls.length;
  }

  /** Where the next call goes. */
  get url(): string {
    return this.#at(this.#move);
  }

  async post(name: string, body: object, timeoutMs: number): Promise<Answer | Refusal> {
    const move = this.#move;
    const answer = await this.#post(move, name, body, timeoutMs);
    if (!answer.ok) this.#left(move, answer);
    return answer;
  }

  /**
   * Asks one after the other, each for its part of `timeoutMs`, and stays with the one that answered. A question that
   * nobody answers moves nothing: strangers' keys must not drive a verifier from one authority to the next.
   */
  async ask(name: string, body: object, timeoutMs: number): Promise<Answer | Refusal> {
    const move = this.#move;
    const partMs = Math.round(timeoutMs / this.count);
    for (let tried = 0; ; tried++) {
      const answer = await this.#post(move + tried, name, body, partMs);
      if (!answer.ok && answer.elsewhere && tried + 1 < this.count) continue;
      if (answer.ok && tried > 0 && move === this.#move) this.#goTo(move + tried, "a question was not answered");
      return answer;
    }
  }

  /** Opens a stream; `abort` ends it, and the wait for its beginning. */
  async open(name: string, accept: string, abort: AbortController, timeoutMs: number): Promise<OpenStream | Refusal> {
    const move = this.#move;
    let late = false;
    const disarm = this.#world.clock.after(timeoutMs, () => {
      late = true;
      abort.abort();
    });
    const sentAt = this.#world.clock.elapsed();
    let failed: Refusal;
    try {
      const response = await this.#world.fetch(this.#at(move) + this.#path + name, {
        headers: { ...this.#headers, accept },
        signal: abort.signal,
        redirect: "error",
      });
      if (response.ok && response.body !== null) return { ok: true, chunks: response.body, sentAt, move };
      failed = response.ok
        ? this.#unreachable("an empty answer")
        : this.#refusal(response.status, await response.text());
    } catch (error) {
      failed = this.#unreachable(late ? `no answer within ${timeoutMs} ms` : reasonOf(error));
    } finally {
      disarm();
    }
    // Nobody waited for this one any more: that says nothing of the authority.
    if (abort.signal.aborted && !late) failed.elsewhere = false;
    this.#left(move, failed);
    return failed;
  }

  /** The stream ended, broke or went silent. */
  lost({ move }: OpenStream, detail: string): Refusal {
    const refusal = this.#unreachable(detail);
    this.#left(move, refusal);
    return refusal;
  }

  async #post(move: number, name: string, body: object, timeoutMs: number): Promise<Answer | Refusal> {
    const abort = new AbortController();
    const disarm = this.#world.clock.after(timeoutMs, () => abort.abort());
    const sentAt = this.#world.clock.elapsed();
    try {
      const response = await this.#world.fetch(this.#at(move) + this.#path + name, {
        method: "POST",
        headers: { ...this.#headers, "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify(body),
        signal: abort.signal,
        redirect: "error",
      });
      const text = await response.text();
      if (!response.ok) return this.#refusal(response.status, text);
      const parsed = parseJson(text);
      if (parsed === undefined) return this.#unreachable("the answer is no JSON");
      return { ok: true, body: parsed, sentAt, receivedAt: this.#world.clock.elapsed() };
    } catch (error) {
      return this.#unreachable(abort.signal.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error));
    } finally {
      disarm();
    }
  }

  #at(move: number): string {
    return this.#urls[move % this.#urls.length] as string;
  }

  #left(move: number, { elsewhere, detail }: Refusal): void {
    if (elsewhere && move === this.#move) this.#goTo(move + 1, detail);
  }

  #goTo(move: number, reason: string): void {
    const from = this.url;
    this.#move = move;
    this.#world.log("info", "authority.moved", { from: hostOf(from), to: hostOf(this.url), reason });
  }

  #refusal(status: number, text: string): Refusal {
    const problem = parseJson(text) as Record<string, unknown> | undefined | null;
    const code = typeof problem?.code === "string" ? problem.code : codeOfStatus(status);
    const detail = [problem?.detail, problem?.title].find((each) => typeof each === "string") ?? `HTTP ${status}`;
    const refusal: Refusal = { ok: false, code, status, detail: (detail as string).slice(0, 300), elsewhere: false };
    // The one trouble that is all authorities' alike: it is about their database.
    if (code !== "reconciling") refusal.elsewhere = this.count > 1 && (code === "unreachable" || status >= 500);
    else if (Number.isSafeInteger(problem?.after)) refusal.restored = restoredOf(problem as Record<string, unknown>);
    if (Number.isSafeInteger(problem?.counted)) refusal.counted = problem?.counted as number;
    return refusal;
  }

  #unreachable(detail: string): Refusal {
    return { ok: false, code: "unreachable", status: 0, detail, elsewhere: this.count > 1 };
  }
}

/**
 * Hands over what a stream brings, as text, until it ends, `onText` answers false, or nothing comes for `silenceMs`.
 * Answers why it ended.
 */
export async function readText(
  world: World,
  chunks: ReadableStream<Uint8Array>,
  abort: AbortController,
  silenceMs: () => number,
  onText: (text: string) => boolean,
): Promise<"ended" | "silent" | "stopped" | "broken"> {
  const reader = chunks.getReader();
  const decoder = new TextDecoder();
  let silent = false;
  const arm = () =>
    world.clock.after(silenceMs(), () => {
      silent = true;
      abort.abort();
      reader.cancel().catch(() => undefined);
    });
  let disarm = arm();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      disarm();
      if (done) return silent ? "silent" : "ended";
      if (!onText(decoder.decode(value, { stream: true }))) return "stopped";
      disarm = arm();
    }
  } catch {
    return silent ? "silent" : "broken";
  } finally {
    disarm();
    abort.abort();
    reader.cancel().catch(() => undefined);
  }
}

/** Fisher and Yates, from the end. */
function shuffled(urls: string[], world: World): string[] {
  for (let i = urls.length - 1; i > 0; i--) {
    const j = (world.random(1)[0] as number) % (i + 1);
    [urls[i], urls[j]] = [urls[j] as string, urls[i] as string];
  }
  return urls;
}

/** What of an address may stand in a log: it may carry a password. */
export function hostOf(url: string): string {
  return new URL(url).host;
}

function restoredOf({ after, epoch }: Record<string, unknown>): Restored {
  return { after: after as number, epoch: typeof epoch === "string" ? epoch : "" };
}

/** A proxy's answer has no code. Only what certainly is about the token counts as an answer. */
function codeOfStatus(status: number): string {
  if (status === 401) return "unauthenticated";
  if (status === 403) return "forbidden";
  return "unreachable";
}

/** `fetch` says "fetch failed" and hides the reason in the cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { message?: string; code?: string } };
  return cause?.code ?? cause?.message ?? message ?? "no connection";
}
