/**
 * In the place of `node:http` and `node:https` for the one file of the authority that sends notices: as much of them as it uses. The connection
 * goes to the addresses that its look-up gives, over the simulated network, and is an effect: the process may die before it, or after it and
 * before it can note what came of it.
 */
import type { LookupFunction } from "node:net";
import { Process } from "./process.ts";

export interface Sent {
  status: number;
  retryAfter: string | undefined;
  body: string;
}

export interface Sending {
  process: Process;
  url: URL;
  /** Where the connection goes. */
  addresses: string[];
  headers: Record<string, string>;
  body: string;
  signal: AbortSignal;
}

let carry: (sending: Sending) => Promise<Sent> = () => Promise.reject(new Error("no network"));

/** For the simulation that runs now. */
export function connectSockets(to: typeof carry): void {
  carry = to;
}

interface Options {
  method: string;
  headers: Record<string, string>;
  lookup: LookupFunction;
  signal: AbortSignal;
}

export function request(url: URL, options: Options): Request {
  return new Request(url, options);
}

type Listener = (given: never) => void;

class Request {
  readonly #url: URL;
  readonly #options: Options;
  readonly #process = Process.current as Process;
  readonly #listeners = new Map<string, Listener>();

  constructor(url: URL, options: Options) {
    this.#url = url;
    this.#options = options;
  }

  on(event: string, listener: Listener): this {
    this.#listeners.set(event, listener);
    return this;
  }

  end(body: string): void {
    this.#send(body).then(
      (sent) => this.#tell("response", new Answer(sent)),
      (error: unknown) => this.#tell("error", error),
    );
  }

  destroy(): void {}

  async #send(body: string): Promise<Sent> {
    const { headers, lookup, signal } = this.#options;
    const addresses = await addressesOf(lookup, this.#url.hostname);
    const sending = { process: this.#process, url: this.#url, addresses, headers, body, signal };
    return this.#process.effect("notice.send", () => carry(sending));
  }

  #tell(event: string, given: unknown): void {
    this.#listeners.get(event)?.(given as never);
  }
}

function addressesOf(lookup: LookupFunction, host: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    lookup(host, { all: true }, (error, found) => {
      if (error !== null) reject(error);
      else resolve((found as { address: string }[]).map(({ address }) => address));
    });
  });
}

/** A response that is there as a whole. */
class Answer {
  readonly statusCode: number;
  readonly headers: Record<string, string | undefined>;
  readonly #body: string;

  constructor({ status, retryAfter, body }: Sent) {
    this.statusCode = status;
    this.headers = { "retry-after": retryAfter };
    this.#body = body;
  }

  on(event: string, listener: (part?: Buffer) => void): this {
    if (event === "data" && this.#body !== "") listener(Buffer.from(this.#body));
    if (event === "end") listener();
    return this;
  }
}
