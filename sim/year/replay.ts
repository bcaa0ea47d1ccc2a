/**
 * A year of hidden consumers, replayed against a real authority.
 *
 *     the next moment ──▶ calls since the last one are decided, each at its own time ──▶ verifiers report ──▶ the authority looks ──▶ verifiers take over
 *
 * Between two moments nothing of the authority runs, so what was in force at the last one decides. Moments are a fixed step apart, and there are more where something is
 * about to happen: a loss, a start, and the earliest moment at which an old version could retire (earliest.ts), so that a delay that is seen is the product's.
 */
import { defaultRotationPolicy, type RotationPolicyPatch } from "@keyover/core";
import { Chance } from "../chance.ts";
import { type HiddenConsumer, hiddenConsumers } from "./consumers.ts";
import { earliestRetirement, type Rule } from "./earliest.ts";
import { GuardedApi, type KnownUse } from "./guarded-api.ts";
import { losses } from "./losses.ts";
import { type OnOffer, RunningProgram } from "./program.ts";
import { Provider } from "./provider.ts";
import { DAY, FROM, HOUR, MINUTE, TO } from "./rhythms.ts";

export interface ReplayOptions {
  seed: string;
  policy: RotationPolicyPatch;
  /** Of each kind. */
  copies: number;
  only?: readonly string[] | undefined;
  stepMs?: number | undefined;
  until?: number | undefined;
}

/** What came of one rotation. */
export interface Change {
  kind: string;
  rotation: string;
  /** Before the offer each program had run at least twice: one silence of its rhythm was there to be seen. */
  known: boolean;
  offeredAt: number;
  deadline: number;
  /** Undefined: the replay ended before. */
  retiredAt: number | undefined;
  /** Retired later than at the first moment, after the earliest, at which the authority ran. */
  lateMs: number;
  /** The last genuine use of the old version that was served. */
  lastServed: number;
  /** Genuine calls with the old version that were refused. */
  cutOff: number;
  /** By the rule and by what truly happened; with the longest memory that the rule allows; and if the thief had not been. */
  earliest: number;
  latest: number;
  earliestGenuine: number;
  thief: ThiefSeen | undefined;
  /** By an operator: then no evidence is asked. */
  killed: boolean;
}

export interface ThiefSeen {
  looks: number;
  /** Looks at which the evidence did not name the thief's use, or had the gate of silence met. */
  missed: number;
  /** The lowest chance of hurting that was forecast while it was at work. */
  leastForecast: number;
  /** Its calls after the retirement that the evidence shows, at the end. */
  refused: number;
}

export interface Year {
  changes: Change[];
  requests: number;
  moments: number;
}

interface Running {
  consumer: HiddenConsumer;
  key: string;
  token: string;
  api: GuardedApi;
  programs: RunningProgram[];
  /** Every call of the key: what truly happened, and what of it was reported. */
  uses: KnownUse[];
  starts: number[];
  /** Of the rotation that runs. */
  change: Change | undefined;
  from: number;
  /** By the version that it left behind; of those that have ended too. */
  left: Map<number, Change>;
}

/** After the moment at which it could retire it is looked whether it did. */
const LOOKS_AFTER_MS = [0, 2 * MINUTE, 15 * MINUTE];

/** The default policy, and one for those who would rather wait. */
export const yearPolicies: Record<string, RotationPolicyPatch> = {
  "The default policy": {},
  "quietMs 3 days, gapMargin 2.2, youngQuietMs 100 days": { quietMs: 3 * DAY, gapMargin: 2.2, youngQuietMs: 100 * DAY },
};

export async function replayYears(options: Omit<ReplayOptions, "policy">): Promise<({ name: string } & Year)[]> {
  const years: ({ name: string } & Year)[] = [];
  for (const [name, policy] of Object.entries(yearPolicies))
    years.push({ name, ...(await replayYear({ ...options, policy })) });
  return years;
}

export async function replayYear(options: ReplayOptions): Promise<Year> {
  const provider = await Provider.start(new Chance(`${options.seed} provider`));
  try {
    return await new Replay(provider, options).run();
  } finally {
    await provider.close();
  }
}

class Replay {
  readonly #provider: Provider;
  readonly #options: ReplayOptions;
  readonly #rule: Rule;
  #running: Running[] = [];
  #apis: GuardedApi[] = [];
  readonly #year: Year = { changes: [], requests: 0, moments: 0 };
  #moments: number[] = [];

  constructor(provider: Provider, options: ReplayOptions) {
    this.#provider = provider;
    this.#options = options;
    this.#rule = Object.assign({ ...defaultRotationPolicy }, options.policy);
  }

  async run(): Promise<Year> {
    await this.#setUp();
    const { stepMs = 6 * HOUR, until = TO } = this.#options;
    const { time } = this.#provider;
    for (let grid = FROM + stepMs; grid < until; grid += stepMs) {
      for (let next = this.#nextMoment(grid); ; next = this.#nextMoment(grid)) {
        await this.#moment(next);
        if (time.at >= grid) break;
      }
    }
    return this.#year;
  }

