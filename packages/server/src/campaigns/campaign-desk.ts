/**
 * Campaigns as operators see them: looking first, starting, steering. What carries them forward is runner.ts.
 *
 *     wanted ─▶ names known? waves sound? ─▶ does it mean a key, and no more than expected? ─▶ one commit: the campaign ─▶ runner
 */
import {
  type Campaign,
  type CampaignAction,
  type CampaignCommand,
  type CampaignLimits,
  commandCampaign,
  defaultLimits,
  defaultWaveGate,
  type Fence,
  isSelected,
  type KeySelection,
  makeHandle,
  newCampaign,
  parseNetwork,
  saysNothing,
  sleep,
  type Wave,
  type WaveGate,
  type WaveOf,
  type World,
  wavesProblem,
  wholeWaves,
} from "@keyover/core";
import type { Command, KeyDesk } from "../keys/key-desk.ts";
import { scopesProblem } from "../keys/keys.ts";
import { allOf } from "../keys/sights.ts";
import { accept, type Outcome, type Refusal, refuse } from "../outcome.ts";
import { put, type Store } from "../store/store.ts";
import { type HealthDeps, refusedInAll, waveHealth, weightOf } from "./health.ts";
import { noteOf } from "./ledger.ts";
import { type Preview, previewOf } from "./preview.ts";
import { selectPage, WALK_START } from "./selection.ts";
import { tellOf } from "./telling.ts";

export type WaveGatePatch = { [K in keyof WaveGate]?: WaveGate[K] | undefined };

export interface WantedCampaign {
  name: string;
  action: CampaignAction;
  select: KeySelection;
  waves: { of: WaveOf; gate?: WaveGatePatch | undefined }[];
  /** Of each wave that says nothing else. */
  gate?: WaveGatePatch | undefined;
  limits?: { [K in keyof CampaignLimits]?: CampaignLimits[K] | undefined } | undefined;
  pace: number | null;
  fence: Fence | null;
  reason: string;
  /** No more keys than these; undefined: however many they are. */
  expect?: { keys: number } | undefined;
}

export interface CampaignDesk {
  preview(wanted: WantedCampaign): Promise<Outcome<Preview>>;
  start(wanted: WantedCampaign, command: Command<Campaign>): Promise<Outcome<Campaign>>;
  command(id: string, what: CampaignCommand, command: Command<Campaign>): Promise<Outcome<Campaign>>;
}

export interface CampaignDeskDeps extends HealthDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  /** Something is to be done. */
  wake(): void;
}

const ATTEMPTS_MAX = 6;
/** Keys looked at in one page of a count. */
const PAGE = 500;

export function createCampaignDesk(deps: CampaignDeskDeps): CampaignDesk {
  const { world, store, desk } = deps;
  const breathe = () => sleep(world.clock, 0);

  const problemOf = async (wanted: WantedCampaign): Promise<Refusal | undefined> =>
    plainProblem(wanted) ?? (await namesProblem(store, wanted));

  /** Undefined if there is nothing against it. */
  const countProblem = async ({ action, select, expect }: WantedCampaign): Promise<Refusal | undefined> => {
    let keys = 0;
    for (let cursor: string | null = WALK_START; cursor !== null; ) {
      const page = await selectPage(store, select, cursor, PAGE, action !== "rotate");
      keys += page.found.length;
      cursor = page.cursor;
      if (keys > (expect?.keys ?? Number.POSITIVE_INFINITY)) {
        const detail = `more than the ${expect?.keys} keys that were expected are selected; look again, and start it with the new number`;
        return refuse("selection_grew", detail, { expected: expect?.keys });
      }
      if (keys > 0 && expect === undefined) return undefined;
      await breathe();
    }
    return keys > 0 ? undefined : refuse("selection_empty", "no key that is not revoked matches");
  };

  return {
    async preview(wanted) {
      const problem = await problemOf(wanted);
      if (problem !== undefined) return problem;
      return accept(await previewOf(store, wanted, wavesOf(wanted), { now: world.clock.now(), breathe }));
    },

    async start(wanted, command) {
      const problem = (await problemOf(wanted)) ?? (await countProblem(wanted));
      if (problem !== undefined) return problem;
      const now = world.clock.now();
      const { name, action, select, pace, fence, reason } = wanted;
      const id = makeHandle("campaign", now, world.random);
      const limits = merged(defaultLimits, wanted.limits);
      const said = { id, name, action, select, pace, fence, reason, startedBy: command.actor };
      const campaign = newCampaign({ ...said, limits, waves: wavesOf(wanted) }, WALK_START, now);
      const outcome = await desk.commit({
        writes: [put("campaign", campaign)],
        audit: [{ ...noteOf(campaign, "campaign.started", now, { action, select, reason }), actor: command.actor }],
        feed: [],
        notices: [tellOf(campaign, "campaign.started", now)],
        idempotency: command.remember?.(campaign),
      });
      if (!outcome.ok) return outcome;
      deps.wake();
      return accept(campaign);
    },

    async command(id, what, command) {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const held = await store.get("campaign", id);
        if (held === undefined) return refuse("not_found", `there is no campaign ${id}`);
        const now = world.clock.now();
        const looks = what.type === "continue" || what.type === "resume";
        const health = looks ? await accepted(id) : { broken: 0, refused: 0 };
        const decision = commandCampaign(held.value, what, command.actor, health, now);
        if (!decision.ok) return refuse(decision.code, decision.detail);
        const { next } = decision;
        if (next === held.value) return accept(next);
        const reason = "reason" in what ? { reason: what.reason } : {};
        const wave = what.type === "roll-back" ? { taken: next.rollback?.wave } : {};
        const outcome = await desk.commit({
          writes: [put("campaign", next, held)],
          audit: [{ ...noteOf(next, `campaign.${what.type}`, now, { ...reason, ...wave }), actor: command.actor }],
          feed: [],
          notices: next.state === "ended" && held.value.state !== "ended" ? [tellOf(next, "campaign.ended", now)] : [],
          idempotency: command.remember?.(next),
        });
        if (outcome.ok) {
          deps.wake();
          return accept(next);
        }
        // A batch of it was committed meanwhile; or the same request was answered.
        if ((await store.get("campaign", id))?.rev === held.rev) return outcome;
      }
      return refuse("conflict");
    },
  };

  async function accepted(id: string) {
    const { broken } = waveHealth(await store.campaignTally(id));
    return { broken, refused: weightOf(await refusedInAll(store, id, breathe)) };
  }
}

