/**
 * A server of the protected API: a real verifier with a disk, or with a cache and none, and a door that asks it about each request. It may be killed, stopped,
 * started again on the same disk, another, or none.
 */
import type { Ask } from "@keyover/core";
import { createVerifier, type Verifier } from "@keyover/verifier";
import { createDoor, type Door } from "../packages/verifier/src/adapters/answer.ts";
import { checkDecision } from "./check-decision.ts";
import { Platter } from "./disks.ts";
import { addressOf } from "./http-server.ts";
import type { Model } from "./model.ts";
import type { Network, Server } from "./network.ts";
import { Machine, type Process } from "./process.ts";
import { broughtTo, replicasOf } from "./replicas.ts";
import type { WireAnswer, WireRequest } from "./wire.ts";

export interface ApiServerParts {
  name: string;
  apis: string[];
  token: string;
  /** The authorities that it knows. */
  urls: () => string[];
  journalLineBytes: number;
  /** What a request costs, by the scope that it asks for; undefined: nobody counts. */
  costs: readonly [number, number] | undefined;
  /** 0: it holds all keys, and keeps them on its disk. */
  cacheKeys: number;
  model: Model;
  network: Network;
  start: (machine: Machine) => Process;
}

export const SCOPES = ["market:read", "trade:write"] as const;

export class ApiServer implements Server {
  readonly machine: Machine;
  readonly platter: Platter;
  process: Process | undefined;
  verifier: Verifier | undefined;
  /** It was told to go away and won't come back. */
  gone = false;
  #doors = new Map<string, Door<WireRequest>>();
  readonly #parts: ApiServerParts;
  /** How far its machine's clock was set back while it was down. */
  #grace = 0;
  #setBackAtDeath = 0;
  /** What this server has told an authority that it applied, by api. */
  readonly acknowledged = new Map<string, number>();

  constructor(parts: ApiServerParts) {
    this.#parts = parts;
    this.machine = new Machine(parts.name);
    this.platter = new Platter(parts.journalLineBytes);
  }

  /** It holds all keys. */
  get isWhole(): boolean {
    return this.#parts.cacheKeys === 0;
  }

  get up(): boolean {
    return this.process?.alive === true;
  }

  start(): void {
    if (this.up || this.gone) return;
    const { name, apis, token, urls, costs, cacheKeys, model, network, start } = this.#parts;
    const process = start(this.machine);
    this.process = process;
    this.#grace = this.machine.setBack - this.#setBackAtDeath;
    process.onDeath(() => {
      this.#setBackAtDeath = this.machine.setBack;
    });
    for (const api of apis) if (this.platter.isDamaged(api)) this.acknowledged.delete(api);
    // An event of its own: what runs in it belongs to this process.
    process.clock.after(0, () => {
      const fetch = this.#listening(process, network.fetchOf(process));
      this.verifier = createVerifier({
        url: urls(),
        token,
        apis,
        environment: "live",
        instance: name,
        world: process.world(fetch),
        ...(cacheKeys > 0 ? { cache: { keys: cacheKeys } } : { disk: this.platter.disk(process) }),
      });
      this.verifier.ready.then(
        () => model.history.note(name, "ready"),
        (error: unknown) => model.history.note(name, `not ready: ${String(error)}`),
      );
      const doors = SCOPES.map((scope) => {
        const options = costs === undefined ? { scope } : { scope, cost: this.#costOf(scope) };
        return [`/${scope}`, createDoor<WireRequest>(this.verifier as Verifier, options)] as const;
      });
      this.#doors = new Map(doors);
    });
  }

  /** As a deployment that takes a server out: it reports what it saw, and that it is the last. */
  close(): void {
    this.gone = true;
    const { process, verifier } = this;
    process?.do(() => {
      void verifier?.close().then(() => process.kill());
    });
  }

  /** True while it may answer requests for this api with what it holds. */
  answersFor(api: string): boolean {
    if (!this.up || this.verifier === undefined) return false;
    return this.verifier.status().some((status) => status.api === api && status.lease.standing !== "over");
  }

  async handle(request: WireRequest): Promise<WireAnswer> {
    const { process } = this;
    const [path, scope] = [request.path, request.path.slice(1)];
    const door = this.#doors.get(path) as Door<WireRequest>;
    const address = addressOf(request.from);
    const verdict = await door.check(request, request.headers, false, address);
    const text = request.headers.authorization?.slice("Bearer ".length) ?? "";
    const ask: Ask = { environment: "live", scope, network: address };
    const { model, name } = this.#parts;
    if (process?.alive) {
      const { "user-agent": client = "", "keyover-instance": instance = "" } = request.headers;
      const source = `${address}|${client}|${instance}`;
      const { at } = model.time;
      // What was on the disk is over by then.
      const young = at - process.startedAt < model.staleMs + this.#grace;
      const grace = young ? this.#grace : 0;
      const cost = this.#costOf(scope);
      checkDecision(model, { at, verifier: name, process, text, ask, cost, source, verdict, grace, young });
    }
    if (!verdict.valid) {
      const { status, headers, body } = door.refuse(verdict);
      return { status, headers: Object.fromEntries(headers), body };
    }
    return { status: 200, headers: Object.fromEntries(door.headers(verdict)), body: "ok" };
  }

  #costOf(scope: string): number {
    return this.#parts.costs?.[scope === SCOPES[0] ? 0 : 1] ?? 1;
  }

