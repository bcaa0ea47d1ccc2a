/**
 * I17: what a restore may cost, and what not. Filled from the committed rows of a reconciliation (its marks, what verifiers said, the
 * operator's choice), and from what the verifiers that were heard truly held at that moment.
 *
 *     a restore may take   what no verifier that was heard knows; what the operator gave up for the backup
 *     never                that a version leaked or a key was revoked, if the backup or anybody that was heard knows it
 */
import { isAccepted, type KeyRecord, type Version } from "@keyover/core";
import { comparedTo } from "../packages/server/src/restore/compared.ts";
import type {
  Claim,
  RememberedKey,
  Restoration,
  RestoreChoice,
  RestoreMark,
  Side,
} from "../packages/server/src/store/entities.ts";
import type { Batch } from "../packages/server/src/store/store.ts";
import type { ApiServer } from "./api-server.ts";
import { type Commit, checkInventory } from "./check-commit.ts";
import { type KeyPast, type Model, positionOf } from "./model.ts";
import { replicasOf } from "./replicas.ts";

/** One api after its last restore. */
interface Life {
  row: Restoration;
  /** What the verifiers that have told all they know truly held, by key. */
  heard: Map<string, KeyRecord[]>;
  /** What was said of each key, as it was committed. */
  said: Map<string, Claim[]>;
  /** The highest number that anybody was heard of. */
  heardSeq: number;
}

export type SaidCopy = Map<string, Map<string, Claim[]>>;

export class RestoreWatch {
  readonly #model: Model;
  readonly #servers: readonly ApiServer[];
  readonly #lives = new Map<string, Life>();
  /** Of a key that is being carried out: its row of claims is gone by the time that it is looked at. */
  #carriedOut: { row: string; said: Claim[] } | undefined;

  constructor(model: Model, servers: readonly ApiServer[]) {
    this.#model = model;
    this.#servers = servers;
  }

