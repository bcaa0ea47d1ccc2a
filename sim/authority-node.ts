/** One authority: a machine, and the process on it that may be killed and started again on the same database. */
import { type Authority, createAuthority, TICK_MS } from "../packages/server/src/authority.ts";
import type { Store } from "../packages/server/src/store/store.ts";
import { ask } from "./http-server.ts";
import type { Server } from "./network.ts";
import { Machine, type Process } from "./process.ts";
import type { WireAnswer, WireRequest } from "./wire.ts";

export interface AuthorityParts {
  name: string;
  masterKey: Uint8Array;
  leaseMs: number;
  start: (machine: Machine) => Process;
  storeFor: (process: Process) => Store;
  fetchFor: (process: Process) => typeof globalThis.fetch;
  /** False while its database is being brought back. */
  mayStart: () => boolean;
  /** What the DNS says of a name. */
  resolve: (process: Process, host: string) => Promise<string[]>;
  /** Called with each answer as it leaves the process. */
  onAnswer: (request: WireRequest, answer: WireAnswer) => void;
}

export class AuthorityNode implements Server {
  readonly machine: Machine;
  readonly url: string;
  process: Process | undefined;
  authority: Authority | undefined;
  /** It does what is due only when it is told to look. */
  byHand = false;
  readonly #parts: AuthorityParts;

  constructor(parts: AuthorityParts) {
    this.#parts = parts;
    this.machine = new Machine(parts.name);
    this.url = `https://${parts.name}`;
  }

  get up(): boolean {
    return this.process?.alive === true && this.authority !== undefined;
  }

  /** Resolves once it answers. If it dies on the way it never does: don't wait for it. */
  async start(): Promise<void> {
    if (this.process?.alive || !this.#parts.mayStart()) return;
    const process = this.#parts.start(this.machine);
    this.process = process;
    this.authority = undefined;
    const world = process.world(this.#parts.fetchFor(process));
    const { masterKey, leaseMs } = this.#parts;
    const notices = { resolve: (host: string) => this.#parts.resolve(process, host) };
    const config = { masterKey, logger: false as const, trustProxy: true, replicaLeaseMs: leaseMs, notices };
    try {
      const authority = await createAuthority(world, this.#parts.storeFor(process), config);
      await authority.app.ready();
      if (!process.alive) return;
      this.authority = authority;
      this.#tick(process, authority);
    } catch (error) {
      // As the program does: it says why and ends. Its supervisor starts it again.
      process.log("error", "authority.start_failed", { error: String(error) });
      process.kill();
    }
  }

  readonly repeatable = ({ path }: WireRequest): boolean =>
    /\/(acks|reports|misses|verifiers|remembered|claim|confirm)$/.test(path);

  async handle(request: WireRequest): Promise<WireAnswer> {
    const { authority, process } = this;
    if (authority === undefined || process === undefined) throw new Error("not up yet");
    const answer = await ask(authority.app, request);
    if (process.alive) this.#parts.onAnswer(request, answer);
    return answer;
  }

  /** One look at what is due. */
  look(): void {
    const { process, authority } = this;
    if (authority === undefined) return;
    process?.do(() => {
      authority.tick().catch((error: unknown) => process.log("error", "server.tick_failed", { error: String(error) }));
    });
  }

  beginTicks(): void {
    this.byHand = false;
    const { process, authority } = this;
    if (process !== undefined && authority !== undefined) this.#tick(process, authority);
  }

  /** As the program does: a pass that takes long holds up no beat. */
  #tick(process: Process, authority: Authority): void {
    if (this.byHand) return;
    authority.tick().catch((error: unknown) => process.log("error", "server.tick_failed", { error: String(error) }));
    process.clock.after(TICK_MS, () => this.#tick(process, authority));
  }
}
