/** Operators who rotate many keys in waves, strike many in an emergency, and steer what runs, at bad moments and at the same time. */
import type { Campaign, KeySelection } from "@keyover/core";
import type { Caller } from "./caller.ts";
import { type CampaignPast, meantNow } from "./campaign-model.ts";
import { type CampaignDeed, drawPlan, drawWaves } from "./campaign-options.ts";
import type { Chance } from "./chance.ts";
import { checkStruckSoon } from "./check-emergency.ts";
import type { KeyPast, Model } from "./model.ts";
import type { Options } from "./options.ts";
import { TIERS } from "./policy-deeds.ts";

export interface CampaignOperatorsParts {
  model: Model;
  options: Options;
  chance: Chance;
  callers: Caller[];
}

const PATHS = {
  pause: "pause",
  resume: "resume",
  continue: "continue",
  abort: "abort",
  "take-back": "rollback-wave",
};
type Steering = keyof typeof PATHS;

const LIVE_MAX = 4;
/** The gate of a wave that waits for people is passed over after so long, at the very end. */
const PATIENCE_MS = 5_000;

export class CampaignOperators {
  readonly done = new Map<string, number>();
  readonly #parts: CampaignOperatorsParts;
  /** When each campaign that is to come to an end was last told to go on. */
  readonly #told = new Map<string, { at: number; row: Campaign }>();
  #over = false;
  /** Calls that were not answered yet, and are tried again: what they ask for may still be done. */
  #underWay = 0;

  constructor(parts: CampaignOperatorsParts) {
    this.#parts = parts;
  }

  begin(): void {
    const { model, options, chance } = this.#parts;
    if (options.campaignDeeds.length === 0) return;
    model.time.after(options.campaignEveryMs * chance.between(0.2, 1.8), () => {
      if (this.#over) return;
      this.#deed(chance.pick(options.campaignDeeds));
      this.begin();
    });
  }

  stop(): void {
    this.#over = true;
  }

  /** Something that was asked for may still be done. */
  get busy(): boolean {
    return this.#underWay > 0;
  }

  /** Everything is in order again: what waits for a person is told to go on. */
  finish(): void {
    const { model } = this.#parts;
    for (const { row } of model.campaigns.live()) {
      const told = this.#told.get(row.id);
      if (told?.row !== row) this.#told.set(row.id, { at: model.time.at, row });
      const patience = row.state === "running" || row.state === "selecting" ? PATIENCE_MS : 1_000;
      if (told === undefined || model.time.at - told.at < patience) continue;
      this.#told.delete(row.id);
      if (row.state === "paused") this.#steer("resume", row.id);
      else if (row.action === "rotate") this.#steer("continue", row.id);
    }
  }

  #deed(kind: CampaignDeed): void {
    const { chance, model } = this.#parts;
    this.done.set(`campaign: ${kind}`, (this.done.get(`campaign: ${kind}`) ?? 0) + 1);
    const live = model.campaigns.live();
    if (kind === "rotate" || kind === "kill" || kind === "contain") {
      if (live.length < LIVE_MAX) this.#until(this.#start(kind));
      return;
    }
    const all = [...model.campaigns.all.values()];
    const past: CampaignPast | undefined = live.length > 0 ? chance.pick(live) : all.at(-1);
    if (past === undefined) return;
    if (kind !== "race") this.#steer(kind, past.row.id);
    else
      for (const each of ["pause", "resume", "continue", "take-back", "abort"] as const)
        if (chance.happens(each === "abort" ? 0.15 : 0.6)) this.#steer(each, past.row.id);
  }