  /** Apis that wait for an operator or are being carried out. */
  waiting(): string[] {
    return [...this.#lives].filter(([, { row }]) => row.reconciledAt === null || row.late).map(([id]) => id);
  }

  /** What the database says that verifiers said, by api and key. */
  copy(): SaidCopy {
    return new Map([...this.#lives].map(([api, { said }]) => [api, new Map(said)]));
  }

  takeBack(copy: SaidCopy): void {
    for (const [api, life] of this.#lives) life.said = new Map(copy.get(api));
  }

  committed({ writes }: Batch): void {
    this.#carriedOut = undefined;
    for (const write of writes) {
      if ("remove" in write) {
        if (write.remove === "remembered_key") this.#takeSaid(write.id);
      } else if (write.put === "restoration") this.#restoration(write.value);
      else if (write.put === "restore_mark") this.#mark(write.value);
      else if (write.put === "remembered_key") this.#said(write.value);
    }
  }

  #takeSaid(row: string): void {
    const [api = "", key = ""] = row.split(" ");
    this.#carriedOut = { row, said: this.#lives.get(api)?.said.get(key) ?? [] };
    this.#lives.get(api)?.said.delete(key);
  }

  #said({ apiId, keyId, claims }: RememberedKey): void {
    this.#lives.get(apiId)?.said.set(keyId, claims);
    const positions = this.#model.keys.get(keyId)?.positions ?? this.#model.lost.get(keyId)?.positions ?? [];
    for (const { record, instances } of claims) {
      const text = textOf(record);
      if (!positions.some((position) => position.record !== undefined && textOf(position.record) === text))
        this.#model.fail("I18", keyId, `${instances.join(", ")} told of a record ${record.seq} that never was`);
    }
  }

  #mark({ apiId, instance, epoch, seq, restore, complete }: RestoreMark): void {
    const life = this.#lives.get(apiId);
    if (life === undefined || life.row.restore !== restore) return;
    // Who is heard after the choice comes again, as a late one.
    if (life.row.choice === null) life.heardSeq = Math.max(life.heardSeq, seq);
    const process = this.#servers.find(({ machine }) => machine.name === instance)?.process;
    if (!complete || life.row.choice !== null || process === undefined) return;
    for (const record of replicasOf(process).flatMap((replica) => [...replica.records()])) {
      // What is above is not said yet: a registration that was long on its way is of an earlier process of this name.
      if (this.#pastOf(record.key)?.apiId !== apiId || record.seq > seq) continue;
      // What the operator brought back, knowing all that was told up to then, a late verifier is not asked about again.
      const settled = comparedTo(life.row, epoch, record.environment);
      if (this.#model.revived.has(record.key) && record.seq <= settled) continue;
      const all = life.heard.get(record.key) ?? [];
      life.heard.set(record.key, [...all, record]);
    }
  }

  #pastOf(key: string): KeyPast | undefined {
    return this.#model.keys.get(key) ?? this.#model.lost.get(key);
  }

  #restoration(row: Restoration): void {
    const before = this.#lives.get(row.id);
    if (before === undefined || before.row.restore !== row.restore) {
      // What was said before another restore may be in the copy that was taken since.
      const said = before?.said ?? new Map<string, Claim[]>();
      this.#lives.set(row.id, { row, heard: new Map(), said, heardSeq: row.after });
      return;
    }
    const was = before.row;
    before.row = row;
    if (was.choice !== null && row.choice === null) this.#done(before, was.choice, was.reconciledAt === null);
  }

  /** All is carried out. `held`: the api is served from now on. */
  #done(life: Life, choice: RestoreChoice, held: boolean): void {
    const model = this.#model;
    const { id, after } = life.row;
    for (const [key, records] of life.heard) {
      const past = this.#pastOf(key) as KeyPast;
      const newest = records.reduce((a, b) => (b.seq > a.seq ? b : a));
      const side = sideOf(choice, key);
      if (side === "backup" && choice.revive) continue;
      this.#checkFacts(past, records, "after the restore was reconciled");
      if (held && side === "verifiers" && newest.seq > after && !model.keys.has(key))
        model.fail("I17", key, `${newest.seq} was heard of the key, and nothing came of it`);
    }
    if (held)
      for (const past of [...model.keys.values(), ...model.lost.values()]) {
        if (past.apiId !== id || past.positions.at(-1)?.record === past.told) continue;
        past.positions.push(positionOf(model.time.at, past.told));
        model.history.note(
          "restore",
          past.told === undefined ? "the key is lost" : "the key is as in the backup",
          past.id,
        );
      }
    life.heard = new Map();
  }

