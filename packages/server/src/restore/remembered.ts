/**
 * Collects what verifiers remember beyond a restored database: for each verifier how far it had come (its *mark*), and for each key what
 * they say of it. A verifier's token speaks for its api and its environments alone, and all that it says is a proposal until an operator
 * has chosen: nothing here touches a key.
 *
 *     register ──holds no more than the backup──▶ its mark, complete
 *        └─────holds more: 503 `reconciling`──▶ parts of `remembered` ──▶ rows of keys; its mark, complete with the last part
 */
import type { KeyRecord, Registration, Remembered, World } from "@keyover/core";
import type { KeyDesk } from "../keys/key-desk.ts";
import { accept, type Outcome, type Refusal, refuse } from "../outcome.ts";
import type { Api, RememberedKey, Restoration, RestoreMark } from "../store/entities.ts";
import { type Held, put, type Store, type Write } from "../store/store.ts";
import { rememberedId, withClaim } from "./claims.ts";
import { comparedTill, comparedTo, comparedToInAll, isCompared, wasTold } from "./compared.ts";
import { isEpochOf, type Restorations, refusalOf } from "./restorations.ts";

/** Whose word it is: the token's handle, and the environments that it may see (empty: all). */
export interface Witness {
  tokenId: string;
  environments: readonly string[];
}

export interface Told extends Remembered {
  /** Records of this part that were none. */
  malformed: number;
}

export interface RememberedDesk {
  /** The refusal of a registration, if the api is held, or for a verifier that knows more than was compared. */
  admission(api: Api, registration: Registration, witness: Witness): Promise<Refusal | undefined>;
  /** Answers how many of the records were taken. */
  tell(api: Api, told: Told, witness: Witness): Promise<Outcome<{ records: number }>>;
}

export interface RememberedDeps {
  world: World;
  store: Store;
  desk: KeyDesk;
  restorations: Restorations;
}

/** More entries than any feed gets between a backup and its restore; a mark beyond would push the feed's numbers out of their range. */
const AHEAD_MAX = 1_000_000_000;
/** Of one api: a token could make up any number of keys. */
const ROWS_MAX = 1_000_000;
/** Parts of several verifiers speak of the same keys. */
const ATTEMPTS_MAX = 8;
const BEHIND_SAID_EVERY_MS = 60_000;

