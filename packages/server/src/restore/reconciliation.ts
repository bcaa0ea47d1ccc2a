/**
 * A restored api in the operator's hands: who of the verifiers was heard, what they remember that the backup lacks, and the choice.
 */
import { hash } from "node:crypto";
import { type Outcome, refuse } from "../outcome.ts";
import type { Api, Boot, RememberedKey, Restoration, RestoreChoice, RestoreMark } from "../store/entities.ts";
import { type Held, put, type Store } from "../store/store.ts";
import { type CarryOutDeps, carryOut } from "./carry-out.ts";
import { newestClaims } from "./claims.ts";
import { comparedTill } from "./compared.ts";
import { type Difference, differenceOf } from "./differences.ts";
import { UNKNOWN_INSTANCE } from "./mark.ts";
import { environmentsOf, newestOf } from "./remembered.ts";
import { epochOf } from "./restorations.ts";

export type RestoreState = "never restored" | "held" | "being carried out" | "served" | "late";

export interface Reconciliation {
  state: RestoreState;
  epoch: string;
  restoration: Restoration | undefined;
  marks: RestoreMark[];
  /** Boots that may have answered when the backup was made, and whose instance has not been heard of since. */
  unheard: Boot[];
  /** Keys that verifiers have told of. */
  keys: number;
  /** What the operator looks at, by a name: another one if something was added since. */
  seen: string;
}

export interface Choosing extends Pick<RestoreChoice, "side" | "keys" | "revive" | "by" | "reason"> {
  /** `Reconciliation.seen` of what the operator has looked at. */
  seen?: string | undefined;
}

export interface Reconciler {
  look(api: Api): Promise<Reconciliation>;
  /** The next keys after `after`, whether or not they differ. */
  differences(api: Api, page: { after?: string | undefined; limit: number }): Promise<Difference[]>;
  /** Resolves once the choice is on record; it is carried out by and by. */
  choose(api: Api, choosing: Choosing): Promise<Outcome<void>>;
  /** Carries out what was chosen; one process does it for all. */
  pursue(fence: Parameters<typeof carryOut>[2]): Promise<void>;
}

/** The feed goes on so far beyond all that was heard of that what a late verifier holds is older than what is told anew. */
const LEAP = 1_000_000;
const PAGE = 500;
const MARKS_MAX = 10_000;
const BOOTS_MAX = 1_000;
const NAMED_MAX = 20;

export function createReconciler(deps: CarryOutDeps): Reconciler {
  const { store, desk, world, restorations } = deps;

  const look = async (api: Api): Promise<Reconciliation> => {
    const restoration = (await restorations.of(api.id))?.value;
    const marks = await marksOf(store, restoration);
    return {
      state: stateOf(restoration),
      epoch: epochOf(api.id, restoration),
      restoration,
      marks: marks.map(({ value }) => value),
      unheard: await unheardOf(api, restoration, marks),
      keys: await store.count("remembered_key", { equals: { api_id: api.id } }),
      seen: seenOf(restoration, marks),
    };
  };

  /** Verifiers that may answer from what they knew before the restore, and have not said a word since. */
  const unheardOf = async (api: Api, restoration: Restoration | undefined, marks: readonly Held<RestoreMark>[]) => {
    if (restoration === undefined) return [];
    const heard = new Set(marks.map(({ value }) => value.instance));
    const boots = await store.boots(api.id, BOOTS_MAX);
    return boots.filter((boot) => couldAnswer(boot, restoration) && !heard.has(boot.instance));
  };

  return {
    look,

    async differences(api, { after, limit }) {
      const from = after === undefined ? undefined : `${api.id} ${after}`;
      const rows = await store.list("remembered_key", { equals: { api_id: api.id } }, { after: from, limit });
      return Promise.all(
        rows.map(async ({ value }) => differenceOf(value, await desk.read(value.keyId).then(localOf))),
      );
    },

    async choose(api, choosing) {
      const held = await restorations.of(api.id);
      const restoration = held?.value;
      if (held === undefined || restoration === undefined || stateOf(restoration) === "served")
        return refuse("conflict", `${api.name} does not wait for a choice`);
      if (restoration.choice !== null)
        return refuse("conflict", `what was chosen for ${api.name} is being carried out`);
      const marks = await marksOf(store, restoration);
      if (choosing.seen !== undefined && choosing.seen !== seenOf(restoration, marks))
        return refuse("conflict", "verifiers have told more since you looked; look again");
      const undecided = await undecidedKeys(store, api, choosing);
      if (undecided !== undefined) return undecided;
      const now = world.clock.now();
      const { seen: _seen, ...chosen } = choosing;
      const choice: RestoreChoice = { ...chosen, at: now, ...comparedBy(api, restoration, marks) };
      const head = await store.feedHead(api.id);
      const heard = Math.max(head, ...marks.map(({ value }) => newestOf(value)));
      const leap = restoration.reconciledAt === null || heard > head;
      const { side, revive, by, reason } = choosing;
      const raisedTo = leap ? heard + LEAP : restoration.raisedTo;
      const outcome = await desk.commit({
        writes: [put("restoration", { ...restoration, choice, raisedTo }, held)],
        audit: [
          {
            at: now,
            actor: by,
            action: "restore.chosen",
            subjects: [api.id],
            details: { side, keys: choosing.keys, revive, reason },
          },
        ],
        feed: [],
        ...(leap ? { feedBehind: { apiId: api.id, seq: raisedTo } } : {}),
      });
      restorations.forget();
      return outcome;
    },

    async pursue(fence) {
      for (const { id, choice } of await restorations.waiting()) if (choice !== null) await carryOut(deps, id, fence);
    },
  };
}

