/**
 * One seed, from the first key to the last check.
 *
 *     set up ──▶ traffic, rotations, deeds and faults ──▶ heal ──▶ every rotation ends (L1) ──▶ the books are checked
 *
 * It ends at the first violation: what follows may follow from it.
 */
import type { Caller } from "./caller.ts";
import { Cast } from "./cast.ts";
import { Chance } from "./chance.ts";
import { checkBooks, checkSealed } from "./check-books.ts";
import { checkCampaignRows } from "./check-campaign-end.ts";
import { slackOf } from "./check-end.ts";
import { checkIdleEnds } from "./check-idle.ts";
import { checkNotices } from "./check-notices.ts";
import { checkReplicas } from "./check-replicas.ts";
import { checkLate } from "./check-schedule.ts";
import { checkSwaps } from "./check-swap.ts";
import { checkCounts, useInGoodTimes } from "./check-use-end.ts";
import { SimDatabase } from "./database.ts";
import { History } from "./history.ts";
import { checkEnds } from "./liveness.ts";
import { Model, type Violation } from "./model.ts";
import { Nemesis } from "./nemesis.ts";
import { Network } from "./network.ts";
import { drawOptions, type Options } from "./options.ts";
import { People } from "./people.ts";
import type { PolicyMakers } from "./policy-deeds.ts";
import type { Mishap, Process } from "./process.ts";
import { watchReplicas } from "./replicas.ts";
import { Restorer } from "./restorer.ts";
import { connectSockets, type Sending, type Sent } from "./sockets.ts";
import { START, VirtualTime } from "./time.ts";

export interface Outcome {
  seed: string;
  violation: Violation | undefined;
  /** What happened to the key of the violation. */
  story: string[];
  /** Of the whole history. */
  hash: string;
  counts: Model["counts"];
  crashes: number;
  partitions: number;
  /** How often each kind of fault struck, and each deed was done. */
  struck: Map<string, number>;
  virtualMs: number;
  events: number;
}

const CALM_MS = 1_500;
/** What is written together has waited no longer than this. */
const GROUP_MS = 3;
/** Longer than any cadence. */
const SCHEDULES_MS = 14_000;
const STORY_LINES = 40;
const HUNTED_DOWN_MS = 400;
const PARTITIONS = ["partition-one-way", "partition-both-ways", "isolate"];

/** Effects that last are few among those that only look, and the more interesting. */
const REMEMBERED = /^(store\.(commit|record|share|fold|post)|disk\.save|notice\.send)/;

/** `given` takes the place of what the seed would draw. */
export function simulate(seed: string, given: Partial<Options> = {}): Promise<Outcome> {
  return new Simulation(seed, given).run();
}

class Simulation {
  readonly #seed: string;
  readonly #options: Options;
  readonly #chance: Chance;
  readonly #time: VirtualTime;
  readonly #history: History;
  readonly #model: Model;
  readonly #network: Network;
  readonly #database: SimDatabase;
  readonly #cast: Cast;
  readonly #struck = new Map<string, number>();
  /** Only then do processes die and falter by themselves. */
  #faulty = false;
  #crashes = 0;
  #healedAt = 0;
  /** How long it takes an authority to read all keys. */
  #readsKeys = () => 0;
  /** Nothing goes on any more but what the last checks ask for. */
  #looking = false;