export function createRememberedDesk({ world, store, desk, restorations }: RememberedDeps): RememberedDesk {
  const { clock, log } = world;
  /** One write at a time for each api: else those who come together would run into each other. */
  const lines = new Map<string, Promise<unknown>>();
  const saidBehind = new Map<string, number>();

  const inLine = <T>(apiId: string, work: () => Promise<T>): Promise<T> => {
    const next = (lines.get(apiId) ?? Promise.resolve()).then(work, work);
    lines.set(apiId, next);
    const forget = () => {
      if (lines.get(apiId) === next) lines.delete(apiId);
    };
    next.then(forget, forget);
    return next;
  };

  const commit = (writes: Write[], actor: string, action: string, apiId: string, details: Record<string, unknown>) =>
    desk.commit({ writes, audit: [{ at: clock.now(), actor, action, subjects: [apiId], details }], feed: [] });

  /** What a verifier holds, said at its registration. */
  const hear = async (api: Api, restoration: Restoration, { instance, holds }: Registration, witness: Witness) => {
    const before = await store.get("restore_mark", markId(api.id, instance));
    const { epoch, seq, followed = seq } = holds ?? { epoch: "", seq: 0 };
    const known = before?.value;
    if (known?.restore === restoration.restore && known.epoch === epoch && known.seq === seq) return;
    // An old registration that comes late, of this epoch or an earlier one, must not undo the word that was given since: nobody would
    // give it again. Who truly holds less than it told comes with its own parts. Another token's word is not the verifier's own, and may be.
    const isOwnWord = known?.restore === restoration.restore && known.tokenId === witness.tokenId;
    if (isOwnWord && known.complete && seq < newestOf(known)) return;
    const nothingNew = seq <= comparedToInAll(restoration, epoch, environmentsOf(api, witness));
    const said = { instance, epoch, seq, followed, parts: 0, complete: nothingNew, passedOver: 0 };
    const mark = markOf(api, restoration, witness, said, known);
    const { complete } = mark;
    await commit(
      [put("restore_mark", { ...mark, at: clock.now() }, before)],
      witness.tokenId,
      "restore.heard",
      api.id,
      {
        instance,
        epoch,
        seq,
        complete,
      },
    );
  };

  /** One that was never told of the restore, because nobody marked the database. */
  const behindVerifier = (api: Api, { instance, holds }: Registration, head: number): Refusal => {
    const saidAt = saidBehind.get(api.id) ?? Number.NEGATIVE_INFINITY;
    if (clock.elapsed() - saidAt >= BEHIND_SAID_EVERY_MS) {
      saidBehind.set(api.id, clock.elapsed());
      log("error", "feed.behind_verifier", { api: api.id, instance, holds: holds?.seq, head, advice: UNMARKED });
    }
    return refuse("feed_ahead", `the feed has reached ${head}; ${UNMARKED}`, { head });
  };

  const tellOnce = async (api: Api, told: Told, witness: Witness): Promise<Outcome<{ records: number }>> => {
    const held = await restorations.of(api.id);
    const restoration = held?.value;
    const environments = environmentsOf(api, witness);
    if (held === undefined || restoration === undefined || !isEpochOf(api.id, told.epoch))
      return accept({ records: 0 });
    const before = await store.get("restore_mark", markId(api.id, told.instance));
    if (isCompared(api, restoration, told, environments, before?.value)) return accept({ records: 0 });
    if (restoration.choice !== null)
      return refusalOf(restoration, comparedToInAll(restoration, told.epoch, environments));
    const known = before?.value;
    // So must an old part. What it says counts all the same: the word since may be somebody else's, who holds a verifier's token.
    const settled = wasTold(restoration, told, environments, known) && told.seq < known.seq ? known : undefined;
    const problem = await remoteProblem(store, api, restoration, told);
    if (problem !== undefined) return problem;

    const parts = partsBefore(known, restoration, told);
    if (settled === undefined && told.n > parts + 1)
      return refuse("conflict", `part ${told.n} came after ${parts}; begin again with part 1`);
    const wanted = told.records.filter((record) => isWanted(record, restoration, told, witness));
    const foreign = told.records.filter((record) => !isOwn(record, told, witness)).length;
    const again = told.n <= parts;
    const said = {
      ...told,
      parts: Math.max(parts, told.n),
      complete: told.last || (again && known?.complete === true),
      passedOver: (parts === 0 ? 0 : (known?.passedOver ?? 0)) + (again ? 0 : foreign + told.malformed),
    };
    const mark = settled ?? markOf(api, restoration, witness, said, known);
    const rows = await foldAll(store, api, wanted, told.instance);
    if (settled !== undefined && rows.length === 0) return accept({ records: 0 });
    const writes: Write[] = rows.map(({ row, was }) => put("remembered_key", row, was));
    // Who comes late with nothing to choose from is compared by the choice that was made, as if it had been heard before. A cache that dropped
    // what it read would wait for ever: it can't say that nothing is lacking up to there, so it moves no number either.
    const idle = restoration.reconciledAt !== null && rows.length === 0 && !restoration.late;
    const at = idle && mark.complete ? Math.min(clock.now(), restoration.chosenAt ?? 0) : clock.now();
    writes.push(put("restore_mark", { ...mark, at }, before));
    // Written even if unchanged: a choice that is made at the same time has seen this word, or is made again. Else the verifier would
    // have told all it knows, and wait for ever to be compared.
    if (restoration.reconciledAt === null) writes.push(put("restoration", restoration, held));
    else {
      // What it knows more was none of its own: nothing is to be chosen.
      const next =
        idle && mark.complete ? { ...restoration, ...comparedTill(restoration, told, environments) } : restoration;
      const changed = idle ? next : { ...next, late: true };
      writes.push(put("restoration", changed, held));
    }
    const { instance, epoch, seq, n, last } = told;
    const details = { instance, epoch, seq, n, last, records: wanted.length };
    const committed = await commit(writes, witness.tokenId, "restore.remembered", api.id, details);
    if (!committed.ok) return committed;
    restorations.forget();
    if (foreign + told.malformed > 0)
      log("warn", "restore.records_passed_over", { api: api.id, instance, foreign, malformed: told.malformed });
    log("info", "restore.remembered", { api: api.id, ...details });
    return accept({ records: wanted.length });
  };

  return {
    async admission(api, given, witness) {
      const restoration = (await restorations.of(api.id))?.value;
      // What it holds of another api that had this name is nothing of ours.
      const ours = given.holds !== undefined && isEpochOf(api.id, given.holds.epoch);
      const registration: Registration = ours ? given : { ...given, holds: undefined };
      const { holds } = registration;
      const environments = environmentsOf(api, witness);
      const mayKnowMore = async (restored: Restoration) => {
        if (holds === undefined) return restored.reconciledAt === null;
        const mark = await store.get("restore_mark", markId(api.id, registration.instance));
        return !isCompared(api, restored, holds, environments, mark?.value);
      };
      if (restoration !== undefined && (await mayKnowMore(restoration))) {
        await inLine(api.id, () => hear(api, restoration, registration, witness));
        return refusalOf(restoration, comparedToInAll(restoration, holds?.epoch ?? "", environments));
      }
      if (holds === undefined) return undefined;
      const head = await store.feedHead(api.id);
      return holds.seq > head ? behindVerifier(api, registration, head) : undefined;
    },

    tell: (api, told, witness) =>
      inLine(api.id, async () => {
        for (let attempt = 1; ; attempt++) {
          const outcome = await tellOnce(api, told, witness);
          // Another process has folded the same keys.
          if (outcome.ok || outcome.code !== "conflict" || attempt >= ATTEMPTS_MAX) return outcome;
        }
      }),
  };
}