function stateOf(restoration: Restoration | undefined): RestoreState {
  if (restoration === undefined) return "never restored";
  if (restoration.choice !== null) return "being carried out";
  if (restoration.reconciledAt === null) return "held";
  return restoration.late ? "late" : "served";
}

/** Of this restore; those of an earlier one say nothing. */
async function marksOf(store: Store, restoration: Restoration | undefined): Promise<Held<RestoreMark>[]> {
  if (restoration === undefined) return [];
  const marks = await store.list("restore_mark", { equals: { api_id: restoration.id } }, { limit: MARKS_MAX });
  return marks.filter(({ value }) => value.restore === restoration.restore);
}

function seenOf(restoration: Restoration | undefined, marks: readonly Held<RestoreMark>[]): string {
  const text = JSON.stringify([restoration?.restore, marks.map(({ value, rev }) => [value.id, rev])]);
  return hash("sha256", text, "base64url").slice(0, 16);
}

function couldAnswer({ closed, replacedAt, removedAt, answersUntil, instance }: Boot, { asOf }: Restoration): boolean {
  const ended = closed || replacedAt !== null || removedAt !== null;
  return !ended && instance !== UNKNOWN_INSTANCE && answersUntil > asOf;
}

function localOf(state: Awaited<ReturnType<CarryOutDeps["desk"]["read"]>>) {
  if (state === undefined) return undefined;
  const { key, versions, rotation } = state;
  return { key: key.value, versions: versions.map(({ value }) => value), rotation: rotation?.value };
}

/** As far as the verifiers that have told all of what they know had followed the feed. */
function comparedBy(api: Api, restoration: Restoration, marks: readonly Held<RestoreMark>[]) {
  let known = restoration;
  for (const { value } of marks)
    if (value.complete) known = { ...known, ...comparedTill(known, value, environmentsOf(api, value)) };
  const { compared, comparedBefore } = known;
  return { compared, comparedBefore };
}

/** Keys that can't be carried out as chosen: verifiers contradict each other, or remember an environment that the api lacks. */
async function undecidedKeys(store: Store, api: Api, { side, keys }: Choosing) {
  const contradictions: string[] = [];
  const environments = new Set<string>();
  let after: string | undefined;
  for (;;) {
    const rows = await store.list("remembered_key", { equals: { api_id: api.id } }, { after, limit: PAGE });
    for (const { value } of rows) {
      const own = keys[value.keyId];
      if ((own?.side ?? side) === "backup") continue;
      const [said, ...others] = newestClaims(value);
      if (others.length > 0 && !namesOne(value, own?.instance)) contradictions.push(value.keyId);
      if (!api.environments.includes(said.record.environment)) environments.add(said.record.environment);
    }
    after = rows.at(-1)?.value.id;
    if (rows.length < PAGE) break;
  }
  if (contradictions.length > 0)
    return refuse(
      "conflict",
      `verifiers contradict each other about ${contradictions.length} keys; say for each whose word counts`,
      {
        contradictions: contradictions.slice(0, NAMED_MAX),
      },
    );
  if (environments.size > 0)
    return refuse(
      "unknown_environment",
      `verifiers remember keys of ${[...environments].join(", ")}; add that to the api, or take the backup for those keys`,
      {
        known: api.environments,
      },
    );
  return undefined;
}

function namesOne(row: RememberedKey, instance: string | undefined): boolean {
  return (
    instance !== undefined && newestClaims(row).filter(({ instances }) => instances.includes(instance)).length === 1
  );
}
