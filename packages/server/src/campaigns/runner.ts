/**
 * Carries campaigns forward. One process does it for all (its fence is in each commit), a batch of keys at a time.
 *
 *     live campaigns ─▶ health ─▶ core's `stepCampaign` ─▶ select │ draw │ start │ take back │ confirm │ become ─▶ one commit ─▶ again
 *
 * Nothing is remembered here that the store does not have, but for the pace and a walk through refusals: a commit holds the changed keys, their
 * items and the campaign's counts, so whoever takes over after a crash goes on where the last commit ended. While an emergency has keys to
 * strike, no other campaign gets a turn.
 */
import {
  type Campaign,
  type CampaignHealth,
  type CampaignStep,
  drawnMore,
  drawOf,
  endCampaign,
  homeOf,
  likelyCuts,
  type Receipt,
  sleep,
  stepCampaign,
  type World,
  waveAt,
} from "@keyover/core";
import { fenceIn, type Proof, type Shares } from "../engine/shares.ts";
import type { Evidence } from "../evidence/evidence.ts";
import type { Fleet } from "../feed/fleet.ts";
import type { KeyDesk } from "../keys/key-desk.ts";
import type { Outcome } from "../outcome.ts";
import type { Policies } from "../policies/key-policies.ts";
import { type CampaignItem, campaignItemId } from "../store/campaign-entities.ts";
import { type Held, put, type Store } from "../store/store.ts";
import { type Deed, deedOf, takeBack } from "./deeds.ts";
import { Drawing } from "./drawing.ts";
import { type HealthDeps, RefusedWalk, readHealth } from "./health.ts";
import {
  type CampaignLedger,
  noteOf,
  rollBackLedger,
  type SelectedKey,
  selectLedger,
  startLedger,
  waitingDeeds,
} from "./ledger.ts";
import { selectPage } from "./selection.ts";
import { tellOf } from "./telling.ts";

export interface CampaignRunner {
  /** Does what there is to do now, or joins who is doing it. */
  run(): Promise<void>;
  /** Somebody has started or changed a campaign: look soon. */
  wake(): void;
  /** Ends with the batch under way. */
  stop(): Promise<void>;
}

export interface RunnerDeps extends HealthDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  policies: Policies;
  evidence: Evidence;
  fleet: Fleet;
  shares: Pick<Shares, "leads">;
  /** The engine: it should look at this rotation. */
  onRotation(rotationId: string): void;
}

/** Keys in one commit: 100 take SQLite some 40 ms, in which nobody else is served. */
const BATCH = 100;
const SELECT_PAGE = 500;
/** Pages that hold no key are passed over, and noted after so many. */
const EMPTY_PAGES_MAX = 20;
/** A campaign's turn, as long as others wait for theirs. */
const TURN_MS = 250;
const LIVE_PAGE = 200;
/** Of handles that are remembered until every key is struck. */
const STRUCK_MAX = 50_000;
/** After something unforeseen. */
const AFTER_FAILURE_MS = 2_000;
/** How old the look may be by which further keys are started. */
const HEALTH_MS = 1_000;

/** What is known of a campaign between two batches. */
interface Memory {
  health: { at: number; value: CampaignHealth } | undefined;
  refused: RefusedWalk;
  drawing: Drawing | undefined;
  /** The last item that was tried: one that has to be tried again lets the others go first. */
  after: string;
  paced: { at: number; left: number } | undefined;
  /** Of apis that have been confirmed since. */
  receipts: Receipt[] | undefined;
  /** It failed, and rests until then, on the monotonic clock. */
  restsUntil: number;
}