const UNMARKED =
  "the database is older than what a verifier remembers. If it was restored from a backup, stop the server and run: keyover restore --mark --everything";

/** An empty list of a witness means all that the api has. */
export function environmentsOf(api: Api, { environments }: Pick<Witness, "environments">): readonly string[] {
  return environments.length === 0 ? api.environments : environments;
}

async function remoteProblem(store: Store, api: Api, restoration: Restoration, { seq }: Remembered) {
  const limit = Math.max(restoration.after, await store.feedHead(api.id)) + AHEAD_MAX;
  if (seq > limit) return refuse("invalid_request", `nobody can have followed this feed to ${seq}`);
  if ((await store.count("remembered_key", { equals: { api_id: api.id } })) >= ROWS_MAX)
    return refuse("conflict", `verifiers have told of ${ROWS_MAX} keys already`);
  return undefined;
}

function partsBefore(mark: RestoreMark | undefined, { restore }: Restoration, told: Remembered): number {
  const same = mark?.restore === restore && mark.epoch === told.epoch && mark.seq === told.seq;
  return same ? mark.parts : 0;
}

function isOwn({ environment, seq }: KeyRecord, told: Remembered, { environments }: Witness): boolean {
  return seq <= told.seq && (environments.length === 0 || environments.includes(environment));
}

/** Newer than what is compared already. */
function isWanted(record: KeyRecord, restoration: Restoration, told: Remembered, witness: Witness): boolean {
  const { environment, seq } = record;
  const from = comparedTo(restoration, told.epoch, environment);
  return isOwn(record, told, witness) && seq > from;
}

function markOf(
  api: Api,
  { restore }: Restoration,
  { tokenId, environments }: Witness,
  { instance, epoch, seq, followed, parts, complete, passedOver }: SaidMark,
  before: RestoreMark | undefined,
): Omit<RestoreMark, "at"> {
  return {
    newest: Math.max(seq, before?.restore === restore ? newestOf(before) : 0),
    id: markId(api.id, instance),
    apiId: api.id,
    instance,
    tokenId,
    restore,
    environments: [...environments],
    epoch,
    seq,
    followed,
    parts,
    complete,
    passedOver,
  };
}

type SaidMark = Pick<RestoreMark, "instance" | "epoch" | "seq" | "followed" | "parts" | "complete" | "passedOver">;

/** A mark that an older program wrote knows its last number alone. */
export function newestOf({ newest, seq }: Pick<RestoreMark, "seq"> & { newest?: number | undefined }): number {
  return newest ?? seq;
}

function markId(apiId: string, instance: string): string {
  return `${apiId} ${instance}`;
}

interface FoldedRow {
  row: RememberedKey;
  was: Held<RememberedKey> | undefined;
}

/** The rows that these records change, in one order for everybody: who writes the same rows the other way round would wait for us, and we for it. */
async function foldAll(store: Store, api: Api, records: readonly KeyRecord[], instance: string): Promise<FoldedRow[]> {
  const folded = new Map<string, FoldedRow>();
  for (const record of records) {
    const id = rememberedId(api.id, record.key);
    const was = folded.get(id)?.was ?? (await store.get("remembered_key", id));
    const before = folded.get(id)?.row ?? was?.value ?? { id, apiId: api.id, keyId: record.key, claims: [] };
    const row = withClaim(before, record, instance);
    if (row !== before) folded.set(id, { row, was });
  }
  return [...folded.values()].sort((a, b) => (a.row.id < b.row.id ? -1 : 1));
}
