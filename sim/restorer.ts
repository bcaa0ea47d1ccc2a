/**
 * A database that is lost, brought back from a copy, and reconciled by a person, at bad moments.
 *
 *     copies are taken ──▶ all authorities die ──▶ a copy takes the database's place, and is marked ──▶ they start, one after the other
 *                                                                                                              │
 *                  it may begin again from here ◀── carried out ◀── a choice ◀── looks, hastily or not ◀───────┘
 *
 * A sudden one (`suddenRestore`) waits for its moment: the copy is taken while an authority reads all keys for a verifier that starts, and all
 * authorities die as soon as it has sent them, if keys were changed meanwhile. That verifier knows of those changes from there alone.
 */
import type { ApiServer } from "./api-server.ts";
import type { AuthorityNode } from "./authority-node.ts";
import type { Caller } from "./caller.ts";
import type { Chance } from "./chance.ts";
import type { SimDatabase } from "./database.ts";
import { copyModel, type ModelCopy, takeBack } from "./lives.ts";
import type { Model } from "./model.ts";
import type { Options } from "./options.ts";
import type { RestoreWatch, SaidCopy } from "./restore-watch.ts";
import type { VirtualTime } from "./time.ts";

export interface RestorerParts {
  time: VirtualTime;
  chance: Chance;
  options: Options;
  model: Model;
  database: SimDatabase;
  watch: RestoreWatch;
  authorities: AuthorityNode[];
  servers: ApiServer[];
  operator: Caller;
  /** What `keyover restore --mark` does. */
  mark: () => Promise<void>;
  note: (what: string) => void;
}

interface Copy {
  image: Buffer;
  model: ModelCopy;
  said: SaidCopy;
}

interface Mark {
  instance: string;
  complete: boolean;
}

interface Reconciliation {
  state: "never restored" | "held" | "being carried out" | "served" | "late";
  marks: Mark[];
  unheard: { instance: string }[];
  seen: string;
}

interface Difference {
  key: string;
  contradicts: { instances: string[] }[];
}

const LOOK_EVERY_MS = 700;
/** Verifiers that are started, one after the other, until keys change while one of them is sent all of them. */
const SUDDEN_TRIES = 6;
const SUDDEN_EVERY_MS = 2_500;

export class Restorer {
  readonly counts = new Map<string, number>();
  readonly #parts: RestorerParts;
  readonly #copies: Copy[] = [];
  /** People at work on an api. */
  readonly #atWork = new Set<string>();
  readonly #sudden: Chance;
  /** The next time that an authority reads all keys is the moment. */
  #waits = false;
  #tries = SUDDEN_TRIES;
  #over = false;
  /** There is nobody any more who looks. */
  #gone = false;

  constructor(parts: RestorerParts) {
    this.#parts = parts;
    this.#sudden = parts.chance.fork("sudden");
  }