  #steer(kind: Steering, id: string): void {
    const { chance, callers, model } = this.#parts;
    model.ask(`campaign ${kind}`, id);
    const waves = model.campaigns.all.get(id)?.row.waves.length ?? 1;
    const wave = kind === "take-back" && chance.happens(0.4) ? { wave: chance.whole(0, waves - 1) } : {};
    const body = kind === "resume" ? {} : { reason: "r", ...wave };
    this.#until(chance.pick(callers).call("POST", `/v1/campaigns/${id}/${PATHS[kind]}`, body));
    if (kind === "pause" && chance.happens(0.7))
      model.time.after(chance.between(200, 4_000), () => this.#steer("resume", id));
    if (kind === "take-back" && chance.happens(0.6))
      model.time.after(chance.between(500, 4_000), () => this.#steer("resume", id));
  }

  #until(work: Promise<unknown>): void {
    this.#underWay++;
    void work.finally(() => this.#underWay--);
  }

  async #start(action: "rotate" | "kill" | "contain"): Promise<void> {
    const { chance, model, options, callers } = this.#parts;
    const select = this.#select(action);
    const before = keysOf(model, select);
    if (before.length === 0) return;
    const caller = chance.pick(callers);
    const plan = { name: `c${model.campaigns.all.size}`, action, select, reason: "r", ...this.#planOf(action, before) };
    if (chance.happens(0.3)) await this.#preview(caller, plan, select);
    const { at } = model.time;
    const restores = model.restoredAt.length;
    const keys = keysOf(model, select);
    const expect = chance.happens(0.3) ? { keys: Math.max(0, keys.length - (chance.happens(0.3) ? 1 : 0)) } : undefined;
    const direct = action !== "rotate" && chance.happens(0.7);
    const body = direct ? { mode: action, select, reason: "r", expect } : { ...plan, expect };
    const reply = await caller.call("POST", direct ? "/v1/emergencies" : "/v1/campaigns", body);
    if (reply?.status !== 201 || model.restoredAt.length > restores) return;
    const { id } = reply.body as { id: string };
    const least = keys.filter((past) => keysOf(model, select).includes(past));
    const counted = select.createdBefore === undefined && options.policyDeeds.length === 0;
    if (counted && expect !== undefined && least.length > expect.keys)
      model.fail("campaign", undefined, `${id} was started over ${least.length} keys; ${expect.keys} were expected`);
    if (action !== "rotate") checkStruckSoon(model, { id, at, keys: least });
    if (action !== "rotate") void this.#watch(id);
  }

  /** A dry run changes nothing, and counts what would be selected. */
  async #preview(caller: Caller, plan: object, select: KeySelection): Promise<void> {
    const { model } = this.#parts;
    const before = keysOf(model, select);
    const { commits } = model;
    const reply = await caller.call("POST", "/v1/campaigns", { ...plan, dryRun: true });
    const after = keysOf(model, select);
    const same = model.commits === commits && before.length === after.length;
    if (reply?.status !== 200 || !same || select.createdBefore !== undefined) return;
    const { keys } = (reply.body as { selection: { keys: number } }).selection;
    if (keys !== after.length)
      model.fail(
        "campaign",
        undefined,
        `a dry run counts ${keys} keys; ${JSON.stringify(select)} means ${after.length}`,
      );
  }

  /** Somebody wants to know when all verifiers refuse. */
  async #watch(id: string): Promise<void> {
    const { chance, callers, model } = this.#parts;
    for (let i = 0; i < 12 && !this.#over; i++) {
      await new Promise<void>((resolve) => void model.time.after(chance.between(20, 400), resolve));
      const reply = await chance.pick(callers).call("GET", `/v1/campaigns/${id}`);
      if (reply?.status !== 200 || (reply.body as { state: string }).state === "ended") return;
    }
  }

  #planOf(action: string, keys: readonly KeyPast[]): object {
    const { chance, options } = this.#parts;
    if (action === "contain") return chance.happens(0.5) ? { fence: { scopes: ["market:read"] } } : {};
    if (action === "kill") return {};
    const ids = chance.shuffled(keys.map(({ id }) => id));
    return { ...drawPlan(chance), waves: drawWaves(chance, ids, options.policyDeeds.length > 0) };
  }

  /** Few keys in an emergency: they are out of order for long. */
  #select(action: string): KeySelection {
    const { chance, model, options } = this.#parts;
    const all = [...model.keys.values()].filter(({ key }) => key.status !== "revoked");
    if (all.length === 0) return { everything: true };
    const some = chance.shuffled(all).slice(0, chance.whole(1, action === "rotate" ? 8 : 3));
    const before = Math.floor(model.time.at - chance.between(0, 10_000));
    const wide: KeySelection[] = [
      { everything: true },
      { apis: [chance.pick(all).apiId] },
      { environments: ["live"], createdBefore: before },
      ...(options.policyDeeds.length > 0 ? [{ consumerLabels: { tier: chance.pick(TIERS) } }] : []),
    ];
    const narrow: KeySelection[] = [
      { keys: some.map(({ id }) => id) },
      { consumers: some.map(({ key }) => key.consumerId) },
      { keys: some.map(({ id }) => id), createdBefore: before },
    ];
    return chance.pick(chance.happens(action === "rotate" ? 0.6 : 0.15) ? wide : narrow);
  }
}

function keysOf(model: Model, select: KeySelection): KeyPast[] {
  return meantNow(model, select);
}