function merged<T extends object>(base: T, patch: { [K in keyof T]?: T[K] | undefined } = {}): T {
  const said = Object.entries(patch).filter(([, value]) => value !== undefined);
  return { ...base, ...Object.fromEntries(said) };
}

function wavesOf(wanted: WantedCampaign): Wave[] {
  const gate = merged(defaultWaveGate, wanted.gate);
  const waves = wanted.waves.map((wave) => ({ of: wave.of, gate: merged(gate, wave.gate) }));
  return wholeWaves(waves, gate);
}

function plainProblem(wanted: WantedCampaign): Refusal | undefined {
  const { action, select, waves, fence, gate, limits, pace } = wanted;
  if (saysNothing(select)) {
    const detail = "say which keys: apis, environments, consumers, keys, labels, createdBefore; or everything: true";
    return refuse("invalid_request", detail);
  }
  if (select.everything === true && Object.values(select).filter((value) => value !== undefined).length > 1)
    return refuse("invalid_request", "everything: true stands alone; leave it out to select some of the keys");
  const waits = waves.length > 0 || gate !== undefined || limits !== undefined || pace !== null;
  if (action !== "rotate" && waits)
    return refuse("invalid_campaign", `a ${action} waits for nobody: it has no waves, no gates, no limits and no pace`);
  if (action !== "contain" && fence !== null) return refuse("invalid_request", "only contain takes a fence");
  const wrong = fence?.networks?.find((network) => parseNetwork(network) === undefined);
  if (wrong !== undefined) return refuse("invalid_request", `${wrong} is not a network`);
  const problem = wavesProblem(wavesOf(wanted));
  return problem === undefined ? undefined : refuse("invalid_campaign", problem);
}

/** A name that nothing has is a spelling error, and would leave out keys unseen. */
async function namesProblem(store: Store, { select, waves, fence }: WantedCampaign): Promise<Refusal | undefined> {
  const missing =
    (await missingOf(store, "api", select.apis)) ??
    (await missingOf(store, "consumer", select.consumers)) ??
    (await missingOf(store, "key", select.keys)) ??
    (await missingOf(store, "token", select.custodians));
  if (missing !== undefined) return missing;
  const apis = (await store.list("api", {}, { limit: 10_000 }))
    .map(({ value }) => value)
    .filter(({ id }) => select.apis?.includes(id) ?? true);
  const known = new Set(apis.flatMap(({ environments }) => environments));
  const environments = [
    ...(select.environments ?? []),
    ...waves.flatMap(({ of }) => ("environment" in of ? of.environment : [])),
  ];
  const unknown = environments.find((name) => !known.has(name));
  if (unknown !== undefined)
    return refuse("unknown_environment", `none of the apis has the environment ${unknown}`, {
      known: [...known].sort(),
    });
  const odd = fence?.scopes?.find((scope) => apis.every((api) => scopesProblem(api, [scope]) !== undefined));
  if (odd !== undefined) return refuse("unknown_scope", `none of the apis has the scope ${odd}`, { unknown: [odd] });
  const labels = waves.flatMap(({ of }) => ("consumerLabel" in of ? of.consumerLabel : []));
  for (const { name, value } of labels) {
    const [carrier] = await store.list("consumer", { labels: { [name]: value } }, { limit: 1 });
    if (carrier === undefined) return refuse("invalid_campaign", `no consumer carries the label ${name}=${value}`);
  }
  return canariesProblem(store, select, waves);
}

async function missingOf(
  store: Store,
  table: "api" | "consumer" | "key" | "token",
  ids: readonly string[] | undefined,
): Promise<Refusal | undefined> {
  if (ids === undefined) return undefined;
  const found = new Set((await allOf(store, table, "id", ids)).map(({ id }) => id));
  const missing = ids.find((id) => !found.has(id));
  return missing === undefined ? undefined : refuse("not_found", `there is no ${table} ${missing}`);
}

async function canariesProblem(
  store: Store,
  select: KeySelection,
  waves: WantedCampaign["waves"],
): Promise<Refusal | undefined> {
  const canaries = waves.flatMap(({ of }) => ("keys" in of ? of.keys : []));
  const keys = new Map((await allOf(store, "key", "id", canaries)).map((key) => [key.id, key]));
  const owners = [...keys.values()].map(({ consumerId }) => consumerId);
  const consumers = new Map((await allOf(store, "consumer", "id", owners)).map(({ id, labels }) => [id, labels]));
  for (const id of canaries) {
    const key = keys.get(id);
    if (key === undefined) return refuse("not_found", `there is no key ${id}`);
    const consumerLabels = consumers.get(key.consumerId) ?? {};
    const madeAt = [Number.NEGATIVE_INFINITY];
    if (!isSelected(select, { key, consumerLabels, madeAt }))
      return refuse("invalid_campaign", `the canary ${id} is not among the selected keys`);
  }
  return undefined;
}