export function createCampaignRunner(deps: RunnerDeps): CampaignRunner {
  const { world, store, desk, shares } = deps;
  const memories = new Map<string, Memory>();
  let running: Promise<void> | undefined;
  let again = false;
  let stopped = false;
  /** Who had the last turn. */
  let last = "";
  /** Rotations that an emergency has touched. The engine gets to them when everything is refused: until then its visits would only delay that. */
  let struck: string[] = [];
  const breathe = () => sleep(world.clock, 0);

  const memoryOf = (id: string): Memory => {
    const known = memories.get(id);
    if (known !== undefined) return known;
    const fresh = {
      health: undefined,
      refused: new RefusedWalk(),
      drawing: undefined,
      after: "",
      paced: undefined,
      receipts: undefined,
      restsUntil: 0,
    };
    memories.set(id, fresh);
    return fresh;
  };

  /** While keys wait to be started it may be a second old; a gate is judged by what is there now. */
  const healthOf = async (campaign: Campaign): Promise<CampaignHealth> => {
    const memory = memoryOf(campaign.id);
    const starting = (campaign.counts[campaign.wave]?.waiting ?? 0) > 0;
    const now = world.clock.elapsed();
    if (starting && memory.health !== undefined && now - memory.health.at < HEALTH_MS) return memory.health.value;
    const value = await readHealth(deps, campaign, (tally) => memory.refused.look(store, campaign.id, tally));
    memory.health = { at: now, value };
    return value;
  };

  /** Whether there is more to do at once. */
  const advance = async (id: string, leads: Proof): Promise<boolean> => {
    const held = await store.get("campaign", id);
    if (held === undefined) return false;
    const step = stepCampaign(held.value, await healthOf(held.value), world.clock.now());
    switch (step.do) {
      case "select":
        return select(held, leads);
      case "draw":
        return draw(held, leads);
      case "start":
        return start(held, leads);
      case "roll-back":
        return rollBack(held, leads);
      case "confirm":
        return confirm(held, leads);
      case "become":
        return become(held, step, leads);
      default:
        return false;
    }
  };

  const become = async (
    held: Held<Campaign>,
    { next, action, notice }: Extract<CampaignStep, { do: "become" }>,
    leads: Proof,
  ): Promise<boolean> => {
    const now = world.clock.now();
    const outcome = await desk.commit({
      writes: [put("campaign", next, held)],
      audit: [noteOf(next, action, now, next.why === null ? {} : { why: next.why.reason })],
      feed: [],
      notices: notice === null ? [] : [tellOf(next, notice, now)],
      fence: fenceIn(leads),
    });
    if (outcome.ok)
      world.log(notice === "campaign.held" ? "warn" : "info", action, {
        campaign: next.id,
        wave: next.wave,
        state: next.state,
      });
    return true;
  };

  const select = async (held: Held<Campaign>, leads: Proof): Promise<boolean> => {
    const campaign = held.value;
    const strikes = campaign.action !== "rotate";
    let cursor = campaign.cursor;
    const cuts = likelyCuts(campaign.waves);
    let fresh: SelectedKey[] = [];
    for (let i = 0; cursor !== null && fresh.length === 0 && i < EMPTY_PAGES_MAX; i++) {
      if (i > 0) await breathe();
      const page = await selectPage(store, campaign.select, cursor, strikes ? BATCH : SELECT_PAGE, strikes);
      const found = page.found.map(({ key, consumerLabels }) => {
        const facts = { keyId: key.id, environment: key.environment, consumerLabels };
        const home = homeOf(campaign.waves, facts);
        return { keyId: key.id, apiId: key.apiId, home, wave: waveAt(cuts, home, drawOf(campaign.id, key.id)) };
      });
      fresh = await unnoted(campaign, found);
      cursor = page.cursor;
    }
    const ledger = selectLedger(held, fresh, cursor, world.clock.now());
    if (strikes && fresh.length > 0) {
      const waves = new Map(fresh.map(({ keyId, wave }) => [keyId, wave]));
      return strike(ledger, [...waves.keys()], leads, (keyId) => waves.get(keyId) ?? 0);
    }
    const { writes, audit } = ledger.entries(waitingDeeds(fresh));
    await desk.commit({ writes, audit, feed: [], fence: fenceIn(leads) });
    return true;
  };

  const draw = async (held: Held<Campaign>, leads: Proof): Promise<boolean> => {
    const memory = memoryOf(held.value.id);
    const drawing = memory.drawing ?? new Drawing();
    // Until the page is committed: if it is not, all is walked again.
    memory.drawing = undefined;
    const page = await drawing.look(store, held.value);
    if (page === undefined || (page.moves.length === 0 && !page.whole)) {
      memory.drawing = drawing;
      return true;
    }
    const now = world.clock.now();
    const moves = page.moves.map(({ item, to }) => ({ from: item.value.wave, to }));
    const next = drawnMore(held.value, moves, page.whole, now);
    const outcome = await desk.commit({
      writes: [
        ...page.moves.map(({ item, to }) => put("campaign_item", { ...item.value, wave: to, at: now }, item)),
        put("campaign", next, held),
      ],
      audit: [noteOf(next, "campaign.drawn", now, { moved: moves.length, whole: page.whole })],
      feed: [],
      fence: fenceIn(leads),
    });
    if (outcome.ok && !page.whole) memory.drawing = drawing;
    return true;
  };

  /** A crash may have come after some keys of a page were noted. */
  const unnoted = async (campaign: Campaign, found: readonly SelectedKey[]): Promise<SelectedKey[]> => {
    const values = found.map(({ keyId }) => campaignItemId(campaign.id, keyId));
    if (values.length === 0) return [];
    const rows = await store.list("campaign_item", { oneOf: { column: "id", values } }, { limit: values.length });
    const noted = new Set(rows.map(({ value }) => value.keyId));
    return found.filter(({ keyId }) => !noted.has(keyId));
  };

  const start = async (held: Held<Campaign>, leads: Proof): Promise<boolean> => {
    const campaign = held.value;
    const memory = memoryOf(campaign.id);
    const count = paced(campaign, memory);
    if (count === 0) return false;
    const equals = { campaign_id: campaign.id, wave: campaign.wave, state: "waiting" };
    const items = await store.list("campaign_item", { equals }, { after: memory.after, limit: count });
    memory.after = items.length < count ? "" : (items.at(-1)?.value.id ?? "");
    if (items.length === 0) return false;
    const ledger = startLedger(held, items, world.clock.now());
    const keyIds = items.map(({ value }) => value.keyId);
    const more = await strike(ledger, keyIds, leads, () => campaign.wave);
    if (memory.paced !== undefined) memory.paced.left -= ledger.done;
    // What only waits again, for an api that is held or a key that others change, is not tried without a pause.
    return more && ledger.done > 0;
  };

  /** How many keys may be started now. */
  const paced = ({ pace }: Campaign, memory: Memory): number => {
    if (pace === null) return BATCH;
    const at = world.clock.elapsed();
    const before = memory.paced ?? { at: at - 1_000, left: 0 };
    // What was not started in a second is not made up for.
    memory.paced = { at, left: Math.min(pace, before.left + ((at - before.at) * pace) / 1_000) };
    return Math.min(BATCH, Math.floor(memory.paced.left));
  };

  const handOver = () => {
    for (const id of struck) deps.onRotation(id);
    struck = [];
  };

  const strike = async (
    ledger: CampaignLedger,
    keyIds: readonly string[],
    leads: Proof,
    wave: (keyId: string) => number,
  ): Promise<boolean> => {
    const campaign = ledger.campaign.value;
    const urgent = campaign.action !== "rotate";
    const onRotation = urgent ? (id: string) => void struck.push(id) : undefined;
    const command = { actor: campaign.id, fence: fenceIn(leads), whileHeld: urgent, onRotation };
    const outcome = await desk.changeMany<Deed>(keyIds, command, deedOf(campaign, wave, deps), ledger);
    if (!isUrgent(ledger.campaign.value)) handOver();
    return done(outcome);
  };

  /** False where the work is another process's by now. */
  const done = (outcome: Outcome<void>): boolean => outcome.ok || shares.leads() !== undefined;

  const rollBack = async (held: Held<Campaign>, leads: Proof): Promise<boolean> => {
    const { id, rollback } = held.value;
    if (rollback === null) return true;
    const equals = { campaign_id: id, wave: rollback.wave, state: "started" };
    const items = await store.list("campaign_item", { equals }, { after: rollback.after, limit: BATCH });
    const after = items.length < BATCH ? null : (items.at(-1)?.value.id ?? null);
    const ledger = rollBackLedger(held, items, after, world.clock.now());
    const rotations = new Map(items.map(({ value }: Held<CampaignItem>) => [value.keyId, value.rotationId]));
    const work = takeBack((keyId) => rotations.get(keyId) ?? null, rollback.reason);
    const command = { actor: id, fence: fenceIn(leads) };
    return done(await desk.changeMany<Deed>([...rotations.keys()], command, work, ledger));
  };

  /** An emergency has ended when every verifier that may answer has applied the last of it. */
  const confirm = async (held: Held<Campaign>, leads: Proof): Promise<boolean> => {
    const campaign = held.value;
    if (campaign.receipts.length === 0 && campaign.apis.length > 0) {
      const next = { ...campaign, receipts: await openReceipts(store, campaign) };
      return become(held, { do: "become", next, action: "campaign.struck", notice: null }, leads);
    }
    const memory = memoryOf(campaign.id);
    memory.receipts = await confirmed(deps, memory.receipts ?? campaign.receipts);
    if (memory.receipts.some(({ at }) => at === null)) return false;
    const next = endCampaign({ ...campaign, receipts: memory.receipts }, "done", world.clock.now());
    return become(held, { do: "become", next, action: "campaign.ended", notice: "campaign.ended" }, leads);
  };

  /** Whether it has more to do at once. One that fails holds up no other. */
  const turn = async (id: string, leads: Proof): Promise<boolean> => {
    const until = world.clock.elapsed() + TURN_MS;
    let more = true;
    try {
      // Whoever was started meanwhile may be an emergency: it waits for no more than the batch under way.
      do {
        if (stopped) return more;
        more = await advance(id, leads);
        await breathe();
      } while (more && !again && world.clock.elapsed() < until);
      return more;
    } catch (error) {
      world.log("error", "campaign.failed", { campaign: id, error: String(error) });
      memoryOf(id).restsUntil = world.clock.elapsed() + AFTER_FAILURE_MS;
      return false;
    }
  };

  /** One turn for each, or until somebody is woken; whether anybody has more to do at once. */
  const round = async (): Promise<boolean> => {
    const leads = shares.leads();
    if (leads === undefined) return false;
    const live = await liveCampaigns(store);
    for (const id of memories.keys()) if (!live.some((campaign) => campaign.id === id)) memories.delete(id);
    const now = world.clock.elapsed();
    const awake = live.filter(({ id }) => (memories.get(id)?.restsUntil ?? 0) <= now);
    const urgent = awake.filter(isUrgent);
    if (urgent.length === 0 || struck.length > STRUCK_MAX) handOver();
    let more = false;
    for (const { id } of inTurn(urgent.length > 0 ? urgent : awake, last)) {
      last = id;
      if (await turn(id, leads)) more = true;
      // Each commit of a campaign wakes as well: so the next round begins behind it, or the others would get no turn until it is through.
      if (again) break;
    }
    return more;
  };

  const runAll = async () => {
    do {
      again = false;
      if (await round()) again = true;
    } while (again && !stopped);
  };

  const run = (): Promise<void> => {
    running ??= runAll().finally(() => {
      running = undefined;
    });
    return running;
  };

  return {
    run,
    wake() {
      again = true;
      if (!stopped) run().catch((error: unknown) => world.log("error", "campaign.failed", { error: String(error) }));
    },
    async stop() {
      stopped = true;
      await running?.catch(() => {});
    },
  };
}

