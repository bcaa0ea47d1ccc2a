/** A person's or a program's calls to the authority over the simulated network: each with an Idempotency-Key, repeated until answered. */
import type { Network } from "./network.ts";
import type { Process } from "./process.ts";

export interface Reply {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at member by member
  body: any;
}

const TRIES = 5;
const TIMEOUT_MS = 4_000;

export class Caller {
  readonly process: Process;
  readonly #network: Network;
  readonly #url: () => string;
  readonly #token: string;

  constructor(process: Process, network: Network, token: string, url: () => string) {
    this.process = process;
    this.#network = network;
    this.#token = token;
    this.#url = url;
  }

  /** Undefined if nobody answered, so that nobody knows whether it was done. */
  async call(method: string, path: string, body?: object): Promise<Reply | undefined> {
    const { process } = this;
    const once = Buffer.from(process.chance.bytes(8)).toString("hex");
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const reply = await this.#once(method, path, body, once);
      if (reply !== undefined && reply.status < 500) return reply;
      await new Promise<void>((resolve) => process.clock.after(200 * 2 ** attempt, resolve));
    }
    return undefined;
  }

  /** Sends a request with a key to a server of the API, whatever comes of it. */
  async present(host: string | undefined, text: string): Promise<void> {
    const { process } = this;
    const abort = new AbortController();
    const disarm = process.clock.after(TIMEOUT_MS, () => abort.abort());
    const headers = { authorization: `Bearer ${text}`, "user-agent": "early/1" };
    try {
      await this.#network.fetchOf(process)(`https://${host}/market:read`, { headers, signal: abort.signal });
    } catch {
      // No answer.
    } finally {
      disarm();
    }
  }

  async #once(method: string, path: string, body: object | undefined, once: string): Promise<Reply | undefined> {
    const { process } = this;
    const abort = new AbortController();
    const disarm = process.clock.after(TIMEOUT_MS, () => abort.abort());
    try {
      const response = await this.#network.fetchOf(process)(this.#url() + path, {
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(method === "GET" ? {} : { "idempotency-key": once }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: abort.signal,
      });
      const text = await response.text();
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
    } catch {
      return undefined;
    } finally {
      disarm();
    }
  }
}
