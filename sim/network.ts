/**
 * The network between the processes, as HTTP sees it. Each direction between two hosts is a `Link` with its own delay and troubles:
 *
 *     request   lost (the caller waits for its timeout, or is refused), late, twice, or held back until the link heals
 *     response  the same; the work is done, and nobody is told
 *     stream    keeps its order; stalls while its link is blocked, and goes on after; may be cut, which each end learns on its own
 *
 * What is held back arrives after the heal, though its caller gave up long ago: that is how old requests come late.
 */
import type { Chance } from "./chance.ts";
import type { Process } from "./process.ts";
import { failure, Stream } from "./streams.ts";
import type { VirtualTime } from "./time.ts";
import { type WireAnswer, type WireRequest, wireResponse } from "./wire.ts";

export interface Weather {
  delayMinMs: number;
  delayMaxMs: number;
  /** Of requests, and of responses. */
  loss: number;
  duplicates: number;
  /** Now and then something takes this much longer. */
  slow: number;
  slowMs: number;
}

export interface Server {
  process: Process | undefined;
  /** True for requests that a proxy on the way may send a second time. */
  repeatable?: ((request: WireRequest) => boolean) | undefined;
  handle(request: WireRequest): Promise<WireAnswer>;
}

class Link {
  blocked = false;
  waiting: (() => void)[] = [];
}

export interface NetworkCounts {
  requests: number;
  lost: number;
  duplicated: number;
  heldBack: number;
  cut: number;
}

export class Network {
  readonly #time: VirtualTime;
  readonly #chance: Chance;
  readonly #links = new Map<string, Link>();
  readonly #servers = new Map<string, Server>();
  readonly #streams = new Set<Stream>();
  weather: Weather;
  readonly counts: NetworkCounts = { requests: 0, lost: 0, duplicated: 0, heldBack: 0, cut: 0 };

  constructor(time: VirtualTime, chance: Chance, weather: Weather) {
    this.#time = time;
    this.#chance = chance;
    this.weather = weather;
  }

  serve(host: string, server: Server): void {
    this.#servers.set(host, server);
  }

  block(from: string, to: string): void {
    this.#link(from, to).blocked = true;
  }

  heal(from: string, to: string): void {
    const link = this.#link(from, to);
    link.blocked = false;
    for (const go of link.waiting.splice(0)) go();
  }

  healAll(): void {
    for (const name of this.#links.keys()) {
      const [from, to] = name.split(">") as [string, string];
      this.heal(from, to);
    }
  }

