/** A wire, such as that between a verifier and the authority, that a test can cut, or hold up in either direction. */
import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * - `whole`: everything passes
 * - `cut`: connections are reset, new ones refused at once
 * - `silent`: connections stay open and nothing passes, as behind a firewall that drops packets
 * - `deaf`: what the verifier says passes; what the authority says does not
 * - `mute`: the other way round
 * - `stuck`: every call is answered, but the feed's stream brings nothing, as behind a proxy that keeps what it should hand on
 * - `slow`: everything passes, `SLOW_MS` later in each direction
 */
export type Wire = "whole" | "cut" | "silent" | "deaf" | "mute" | "stuck" | "slow";

const SLOW_MS = 100;

interface Pair {
  fromVerifier: Socket;
  toAuthority: Socket;
  isFeed: boolean;
}

export class Partition {
  url = "";
  readonly #target: URL;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #late = new WeakMap<Socket, Buffer[]>();
  #wire: Wire = "whole";

  constructor(targetUrl: string) {
    this.#target = new URL(targetUrl);
    this.#server = createServer((socket) => this.#join(socket));
  }

  static async to(targetUrl: string): Promise<Partition> {
    const made = new Partition(targetUrl);
    await new Promise<void>((resolve) => made.#server.listen(0, "127.0.0.1", resolve));
    const { port } = made.#server.address() as { port: number };
    made.url = `http://127.0.0.1:${port}`;
    return made;
  }

  set(wire: Wire): void {
    this.#wire = wire;
    for (const pair of this.#pairs) {
      if (wire !== "cut") this.#hold(pair);
      else for (const end of [pair.fromVerifier, pair.toAuthority]) end.resetAndDestroy();
    }
  }

  close(): void {
    for (const { fromVerifier, toAuthority } of this.#pairs)
      for (const end of [fromVerifier, toAuthority]) end.destroy();
    this.#server.close();
  }

  #join(fromVerifier: Socket): void {
    if (this.#wire === "cut") return void fromVerifier.resetAndDestroy();
    const toAuthority = connect(Number(this.#target.port), this.#target.hostname);
    const pair: Pair = { fromVerifier, toAuthority, isFeed: false };
    this.#pairs.add(pair);
    fromVerifier.on("data", (chunk: Buffer) => {
      pair.isFeed ||= chunk.includes("/feed?");
      this.#hold(pair);
      this.#pass(chunk, toAuthority);
    });
    toAuthority.on("data", (chunk: Buffer) => this.#pass(chunk, fromVerifier));
    for (const [end, other] of [[fromVerifier, toAuthority] as const, [toAuthority, fromVerifier] as const]) {
      end.on("error", () => undefined);
      end.on("close", () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
    this.#hold(pair);
  }

  /** What was said while the wire was slow still arrives before what is said later. */
  #pass(chunk: Buffer, to: Socket): void {
    const late = this.#late.get(to);
    if (this.#wire !== "slow" && late === undefined) return void to.write(chunk);
    const waiting = late ?? [];
    waiting.push(chunk);
    this.#late.set(to, waiting);
    setTimeout(() => {
      to.write(waiting.shift() as Buffer);
      if (waiting.length === 0) this.#late.delete(to);
    }, SLOW_MS);
  }

  /** A paused socket takes nothing more from its side. */
  #hold({ fromVerifier, toAuthority, isFeed }: Pair): void {
    const wire = this.#wire;
    const fromVerifierHeld = wire === "silent" || wire === "mute";
    const toVerifierHeld = wire === "silent" || wire === "deaf" || (wire === "stuck" && isFeed);
    if (fromVerifierHeld) fromVerifier.pause();
    else fromVerifier.resume();
    if (toVerifierHeld) toAuthority.pause();
    else toAuthority.resume();
  }
}