  constructor(seed: string, given: Partial<Options>) {
    this.#seed = seed;
    this.#chance = new Chance(seed);
    const options = { ...drawOptions(this.#chance.fork("options")), ...given };
    this.#options = options;
    const time = new VirtualTime(options.offsetMs);
    this.#time = time;
    this.#history = new History(() => time.at);
    const slowMs = (options.slowEffects > 0 ? options.slowEffectMs : 0) + (options.grouped ? GROUP_MS : 0);
    this.#model = new Model(this.#time, this.#history, options.staleness, slowMs);
    this.#network = new Network(this.#time, this.#chance.fork("network"), { ...options.weather });
    const groups = this.#chance.fork("groups");
    this.#database = new SimDatabase({
      processes: options.authorities,
      bellsLost: options.bellsLost,
      now: () => Math.floor(this.#time.at),
      // Once everything is looked at, time stands still.
      grouped: options.grouped
        ? (run) => void (this.#looking ? queueMicrotask(run) : time.after(groups.between(0, GROUP_MS), run))
        : undefined,
    });
    connectSockets((sending) => this.#carry(sending));
    this.#model.plans.on = Object.keys(options.plans).length > 0;
    this.#model.steadySince = (since) => this.#isSteady(since);
    watchReplicas((invariant, key, message) => this.#model.fail(invariant, key, message), this.#model.revived);
    this.#cast = new Cast({
      options,
      chance: this.#chance,
      time: this.#time,
      model: this.#model,
      network: this.#network,
      database: this.#database,
      mishaps: (process, effect) => this.#mishap(process, effect),
      onDeath: ({ machine }) => {
        if (this.#faulty) this.#crashes++;
        const was = this.#cast.authorities.some((node) => node.machine === machine);
        if (was && this.#database.abandon()) this.#count("crash with writes that wait");
      },
    });
  }

  async run(): Promise<Outcome> {
    const model = this.#model;
    const stray = (error: unknown) => {
      const said = error instanceof Error ? error.stack : String(error);
      model.fail("crash", undefined, `an error that nobody caught: ${said}`);
    };
    process.on("unhandledRejection", stray);
    try {
      await this.#play();
    } catch (error) {
      // After a violation nothing needs to work any more.
      if (model.violation === undefined) throw error;
    } finally {
      process.off("unhandledRejection", stray);
    }
    const outcome = this.#outcome();
    for (const each of this.#cast.processes) each.kill();
    return outcome;
  }

  async #play(): Promise<void> {
    const { callers, consumers } = this.#cast;
    const [model, time, options] = [this.#model, this.#time, this.#options];
    const over = () => model.violation !== undefined;
    await this.#cast.setUp();
    const nemesis = this.#nemesis();
    const restorer = this.#restorer();
    this.#readsKeys = () => restorer.readsKeys();
    const people = new People({ model, options, chance: this.#chance, cast: this.#cast });
    await time.runUntil(time.at + CALM_MS, over);
    this.#faulty = true;
    people.begin();
    nemesis.begin();
    restorer.begin();
    for (let i = 0; i < options.newKeys; i++) this.#addKeyLater();
    await time.runUntil(time.at + options.faultsMs, over);
    this.#faulty = false;
    for (const [kind, count] of [...nemesis.counts, ...people.done, ...restorer.counts]) this.#struck.set(kind, count);
    if (over()) return;
    await checkSealed(model, this.#database.store, this.#cast.masterKey);
    this.#history.note("nemesis", "heals everything");
    this.#healedAt = time.at;
    nemesis.heal();
    restorer.heal();
    for (const each of this.#cast.processes) each.resume();
    for (const consumer of consumers) consumer.fast = true;
    people.stop();
    const { restores, servers } = this.#cast;
    if (model.plans.on && !over()) await useInGoodTimes(model, this.#cast.apis, servers);
    if (options.policyDeeds.length > 0) await this.#schedules(people.makers);
    await checkEnds({
      model,
      time,
      consumers,
      operators: people.operators,
      controllers: people.controllers,
      campaigns: people.campaigns,
      restores,
      caller: callers[0] as Caller,
    });
    if (!over()) await checkReplicas(model, servers);
    if (!over()) await checkCounts(model, this.#database.store);
    restorer.stop();
    if (!over()) await this.#deliver();
    this.#looking = true;
    for (const [what, count] of model.seen) this.#struck.set(what, count);
    if (!over()) await checkCampaignRows(model, this.#database.store);
    if (!over()) await checkBooks(model, this.#database.store, this.#cast.masterKey);
    if (!over()) await this.#swap();
  }

  /** Days pass until the last notice has come to rest. */
  async #deliver(): Promise<void> {
    const { authorities, receivers, processes, call } = this.#cast;
    if (receivers.length === 0) return;
    const kept = new Set([...authorities, ...receivers].map(({ machine }) => machine));
    const others = processes.filter(({ machine }) => !kept.has(machine));
    const [model, time, database] = [this.#model, this.#time, this.#database];
    const get = (method: string, path: string, body: object = {}) => call(method, path, body);
    await checkNotices({
      model,
      time,
      database,
      authorities,
      receivers,
      others,
      call: get,
      cacheMs: this.#cacheMs,
      healedAt: this.#healedAt,
    });
  }

  /** How old what a process knows of a channel may be: it hears of changes by others, unless it was stopped. */
  get #cacheMs(): number {
    const { authorities, staleness, stopAtEffect, faults } = this.#options;
    if (authorities === 1) return this.#model.lateMs + 500;
    const stops = stopAtEffect > 0 || faults.includes("stop-authority");
    return this.#model.lateMs + 2_000 + (stops ? 2.5 * staleness.leaseMs + staleness.staticMs : 0);
  }

  /** Whether all authorities and their database have worked since then. */
  #isSteady(since: number): boolean {
    const { authorities } = this.#cast;
    const { bellsLost, slowEffects, restores } = this.#options;
    if (slowEffects > 0 || restores > 0 || (bellsLost > 0 && authorities.length > 1)) return false;
    if (this.#database.full || this.#database.fullAt > since) return false;
    return authorities.every(
      ({ process }) => process?.alive === true && process.stoppedUntil < since && process.startedAt < since,
    );
  }

  /** A notice on its way to somebody's program. */
  async #carry({ process, url, addresses, headers, body, signal }: Sending): Promise<Sent> {
    const receiver = this.#cast.receivers.find(({ machine }) => machine.name === url.hostname);
    receiver?.checkWay(addresses);
    receiver?.checkSigned(headers, body, this.#time.at - slackOf(this.#model, process));
    this.#count("notices sent");
    const response = await this.#network.fetchOf(process)(url.href, { method: "POST", headers, body, signal });
    const retryAfter = response.headers.get("retry-after") ?? undefined;
    return { status: response.status, retryAfter, body: await response.text() };
  }

  /** Last: the books are wrong after it. */
  async #swap(): Promise<void> {
    const chance = this.#chance.fork("swap");
    if (!chance.happens(0.3)) return;
    const { call, someApi } = this.#cast;
    this.#count("sealed rows changed");
    const [model, time, store] = [this.#model, this.#time, this.#database.store];
    await checkSwaps({ model, time, chance, store, call, api: someApi });
  }

  /** Soon after its start a process is in more danger: that is when it recovers. */
  #mishap(at: Process, effect: string): Mishap | undefined {
    const { crashAtEffect, stopAtEffect, hunted, slowEffects, slowEffectMs, staleness } = this.#options;
    if (!this.#faulty) return undefined;
    const readMs = effect === "store.records" ? this.#readsKeys() : 0;
    if (readMs > 0) return { beforeMs: readMs, afterMs: 0 };
    const { chance } = at;
    const young = this.#time.at - at.startedAt < 1_000 ? 5 : 1;
    const weight = REMEMBERED.test(effect) ? 10 : 1;
    const isHunted = effect === hunted?.effect;
    const dies = chance.happens(crashAtEffect * weight * young + (isHunted ? hunted.deaths : 0));
    const stops = chance.happens(stopAtEffect * weight);
    const slow = chance.happens(slowEffects);
    if (!dies && !stops && !slow) return undefined;
    // Who is hunted is soon there again, for the next time.
    if (dies) this.#restartLater(at, isHunted ? HUNTED_DOWN_MS : 1.5 * staleness.leaseMs);
    if (dies || stops) this.#count(dies ? `crash at ${effect}` : `stop at ${effect}`);
    return {
      dies: dies ? chance.pick(["before", "after"] as const) : undefined,
      isSpared: () => !this.#faulty,
      stopsMs: stops ? chance.between(0.2, 2.5) * staleness.leaseMs : undefined,
      beforeMs: slow ? chance.between(0, slowEffectMs) : 0,
      afterMs: slow ? chance.between(0, slowEffectMs) : 0,
    };
  }

  #restartLater(dying: Process, withinMs: number): void {
    const { machine } = dying;
    const { authorities, servers, consumers } = this.#cast;
    this.#time.after(this.#chance.between(50, withinMs), () => {
      // Stopped before it came to die, or spared.
      if (dying.alive) return this.#faulty ? this.#restartLater(dying, withinMs) : undefined;
      for (const node of [...authorities, ...servers, ...consumers]) if (node.machine === machine) void node.start();
    });
  }

  #addKeyLater(): void {
    const { faultsMs } = this.#options;
    this.#time.after(this.#chance.between(0, faultsMs * 0.8), () => {
      this.#count("new key");
      void this.#cast.addKey();
    });
  }

  #count(kind: string): void {
    this.#struck.set(kind, (this.#struck.get(kind) ?? 0) + 1);
  }

  #nemesis(): Nemesis {
    const cast = this.#cast;
    return new Nemesis({
      time: this.#time,
      chance: this.#chance.fork("nemesis"),
      options: this.#options,
      network: this.#network,
      database: this.#database,
      authorities: cast.authorities,
      servers: cast.servers,
      consumers: cast.consumers,
      receivers: cast.receivers,
      note: (what) => this.#history.note("nemesis", what),
      addServer: cast.addServer,
      removeDead: (server) => void cast.removeBoots(server),
    });
  }

  /** In good times everything begins that is due, until nothing is attached any more. */
  async #schedules(makers: PolicyMakers): Promise<void> {
    const [model, time] = [this.#model, this.#time];
    const over = () => model.violation !== undefined;
    await time.runUntil(time.at + SCHEDULES_MS, over);
    if (!over() && model.restoredAt.length === 0) checkLate(model, this.#healedAt);
    if (this.#options.idle && model.restoredAt.length === 0) await checkIdleEnds(model, this.#healedAt, over);
    let done = false;
    void makers.detachAll().finally(() => {
      done = true;
    });
    for (let i = 0; !done && !over() && i < 600; i++) await time.runUntil(time.at + 100, over);
  }

  #restorer(): Restorer {
    const { authorities, servers, restores, markRestored, callers } = this.#cast;
    return new Restorer({
      time: this.#time,
      chance: this.#chance.fork("restorer"),
      options: this.#options,
      model: this.#model,
      database: this.#database,
      watch: restores,
      authorities,
      servers,
      operator: callers[1] as Caller,
      mark: markRestored,
      note: (what) => this.#history.note("restorer", what),
    });
  }

  #outcome(): Outcome {
    const { violation, counts } = this.#model;
    return {
      seed: this.#seed,
      violation,
      story: violation === undefined ? [] : this.#history.tail(violation.key, STORY_LINES),
      hash: this.#history.hash,
      counts,
      crashes: this.#crashes,
      partitions: PARTITIONS.reduce((sum, kind) => sum + (this.#struck.get(kind) ?? 0), 0),
      struck: this.#struck,
      virtualMs: this.#time.at - START,
      events: this.#time.events,
    };
  }
}