  begin(): void {
    const { options, time, chance } = this.#parts;
    if (options.restores === 0) return;
    const { faultsMs } = options;
    const first = chance.between(0.15, 0.75) * faultsMs;
    const again = chance.happens(0.5) ? chance.between(0, 3_000) : chance.between(3_000, 0.5 * faultsMs);
    for (let i = chance.whole(1, 3); i > 0; i--) this.#later(first * chance.between(0.1, 1), () => this.#copy());
    this.#later(first, () => (options.suddenRestore ? this.#awaitSnapshot() : this.#restore()));
    if (options.restores > 1) {
      if (chance.happens(0.5)) this.#later(first + again * chance.unit(), () => this.#copy());
      this.#later(first + again, () => this.#restore());
    }
    time.after(LOOK_EVERY_MS, () => this.#lookAround());
  }

  /** From now on nobody dawdles, and nothing is lost any more. */
  heal(): void {
    this.#over = true;
  }

  stop(): void {
    this.#gone = true;
  }

  #later(ms: number, run: () => void): void {
    this.#parts.time.after(ms, () => {
      if (!this.#over) run();
    });
  }

  #count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  #copy(): void {
    const { database, chance, servers } = this.#parts;
    if (database.closed) return;
    this.#copies.push(this.#copyNow());
    for (const server of servers) if (chance.happens(0.15)) server.platter.backUp();
  }

  #copyNow(): Copy {
    const { database, model, note, watch } = this.#parts;
    note("the database is backed up");
    return { image: database.copy(), model: copyModel(model), said: watch.copy() };
  }

  /** A verifier starts, and is sent all keys. */
  #awaitSnapshot(): void {
    const { servers } = this.#parts;
    const whole = servers.filter(({ gone, isWhole }) => !gone && isWhole);
    if (this.#tries === 0 || whole.length === 0) {
      this.#waits = false;
      this.#restore();
      return;
    }
    this.#tries--;
    const server = this.#sudden.pick(whole);
    this.#waits = true;
    server.process?.kill();
    this.#later(this.#sudden.between(50, 500), () => server.start());
    this.#later(SUDDEN_EVERY_MS, () => {
      if (this.#waits) this.#awaitSnapshot();
    });
  }

  /** An authority reads all keys, to send them: how long that takes it. */
  readsKeys(): number {
    const { time, database, model } = this.#parts;
    if (!this.#waits) return 0;
    const ms = this.#sudden.between(200, 1_500);
    const head = () => [...model.feedHeads.values()].reduce((sum, seq) => sum + seq, 0);
    // In an event of its own: in this one something may be half done.
    time.after(0, () => {
      if (!this.#waits || database.closed) return;
      this.#waits = false;
      const copy = this.#copyNow();
      const before = head();
      this.#later(ms + 1, () => {
        if (database.closed) return;
        if (head() === before) {
          this.#awaitSnapshot();
          return;
        }
        this.#count("restore right after keys were sent");
        void this.#putBack(copy);
      });
    });
    return ms;
  }

  #restore(): void {
    const { chance, servers, database } = this.#parts;
    // The last one is not marked yet: the first thing that is done to a copy, before it may be lost as well.
    if (database.closed) return;
    const copy = this.#copies.length === 0 ? undefined : chance.pick(this.#copies);
    if (copy === undefined) return;
    this.#count("restore");
    const server = chance.pick(servers.filter(({ gone }) => !gone));
    if (chance.happens(0.3)) this.#missWitness(server);
    void this.#putBack(copy);
  }

  /** One who knows what came since the copy is not there while it is reconciled, or comes back with an older memory. */
  #missWitness(server: ApiServer): void {
    const { chance, options } = this.#parts;
    this.#count("witness away in a restore");
    server.process?.kill();
    if (chance.happens(0.3)) server.platter.restore(chance);
    this.#later(chance.between(1_000, 4 * options.staleness.leaseMs), () => server.start());
  }

  async #putBack(copy: Copy): Promise<void> {
    const { database, authorities, model, note, chance, mark, watch } = this.#parts;
    database.closed = true;
    for (const authority of authorities) authority.process?.kill();
    note("the database is lost; a copy takes its place");
    await database.replace(copy.image);
    takeBack(model, copy.model);
    watch.takeBack(copy.said);
    await mark();
    database.closed = false;
    for (const authority of authorities) {
      const ms = chance.pick([0, 50, 500, 2_000]) * chance.unit();
      this.#parts.time.after(ms, () => void authority.start());
    }
  }

  /** A person sees which apis wait, and goes to work on each. */
  #lookAround(): void {
    const { time, watch, chance } = this.#parts;
    if (this.#gone) return;
    for (const api of watch.waiting()) {
      if (this.#atWork.has(api)) continue;
      this.#atWork.add(api);
      const { leaseMs } = this.#parts.options.staleness;
      const patienceMs = this.#over ? 3_000 : chance.pick([0, 500, 3_000, 3_000, leaseMs, 2 * leaseMs]);
      void this.#reconcile(api, time.at + patienceMs).finally(() => this.#atWork.delete(api));
    }
    time.after(LOOK_EVERY_MS, () => this.#lookAround());
  }

  async #reconcile(api: string, hurryAt: number): Promise<void> {
    const { operator, time } = this.#parts;
    const path = `/v1/apis/${api}/reconciliation`;
    for (;;) {
      const reply = await operator.call("GET", path);
      const looked = reply?.status === 200 ? (reply.body as Reconciliation) : undefined;
      if (looked?.state === "served" || looked?.state === "being carried out") return;
      const all = looked?.marks.every(({ complete }) => complete) === true && looked.unheard.length === 0;
      const choosing = looked !== undefined && (time.at >= hurryAt || (all && looked.marks.length > 0));
      if (choosing && (await this.#choose(path, looked))) return;
      await new Promise<void>((resolve) => operator.process.clock.after(this.#over ? 200 : LOOK_EVERY_MS, resolve));
    }
  }

  async #choose(path: string, { seen, state }: Reconciliation): Promise<boolean> {
    const { operator, chance, authorities } = this.#parts;
    const page = await operator.call("GET", `${path}/keys?limit=100`);
    if (page?.status !== 200) return false;
    const shown = (page.body as { items: Difference[] }).items;
    const choose = this.#over || chance.happens(0.75) ? "verifiers" : "backup";
    const revive = choose === "backup" && chance.happens(0.3);
    const keys = shown.flatMap(({ key, contradicts }) => {
      if (contradicts.length > 0) return [{ key, choose: "verifiers", instance: contradicts[0]?.instances[0] }];
      const other = choose === "verifiers" ? "backup" : "verifiers";
      return !this.#over && chance.happens(0.05) ? [{ key, choose: other }] : [];
    });
    this.#count(`reconcile: ${state}, ${choose}${revive ? ", revive" : ""}`);
    const more = chance.happens(0.8) ? { seen } : {};
    const reply = await operator.call("POST", path, { choose, revive, keys, reason: "restored", ...more });
    if (reply?.status !== 202) return false;
    // Its carrying out is interrupted, now and then.
    if (chance.happens(0.3)) {
      const authority = chance.pick(authorities);
      this.#later(chance.between(0, 600), () => {
        this.#count("crash while a choice is carried out");
        authority.process?.kill();
        this.#parts.time.after(chance.between(50, 2_000), () => void authority.start());
      });
    }
    return true;
  }
}
