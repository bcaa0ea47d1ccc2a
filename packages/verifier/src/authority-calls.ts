/**
 * The calls of wire.ts over `fetch`. Whatever happens is a value: an answer, or a refusal with the authority's code, or
 * `unreachable` for everything that is no answer of an authority (no connection, a timeout, a proxy's page).
 */
import type { World } from "@keyover/core";
import { parseJson } from "./shapes.ts";

export interface Refusal {
  ok: false;
  /** A `ProblemCode`, or `unreachable`. */
  code: string;
  status: number;
  detail: string;
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
}

export interface CallOptions {
  url: string;
  token: string;
  api: string;
}

export class AuthorityCalls {
  readonly #world: World;
  readonly #base: string;
  readonly #headers: Record<string, string>;

  constructor(world: World, { url, token, api }: CallOptions) {
    this.#world = world;
    this.#base = `${url.replace(/\/+$/, "")}/v1/apis/${encodeURIComponent(api)}/`;
    this.#headers = { authorization: `Bearer ${token}` };
  }

  async post(name: string, body: object, timeoutMs: number): Promise<Answer | Refusal> {
    const abort = new AbortController();
    const disarm = this.#world.clock.after(timeoutMs, () => abort.abort());
    const sentAt = this.#world.clock.elapsed();
    try {
      const response = await this.#world.fetch(this.#base + name, {
        method: "POST",
        headers: { ...this.#headers, "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify(body),
        signal: abort.signal,
        redirect: "error",
      });
      const text = await response.text();
      if (!response.ok) return refusal(response.status, text);
      const parsed = parseJson(text);
      if (parsed === undefined) return unreachable("the answer is no JSON");
      return { ok: true, body: parsed, sentAt, receivedAt: this.#world.clock.elapsed() };
    } catch (error) {
      return unreachable(abort.signal.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error));
    } finally {
      disarm();
    }
  }

  /** Opens a stream; `abort` ends it, and the wait for its beginning. */
  async open(name: string, accept: string, abort: AbortController, timeoutMs: number): Promise<OpenStream | Refusal> {
    const disarm = this.#world.clock.after(timeoutMs, () => abort.abort());
    const sentAt = this.#world.clock.elapsed();
    try {
      const response = await this.#world.fetch(this.#base + name, {
        headers: { ...this.#headers, accept },
        signal: abort.signal,
        redirect: "error",
      });
      if (!response.ok) return refusal(response.status, await response.text());
      if (response.body === null) return unreachable("an empty answer");
      return { ok: true, chunks: response.body, sentAt };
    } catch (error) {
      return unreachable(abort.signal.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error));
    } finally {
      disarm();
    }
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
  silenceMs: number,
  onText: (text: string) => boolean,
): Promise<"ended" | "silent" | "stopped" | "broken"> {
  const reader = chunks.getReader();
  const decoder = new TextDecoder();
  let silent = false;
  const arm = () =>
    world.clock.after(silenceMs, () => {
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

function refusal(status: number, text: string): Refusal {
  const problem = parseJson(text) as { code?: unknown; detail?: unknown; title?: unknown } | undefined | null;
  const code = typeof problem?.code === "string" ? problem.code : codeOfStatus(status);
  const detail = [problem?.detail, problem?.title].find((each) => typeof each === "string") ?? `HTTP ${status}`;
  return { ok: false, code, status, detail: (detail as string).slice(0, 300) };
}

/** A proxy's answer has no code. Only what certainly is about the token counts as an answer. */
function codeOfStatus(status: number): string {
  if (status === 401) return "unauthenticated";
  if (status === 403) return "forbidden";
  return "unreachable";
}

function unreachable(detail: string): Refusal {
  return { ok: false, code: "unreachable", status: 0, detail };
}

/** `fetch` says "fetch failed" and hides the reason in the cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { message?: string; code?: string } };
  return cause?.code ?? cause?.message ?? message ?? "no connection";
}