  /** Cuts the streams of a host, as a proxy that restarts does. */
  cutStreams(host: string): void {
    for (const stream of this.#streams) if (stream.from === host || stream.to === host) stream.cut();
  }

  /** From now on what goes on to this host comes slowly, piece by piece. */
  trickle(host: string, ms: number): void {
    for (const stream of this.#streams) if (stream.to === host) stream.trickleMs = ms;
  }

  /** What came slowly is broken off. */
  endTrickles(): void {
    for (const stream of this.#streams) if (stream.trickleMs > 0) stream.cut();
  }

  /** `fetch` as this process sees it. */
  fetchOf(process: Process): typeof globalThis.fetch {
    return ((input: string, init?: RequestInit) => this.#fetch(process, input, init)) as typeof globalThis.fetch;
  }

  #fetch(caller: Process, input: string, init: RequestInit = {}): Promise<Response> {
    const host = input.slice("https://".length, input.indexOf("/", "https://".length));
    const from = caller.machine.name;
    const signal = init.signal ?? undefined;
    const request: WireRequest = {
      method: init.method ?? "GET",
      path: input.slice("https://".length + host.length),
      headers: plainHeaders(init.headers),
      body: init.body as string | undefined,
      from,
    };
    return new Promise((resolve, reject) => {
      let settled = false;
      let stream: Stream | undefined;
      const abandon = () => {
        stream?.leave();
        if (settled) return;
        settled = true;
        reject(signal?.reason);
      };
      const settle = (run: () => void) => {
        if (settled) return;
        caller.do(() => {
          if (settled) return;
          settled = true;
          // A signal that is heard stays, and with it all that this simulation was.
          if (stream === undefined) signal?.removeEventListener("abort", abandon);
          run();
        });
      };
      const fail = (code: string) => settle(() => reject(failure(code)));
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", abandon, { once: true });
      this.counts.requests++;
      const repeat = this.#servers.get(host)?.repeatable?.(request) && this.#chance.happens(this.weather.duplicates);
      if (repeat) {
        this.counts.duplicated++;
        this.#pass(
          from,
          host,
          () =>
            void this.#arrive(
              host,
              request,
              () => {},
              () => {},
            ),
          this.#chance.between(0, 3_000),
        );
      }
      if (this.#chance.happens(this.weather.loss)) {
        this.counts.lost++;
        if (this.#chance.happens(0.5)) this.#time.after(this.#delay(), () => fail("ECONNRESET"));
        return;
      }
      const answered = (answer: WireAnswer) => {
        if (this.#chance.happens(this.weather.loss)) {
          this.counts.lost++;
          if (answer.stream !== undefined) answer.stream.close();
          if (this.#chance.happens(0.5)) this.#time.after(this.#delay(), () => fail("ECONNRESET"));
          return;
        }
        if (answer.stream !== undefined) {
          stream = new Stream(this, host, from, caller, answer.stream);
          this.#streams.add(stream);
          caller.onDeath(() => stream?.leave());
          if (signal?.aborted) stream.leave();
        }
        this.#pass(host, from, () => settle(() => resolve(wireResponse(answer, stream?.readable))));
      };
      this.#pass(from, host, () => void this.#arrive(host, request, answered, fail));
    });
  }

  async #arrive(
    host: string,
    request: WireRequest,
    answered: (answer: WireAnswer) => void,
    fail: (code: string) => void,
  ): Promise<void> {
    const server = this.#servers.get(host);
    const process = server?.process;
    if (server === undefined || process === undefined || !process.alive) {
      this.#pass(host, request.from, () => fail("ECONNREFUSED"));
      return;
    }
    let open = true;
    process.onDeath(() => {
      if (open) this.#pass(host, request.from, () => fail("ECONNRESET"));
    });
    process.do(() => {
      server.handle(request).then(
        (answer) => {
          open = false;
          if (process.alive) answered(answer);
        },
        () => {
          open = false;
          this.#pass(host, request.from, () => fail("ECONNRESET"));
        },
      );
    });
  }

  /** What is sent arrives after the link's delay; while the link is blocked, not before it heals, if ever. */
  #pass(from: string, to: string, arrive: () => void, extraMs = 0): void {
    const link = this.#link(from, to);
    const go = () => {
      this.#time.after(this.#delay() + extraMs, () => {
        if (!link.blocked) arrive();
        else this.#hold(link, arrive);
      });
    };
    if (link.blocked) this.#hold(link, go);
    else go();
  }

  #hold(link: Link, go: () => void): void {
    if (this.#chance.happens(0.6)) {
      this.counts.lost++;
      return;
    }
    this.counts.heldBack++;
    link.waiting.push(go);
  }

  /** As `#pass`, for what a connection delivers in order and in the end, unless it is cut. */
  passInOrder(from: string, to: string, notBefore: number, arrive: () => void): number {
    const link = this.#link(from, to);
    const at = Math.max(notBefore, this.#time.at + this.#delay());
    const go = () => {
      if (!link.blocked) arrive();
      else {
        this.counts.heldBack++;
        link.waiting.push(go);
      }
    };
    this.#time.schedule(at, go);
    return at;
  }

  forget(stream: Stream): void {
    this.#streams.delete(stream);
  }

  #delay(): number {
    const { delayMinMs, delayMaxMs, slow, slowMs } = this.weather;
    const usual = this.#chance.between(delayMinMs, delayMaxMs);
    return this.#chance.happens(slow) ? usual + this.#chance.between(0, slowMs) : usual;
  }

  #link(from: string, to: string): Link {
    const name = `${from}>${to}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      link = new Link();
      this.#links.set(name, link);
    }
    return link;
  }
}

function plainHeaders(given: RequestInit["headers"]): Record<string, string> {
  const headers: Record<string, string> = {};
  if (given instanceof Headers) for (const [name, value] of given) headers[name] = value;
  else for (const [name, value] of Object.entries(given ?? {})) headers[name.toLowerCase()] = value as string;
  return headers;
}