/** In order of handles, beginning behind the last. */
function inTurn(campaigns: readonly Campaign[], last: string): Campaign[] {
  return [...campaigns.filter(({ id }) => id > last), ...campaigns.filter(({ id }) => id <= last)];
}

/** All of them: an emergency may be behind any number that wait at their gates. */
async function liveCampaigns(store: Store): Promise<Campaign[]> {
  const all: Campaign[] = [];
  for (;;) {
    const page = await store.list("campaign", { equals: { live: 1 } }, { after: all.at(-1)?.id, limit: LIVE_PAGE });
    all.push(...page.map(({ value }) => value));
    if (page.length < LIVE_PAGE) return all;
  }
}

/** It has keys to strike. */
function isUrgent({ action, state, counts, wave }: Campaign): boolean {
  if (action === "rotate") return false;
  return state === "selecting" || (state === "running" && (counts[wave]?.waiting ?? 0) > 0);
}

async function confirmed({ fleet, world }: RunnerDeps, receipts: readonly Receipt[]): Promise<Receipt[]> {
  return Promise.all(
    receipts.map(async (receipt) => {
      if (receipt.at !== null) return receipt;
      const view = await fleet.view(receipt.apiId);
      if (view.laggards(receipt.seq).length > 0) return receipt;
      return { ...receipt, at: world.clock.now(), verifiers: view.live.length };
    }),
  );
}

/** The feeds' heads once every key is struck: no strike has a number above them. */
async function openReceipts(store: Store, { apis }: Campaign): Promise<Receipt[]> {
  const heads = await store.feedHeads(apis);
  return apis.map((apiId) => ({ apiId, seq: heads.get(apiId) ?? 0, at: null, verifiers: 0 }));
}