  async #setUp(): Promise<void> {
    const { seed, copies, only, policy } = this.#options;
    const provider = this.#provider;
    const consumers = hiddenConsumers(copies, new Chance(seed), only);
    for (const lossy of [false, true]) {
      const theirs = consumers.filter((consumer) => (consumer.lossy ?? false) === lossy);
      if (theirs.length === 0) continue;
      const api = await GuardedApi.make(provider, lossy, policy);
      this.#apis.push(api);
      for (const consumer of theirs) this.#running.push(await this.#issue(api, consumer));
      await api.start();
    }
  }

  async #issue(api: GuardedApi, consumer: HiddenConsumer): Promise<Running> {
    const provider = this.#provider;
    const { id } = await provider.ok("POST", "/v1/consumers", { name: `${consumer.kind} ${this.#running.length}` });
    const token = (await provider.ok("POST", "/v1/tokens", { name: id, role: "consumer", consumer: id })).secret;
    const wanted = { api: api.id, consumer: id, environment: "live", scopes: ["market:read"] };
    const key = (await provider.ok("POST", "/v1/keys", wanted)).id;
    const programs = consumer.programs.map((program) => new RunningProgram(program));
    return {
      consumer,
      key,
      token,
      api,
      programs,
      uses: [],
      starts: [...consumer.rotatesAt],
      change: undefined,
      from: 1,
      left: new Map(),
    };
  }

  /** The grid's next, or what comes first within it. */
  #nextMoment(grid: number): number {
    const now = this.#provider.time.at;
    const times = [
      ...(this.#apis.some(({ lossy }) => lossy) ? losses.flatMap(({ from, to }) => [from, to]) : []),
      ...this.#running.flatMap(({ starts, consumer }) => [...starts, consumer.killsAt ?? now]),
      ...this.#running.flatMap((running) => this.#earliest(running, now) ?? []),
    ];
    return Math.min(grid, ...times.filter((at) => at > now).map((at) => Math.ceil(at)));
  }

  /** When the old version of the key could retire, as things stand. */
  #earliest({ change, uses, from, api }: Running, now: number): number | undefined {
    if (change === undefined || change.retiredAt !== undefined) return undefined;
    const open = { uses, version: from, offeredAt: change.offeredAt, gaps: api.gaps, rule: this.#rule };
    const earliest = earliestRetirement(open, "shortest");
    return LOOKS_AFTER_MS.map((ms) => earliest + ms).find((at) => at > now && at < now + DAY);
  }

  async #moment(at: number): Promise<void> {
    const { time } = this.#provider;
    await time.runUntil(at, () => false);
    this.#year.moments++;
    this.#moments.push(at);
    for (const running of this.#running) this.#calls(running, at);
    for (const api of this.#apis) await api.suffer(at);
    await this.#settle();
    for (const running of this.#running) await this.#observe(running);
    let operated = false;
    for (const running of this.#running) operated = (await this.#operate(running, at)) || operated;
    if (operated) await this.#settle();
  }

  #settle(): Promise<void> {
    return this.#provider.settle(this.#apis.flatMap(({ reachable }) => reachable));
  }

  // ---- calls -------------------------------------------------------------------------------------------------------------

  #calls(running: Running, until: number): void {
    const calls = running.programs.flatMap((program) => program.callsUntil(until).map((at) => ({ at, program })));
    calls.sort((a, b) => a.at - b.at);
    for (const { at, program } of calls) this.#call(running, program, at);
  }

  #call(running: Running, caller: RunningProgram, at: number): void {
    const { api, key, uses, change } = running;
    const { program } = caller;
    const offer: OnOffer | undefined =
      change === undefined ? undefined : { to: running.from + 1, since: change.offeredAt };
    // It steals what is current when it comes.
    if (program.thief && caller.runs.length === 0) caller.version = running.from;
    const version = caller.present(at, offer);
    const source = `${program.network} ${program.client} ${program.instance ?? ""}`;
    const use: KnownUse = { at, source, version, reported: true, thief: program.thief ?? false };
    const served = api.verifierFor(use, this.#year.moments).decide(key, version, program, at);
    this.#year.requests++;
    uses.push(use);
    if (program.thief) return;
    const left = running.left.get(version);
    if (served) {
      if (left !== undefined) left.lastServed = at;
      return;
    }
    const when = new Date(at).toISOString();
    if (left === undefined) throw new Error(`${running.consumer.kind}: the current version was refused at ${when}`);
    left.cutOff++;
    // Somebody is called out of bed, and puts the current version in.
    caller.version = api.witness.record(key)?.current ?? version;
  }

  // ---- rotations ---------------------------------------------------------------------------------------------------------

  async #operate({ key, starts, consumer, change, from }: Running, at: number): Promise<boolean> {
    if (consumer.killsAt === at && change !== undefined) {
      const emergency = { mode: "kill", version: from, reason: "used from 192.0.2.0/24, which is not ours" };
      await this.#provider.ok("POST", `/v1/keys/${key}/emergency`, emergency);
      change.killed = true;
      return true;
    }
    const [next] = starts;
    if (next === undefined || next > at) return false;
    const { status, text } = await this.#provider.call("POST", `/v1/keys/${key}/rotations`, {});
    // One may run already, by the policy's schedule: then this one is not needed.
    if (status >= 300 && JSON.parse(text).code !== "rotation_in_progress") throw new Error(text);
    starts.shift();
    return true;
  }

  async #observe(running: Running): Promise<void> {
    const record = running.api.witness.record(running.key);
    const rotation = record?.rotation;
    if (rotation !== undefined && running.change === undefined) await this.#offered(running, rotation);
    const { change } = running;
    if (change === undefined) return;
    const old = record?.versions.find(({ number }) => number === running.from);
    const retired = rotation === undefined || rotation.phase === "retired";
    if (retired && change.retiredAt === undefined) this.#retired(running, old?.retiredAt ?? this.#provider.time.at);
    if (change.thief !== undefined) await this.#lookAtThief(running, change, change.thief);
    if (rotation === undefined) {
      running.change = undefined;
      running.from++;
    }
  }

  async #offered(
    running: Running,
    { id, since = 0, endsAt = 0 }: { id: string; since?: number | undefined; endsAt?: number | undefined },
  ): Promise<void> {
    await this.#provider.ok("POST", `/v1/rotations/${id}/claim`, undefined, running.token);
    const runsBefore = running.programs.map(({ runs }) => runs.filter((at) => at < since).length);
    const hasThief = running.programs.some(({ program: { thief, times }, version, runs }) => {
      const hasOld = runs.length === 0 || version === running.from;
      return thief && hasOld && times.some((at) => at > since && at < since + 30 * DAY);
    });
    running.change = {
      kind: running.consumer.kind,
      rotation: id,
      known: runsBefore.every((count, i) => count >= 2 || running.programs[i]?.program.thief),
      offeredAt: since,
      deadline: endsAt,
      retiredAt: undefined,
      lastServed: since,
      cutOff: 0,
      lateMs: Number.NaN,
      earliest: Number.NaN,
      latest: Number.NaN,
      earliestGenuine: Number.NaN,
      killed: false,
      thief: hasThief ? { looks: 0, missed: 0, leastForecast: 1, refused: 0 } : undefined,
    };
    running.left.set(running.from, running.change);
    this.#year.changes.push(running.change);
  }

  #retired({ change, uses, from, api }: Running, retiredAt: number): void {
    if (change === undefined) return;
    change.retiredAt = retiredAt;
    const before = uses.filter(({ at }) => at <= retiredAt);
    const { offeredAt } = change;
    const ask = { uses: before, version: from, offeredAt, gaps: api.gaps, rule: this.#rule };
    const genuine = { ...ask, uses: before.filter(({ thief }) => !thief) };
    change.earliest = earliestRetirement(ask, "shortest");
    change.earliestGenuine = earliestRetirement(genuine, "shortest");
    change.latest = this.#firstMoment(
      earliestRetirement({ ...ask, uses: before.filter(({ reported }) => reported) }, "longest"),
    );
    change.lateMs = retiredAt - this.#firstMoment(change.earliest);
  }

  #firstMoment(from: number): number {
    return this.#moments.find((at) => at >= from) ?? from;
  }

  /** At each moment at which the thief has just been at it. */
  async #lookAtThief({ uses, from }: Running, change: Change, seen: ThiefSeen): Promise<void> {
    const now = this.#provider.time.at;
    const last = uses.findLast(({ thief, version }) => thief && version === from);
    if (last === undefined || last.at < now - 2 * HOUR || last.at < change.offeredAt) return;
    const { gates, quiet, forecast, refused } = await this.#provider.ok(
      "GET",
      `/v1/rotations/${change.rotation}/evidence`,
    );
    if (change.retiredAt !== undefined) {
      seen.refused = refused.total;
      return;
    }
    const [network, client] = last.source.split(" ") as [string, string];
    // biome-ignore lint/suspicious/noExplicitAny: an answer
    const named = quiet.sources.find(({ source, lastSeen }: any) => source.client === client && lastSeen >= last.at);
    // biome-ignore lint/suspicious/noExplicitAny: an answer
    const gate = gates.find(({ name }: any) => name === "old-version-quiet");
    seen.looks++;
    if (named === undefined || !network.startsWith(named.source.network.split(".0/")[0]) || gate.met) seen.missed++;
    seen.leastForecast = Math.min(seen.leastForecast, forecast.chance);
  }
}