  /** What anybody knew to be in wrong hands is refused, or fenced. */
  #checkFacts(past: KeyPast, records: readonly KeyRecord[], when: string): void {
    const model = this.#model;
    if (!model.keys.has(past.id)) return;
    if (records.some(({ status }) => status === "revoked") && past.key.status !== "revoked")
      model.fail("I17", past.id, `the key was known to be revoked, and is ${past.key.status} ${when}`);
    if (past.key.status === "revoked") return;
    for (const { compromised, sha256, state, number } of records.flatMap(({ versions }) => versions)) {
      if (!compromised) continue;
      const here = versionWith(past, sha256);
      if (here === undefined || !isAccepted(here.state)) continue;
      if (!isAccepted(state))
        model.fail("I17", past.id, `version ${number} was known to be killed, and is accepted ${when}`);
      if (here.fence === null)
        model.fail("I17", past.id, `version ${number} was known to have leaked, and is not fenced ${when}`);
    }
  }

  /** One key, as it was carried out. */
  checkReconciled(commit: Commit): void {
    const { past, batch, before, fed } = commit;
    const model = this.#model;
    const life = this.#lives.get(past.apiId);
    const choice = life?.row.choice ?? undefined;
    past.undisturbed = false;
    checkInventory(model, commit);
    if (life === undefined || choice === undefined) {
      model.fail("I17", past.id, "the key was reconciled, and nobody chose");
      return;
    }
    if (!fed) model.fail("I17", past.id, "the key was reconciled, and verifiers are not told");
    if ((past.told?.seq ?? 0) <= life.heardSeq)
      model.fail("I5", past.id, `the key was told anew as ${past.told?.seq}; verifiers have come to ${life.heardSeq}`);
    const heard = life.heard.get(past.id) ?? [];
    const side = sideOf(choice, past.id);
    if (side === "backup" && choice.revive) model.revived.add(past.id);
    const claims = this.#carriedOut?.row === `${past.apiId} ${past.id}` ? this.#carriedOut.said : [];
    const said = newestOf(claims, choice.keys[past.id]?.instance);
    const missed = heard.find(({ seq }) => seq > life.row.after && seq > (said?.seq ?? 0));
    if (missed !== undefined && choice.keys[past.id]?.instance === undefined)
      model.fail("I17", past.id, `a verifier knew ${missed.seq} of the key; ${said?.seq} was carried out`);
    if (side === "verifiers" || !choice.revive)
      this.#checkFacts(past, [...heard, ...claims.map(({ record }) => record)], "once carried out");
    if (side === "verifiers" && said !== undefined) this.#checkTakenOver(past, said, life.row);
    else if (side === "backup") this.#checkKept(past, before.versions);
    for (const was of before.versions.values()) {
      const here = was.sha256 === null ? undefined : versionWith(past, was.sha256);
      if (was.compromised && here !== undefined && !here.compromised)
        model.fail("I10", past.id, `the mark of version ${was.number} was lifted`);
    }
    const named = new Set(batch.audit.flatMap(({ subjects }) => subjects));
    if (!named.has(past.id)) model.fail("I14", past.id, "the key was changed, and the audit log does not name it");
  }

  /** What verifiers remember is in force: no more is accepted, and no less but for a leak. */
  #checkTakenOver(past: KeyPast, said: KeyRecord, { restoredAt }: Restoration): void {
    const model = this.#model;
    if (past.key.status !== said.status && past.key.status !== "revoked")
      model.fail("I17", past.id, `the key was ${said.status}, and is ${past.key.status}`);
    if (past.key.status === "revoked") return;
    for (const { sha256, state, number } of said.versions) {
      const here = versionWith(past, sha256);
      const accepted = here !== undefined && isAccepted(here.state);
      if (accepted && !isAccepted(state)) model.fail("I17", past.id, `version ${number} was ${state}, and is accepted`);
      if (!accepted && isAccepted(state) && here?.compromised !== true)
        model.fail("I17", past.id, `version ${number} was ${state}, and is refused`);
    }
    for (const version of past.versions.values()) {
      const known = said.versions.some(({ sha256 }) => sha256 === version.sha256);
      if (isAccepted(version.state) && !known && version.createdAt < restoredAt - model.clockErrorMs)
        model.fail("I17", past.id, `version ${version.number} had ended, and is accepted`);
    }
  }

  /** The backup's word stands, but for leaks and for what replaces what leaked. */
  #checkKept(past: KeyPast, before: ReadonlyMap<number, Version>): void {
    if (past.key.status === "revoked") return;
    for (const was of before.values()) {
      const here = past.versions.get(was.number);
      if (here === undefined || (isAccepted(was.state) && !isAccepted(here.state) && !here.compromised))
        this.#model.fail("I17", past.id, `version ${was.number} was ${was.state} in the backup, and is refused`);
    }
  }
}

/** Whatever its number is: what was told before a restore is sent under a new one. */
function textOf(record: KeyRecord): string {
  return JSON.stringify({ ...record, seq: 0 });
}

function sideOf({ side, keys }: RestoreChoice, key: string): Side {
  return keys[key]?.side ?? side;
}

function newestOf(claims: readonly Claim[], instance: string | undefined): KeyRecord | undefined {
  const own = claims.filter(({ instances }) => instance !== undefined && instances.includes(instance));
  const all = (own.length > 0 ? own : claims).map(({ record }) => record);
  return all.length === 0 ? undefined : all.reduce((a, b) => (b.seq > a.seq ? b : a));
}

function versionWith(past: KeyPast, sha256: string): Version | undefined {
  return [...past.versions.values()].find((version) => version.sha256 === sha256);
}