  /** What authorities tell it of their limits: how many share them, and that it is heard. */
  async #heard(process: Process, api: string, { boot }: { boot: string }, response: Response): Promise<void> {
    if (!response.ok) return;
    const { verifiers } = (await response.json()) as { verifiers: number };
    const heard = this.#parts.model.plans.heard(process, api);
    Object.assign(heard, { boot, verifiers, at: this.#parts.model.time.at });
  }

  /** Who says that it holds less than it was sent would not be asked for the rest once the database is lost (I17). */
  #checkHolds(process: Process, api: string, holds: { seq: number } | undefined): void {
    const { model, name } = this.#parts;
    for (const { key, seq } of replicasOf(process).flatMap(broughtTo))
      if (holds !== undefined && holds.seq < seq && model.keys.get(key)?.apiId === api)
        model.fail("I17", key, `${name} says that it holds ${holds.seq} at most; a snapshot has brought it ${seq}`);
  }

  /** Hears what the verifier says that it has applied, and checks that it has (I2, I13). */
  #listening(process: Process, fetch: typeof globalThis.fetch): typeof globalThis.fetch {
    const listening = (input: string, init?: RequestInit) => {
      const said = /\/v1\/apis\/([^/]+)\/verifiers$/.exec(input);
      if (said !== null && typeof init?.body === "string") {
        const { holds } = JSON.parse(init.body) as { holds?: { seq: number } };
        this.#checkHolds(process, said[1] as string, holds);
      }
      const match = /\/v1\/apis\/([^/]+)\/(acks|reports)$/.exec(input);
      if (match !== null && typeof init?.body === "string") {
        const { applied } = JSON.parse(init.body) as { applied: number };
        const most = Math.max(0, ...replicasOf(process).map(({ seq }) => seq));
        const { model, name } = this.#parts;
        if (applied > most)
          model.fail("I2", undefined, `${name} says that it applied ${applied}, and has applied ${most}`);
        this.acknowledged.set(match[1] as string, Math.max(applied, this.acknowledged.get(match[1] as string) ?? 0));
      }
      return this.#parts.model.plans.on ? this.#listens(process, fetch, input, init) : fetch(input, init);
    };
    return listening as typeof globalThis.fetch;
  }

  async #listens(
    process: Process,
    fetch: typeof globalThis.fetch,
    input: string,
    init?: RequestInit,
  ): Promise<Response> {
    const [, api = "", what] = /\/v1\/apis\/([^/]+)\/(verifiers|reports)$/.exec(input) ?? [];
    if (what === undefined || typeof init?.body !== "string") return fetch(input, init);
    const { plans } = this.#parts.model;
    const said = JSON.parse(init.body) as { boot: string };
    if (what === "verifiers") plans.bootOf.set(said.boot, process);
    const response = await fetch(input, init);
    // The answer to a report of an earlier boot says nothing to this one.
    if (what === "verifiers" || said.boot === plans.heard(process, api).boot)
      await this.#heard(process, api, said, response);
    return response;
  }
}
