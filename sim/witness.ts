/** Takes each commit into the model, with the state before it at hand, and has it checked. */
import { crc32, isAccepted, type Key, type Rotation, type Version } from "@keyover/core";
import type { Boot } from "../packages/server/src/store/entities.ts";
import type { NoticeDraft } from "../packages/server/src/store/notice-entities.ts";
import { SHARDS } from "../packages/server/src/store/schema.ts";
import type { Batch, BootReport, Mail } from "../packages/server/src/store/store.ts";
import type { ApiServer } from "./api-server.ts";
import { takeCampaigns } from "./check-campaign.ts";
import { checkCommit } from "./check-commit.ts";
import { checkReceipts } from "./check-emergency.ts";
import { slackOf } from "./check-end.ts";
import { checkMail } from "./check-mail.ts";
import { checkPlanTold } from "./check-use.ts";
import { checkTold } from "./check-use-end.ts";
import { giveNumber, type KeyPast, type Model, positionOf, type RotationPast } from "./model.ts";
import type { Process } from "./process.ts";
import { KEY_TEXT } from "./receiver.ts";
import type { RestoreWatch } from "./restore-watch.ts";
import type { Witness } from "./store.ts";

/** A key and what belonged to it before a commit. */
export interface Before {
  key: Key | undefined;
  versions: Map<number, Version>;
  rotations: Map<string, Rotation>;
}

type FedEntries = Parameters<Witness["committed"]>[2];

export class CommitWitness implements Witness {
  readonly #model: Model;
  readonly #restores: RestoreWatch;
  readonly #servers: readonly ApiServer[];

  constructor(model: Model, restores: RestoreWatch, servers: readonly ApiServer[]) {
    this.#model = model;
    this.#restores = restores;
    this.#servers = servers;
  }

  committed(process: Process, batch: Batch, feed: FedEntries): void {
    const model = this.#model;
    model.commits++;
    model.auditEntries += batch.audit.length;
    for (const { action, details, subjects } of batch.audit)
      if (KEY_TEXT.test(JSON.stringify(details)))
        model.fail("I15", subjects[0], `the entry of ${action} holds a key's text`);
    model.mail.committed(batch, model.time.at);
    model.rules.committed(batch, model.time.at);
    this.#raise(process, batch.notices ?? []);
    takeCampaigns(model, process, batch);
    const before = new Map<KeyPast, Before>();
    const erased: { past: KeyPast; id: string }[] = [];
    for (const write of batch.writes) {
      if ("remove" in write) {
        if (write.remove !== "sealed") continue;
        for (const past of model.keys.values()) {
          if (past.sealed.get(write.id) !== true) continue;
          past.sealed.set(write.id, false);
          erased.push({ past, id: write.id });
        }
      } else if (write.put === "key") this.#keep(before, write.value);
    }
    for (const write of batch.writes) {
      if ("remove" in write) continue;
      if (write.put === "version") this.#version(before, write.value);
      else if (write.put === "rotation") {
        if (model.leases.size > 0 && batch.audit[0]?.actor === "engine") this.#checkOwner(process, write.value);
        this.#rotation(process, write.value);
        model.campaigns.rotation(write.value, model.time.at);
      } else if (write.put === "sealed" && write.value.keyId !== null)
        model.keys.get(write.value.keyId)?.sealed.set(write.value.id, true);
      else if (write.put === "key") this.#key(write.value);
      else if (write.put === "campaign") this.#campaign(write.value.id);
      else if (write.put === "plan") checkPlanTold(model, write.value, feed);
    }
    const { feedBehind } = batch;
    if (feedBehind !== undefined) model.feedHeads.set(feedBehind.apiId, feedBehind.seq);
    for (const { apiId, entry } of feed) {
      const head = model.feedHeads.get(apiId) ?? 0;
      if (entry.seq !== head + 1)
        model.fail("I5", entry.record?.key, `feed entry ${entry.seq} was committed after ${head}`);
      model.feedHeads.set(apiId, entry.seq);
      model.plans.fed(apiId, entry, model.time.at);
      const past = entry.record === undefined ? undefined : model.keys.get(entry.record.key);
      past?.positions.push(positionOf(model.time.at, entry.record));
      if (past !== undefined) past.told = entry.record;
    }
    this.#restores.committed(batch);
    const audit = batch.audit.map(({ action }) => action).join(", ");
    const actor = batch.audit[0]?.actor ?? "nobody";
    for (const [past, was] of before) {
      model.history.note(process.name, `commits ${audit} (${actor}): ${picture(past)}`, past.id);
      const fed = feed.some(({ entry }) => entry.record?.key === past.id);
      const commit = { process, batch, past, before: was, fed, erased: erased.filter((each) => each.past === past) };
      if (batch.audit.some(({ action }) => action === "key.reconciled")) {
        this.#checkLeader(process, past);
        this.#restores.checkReconciled(commit);
      } else checkCommit(model, commit);
    }
    if (before.size === 0) model.history.note(process.name, `commits ${audit} (${actor})`);
  }

  recorded(_process: Process, usage: unknown, outcome: unknown): void {
    const model = this.#model;
    const { boots, reports } = usage as { boots?: Boot[]; reports?: BootReport[] };
    const lost = (outcome as { lost?: string[] } | undefined)?.lost ?? [];
    const rows = boots ?? (reports ?? []).map(({ boot }) => boot).filter(({ boot }) => !lost.includes(boot));
    for (const boot of rows) {
      const all = model.boots.get(boot.boot) ?? [];
      if (all.length === 0) model.boots.set(boot.boot, all);
      all.push({ at: model.time.at, boot: { ...boot } });
    }
    const counted = (reports ?? []).filter(({ boot }) => !lost.includes(boot.boot));
    for (const report of counted)
      for (const limit of model.plans.recorded(report, model.time.at)) checkTold(model, limit);
    const taken = counted.flatMap((report) => report.rows);
    for (const { keyId, version, sourceId: source, first, last, accepted, refused } of taken)
      model.keys.get(keyId)?.reported.push({ at: model.time.at, source, version, first, last, accepted, refused });
  }

  looked(process: Process): void {
    const { rounds, time } = this.#model;
    const times = rounds.get(process);
    if (times === undefined) rounds.set(process, [time.at]);
    else times.push(time.at);
  }

  posted(process: Process, mail: Mail): void {
    const model = this.#model;
    checkMail(model, mail, slackOf(model, process));
    model.mail.posted(mail, model.time.at);
    this.#raise(process, mail.raise ?? []);
    for (const write of mail.writes ?? []) {
      if (write.put !== "notice") continue;
      const { id, state, attempts, events, lastError } = write.value;
      const said = lastError === null ? "" : `: ${lastError}`;
      model.history.note(process.name, `posts ${id} ${state}, ${events.length} events, ${attempts} attempts${said}`);
    }
  }

  notPosted({ writes = [] }: Mail): void {
    const { mail, time } = this.#model;
    for (const write of writes) mail.notPosted.set(write.value.id, time.at);
  }

  #raise(process: Process, drafts: readonly NoticeDraft[]): void {
    const { mail, time, history } = this.#model;
    for (const { draft } of mail.raise(drafts, time.at)) {
      history.note(process.name, `raises ${draft.event}`, draft.keyId);
      if (KEY_TEXT.test(JSON.stringify(draft.details)))
        this.#model.fail("I15", draft.keyId, `${draft.event} holds a key's text`);
    }
  }

  shared(process: Process, leaseMs: number, shards: readonly number[]): void {
    const { owners, leases, time } = this.#model;
    for (const [shard, owner] of owners) if (owner === process && !shards.includes(shard)) owners.delete(shard);
    for (const shard of shards) owners.set(shard, process);
    leases.set(process, time.at + leaseMs);
  }

  /** I9: the engine's steps are taken by who was given that part of the work, and lives. */
  #checkOwner(process: Process, rotation: Rotation): void {
    const model = this.#model;
    const late = model.time.at - (model.leases.get(process) ?? Number.NEGATIVE_INFINITY);
    if (late > 1) model.fail("I9", rotation.keyId, `${process.name} commits ${late} ms after its lease ended`);
    if (model.owners.get(crc32(rotation.id) % SHARDS) !== process)
      model.fail("I9", rotation.keyId, `${process.name} commits a step of a rotation that is another's to carry on`);
  }

  /** One process carries out what was chosen. */
  #checkLeader(process: Process, past: KeyPast): void {
    const { owners, leases } = this.#model;
    if (leases.size > 0 && owners.get(0) !== process)
      this.#model.fail("I9", past.id, `${process.name} carries out what was chosen, and that is another's work`);
  }

  #keep(before: Map<KeyPast, Before>, key: Key): void {
    const past = this.#model.keys.get(key.id) ?? this.#found(key) ?? this.#create(key);
    before.set(past, {
      key: past.told === undefined ? undefined : past.key,
      versions: new Map(past.versions),
      rotations: new Map([...past.rotations].map(([id, { rotation }]) => [id, rotation])),
    });
  }

  /** A restore took it back, and here it is again. */
  #found(key: Key): KeyPast | undefined {
    const past = this.#model.lost.get(key.id);
    if (past === undefined) return undefined;
    this.#model.lost.delete(key.id);
    this.#model.keys.set(key.id, past);
    return past;
  }

  #create(key: Key): KeyPast {
    const { at } = this.#model.time;
    const past: KeyPast = {
      id: key.id,
      apiId: key.apiId,
      createdAt: at,
      positions: [],
      told: undefined,
      key,
      versions: new Map(),
      rotations: new Map(),
      handedOut: new Set(),
      hashes: new Map(),
      numbersTwice: false,
      uses: [],
      reported: [],
      sealed: new Map(),
      statusChangedAt: at,
      undisturbed: true,
    };
    this.#model.keys.set(key.id, past);
    return past;
  }

  #key(key: Key): void {
    const past = this.#model.keys.get(key.id) as KeyPast;
    if (past.key.expiresAt !== key.expiresAt) past.expirySetAt = this.#model.time.at;
    if (past.key.status !== key.status) past.statusChangedAt = this.#model.time.at;
    if (past.key.rotationId !== null && key.rotationId === null) past.rotationEndedAt = this.#model.time.at;
    if (key.status !== "active") past.undisturbed = false;
    past.key = key;
  }

  #campaign(id: string): void {
    const past = this.#model.campaigns.all.get(id);
    if (past !== undefined && past.row.state === "ended") checkReceipts(this.#model, this.#servers, past);
  }

  #version(before: Map<KeyPast, Before>, version: Version): void {
    const past = this.#model.keys.get(version.keyId);
    if (past === undefined || !before.has(past)) {
      this.#model.fail("I8", version.keyId, `version ${version.number} was written without its key`);
      return;
    }
    past.versions.set(version.number, version);
    giveNumber(past, version);
    if (version.sha256 !== null) this.#model.secrets.set(version.sha256, { key: past, version: version.number });
  }

  #rotation(process: Process, rotation: Rotation): void {
    const model = this.#model;
    const past = model.keys.get(rotation.keyId);
    if (past === undefined) return;
    const { at } = model.time;
    const known: RotationPast = past.rotations.get(rotation.id) ?? {
      rotation: { ...rotation, offeredAt: null, retiredAt: null, rolledBackAt: null, endedAt: null },
      offeredAt: undefined,
      retiredAt: undefined,
      rolledBackAt: undefined,
    };
    if (rotation.offeredAt !== known.rotation.offeredAt) known.offeredAt = at;
    if (rotation.retiredAt !== known.rotation.retiredAt) known.retiredAt = rotation.retiredAt === null ? undefined : at;
    known.lastRetiredAt = known.retiredAt ?? known.lastRetiredAt;
    if (rotation.rolledBackAt !== known.rotation.rolledBackAt) known.rolledBackAt = at;
    if (rotation.paused !== null && known.rotation.paused === null)
      Object.assign(known, { pausedAt: at, pauseSlackMs: slackOf(model, process) });
    if (rotation.endedAt !== null && known.rotation.endedAt === null && rotation.phase === "completed")
      model.counts.rotations++;
    if (rotation.forced !== null || rotation.fromCompromised || rotation.rolledBackAt !== null)
      past.undisturbed = false;
    // Taken up again after a restore: it is the newest once more.
    if (known.rotation.endedAt !== null && rotation.endedAt === null) past.rotations.delete(rotation.id);
    known.rotation = rotation;
    past.rotations.set(rotation.id, known);
  }
}

/** A key in a few words: `active, v1 retiring v2 active, rotation overlapping`. */
function picture(past: KeyPast): string {
  const versions = [...past.versions.values()]
    .filter((version) => version.state !== "destroyed")
    .map(
      ({ number, state, compromised }) =>
        `v${number} ${state}${compromised ? "!" : ""}${isAccepted(state) ? "" : " (refused)"}`,
    );
  const rotation = past.key.rotationId === null ? undefined : past.rotations.get(past.key.rotationId)?.rotation;
  return `${past.key.status}, ${versions.join(" ")}${rotation === undefined ? "" : `, rotation ${rotation.from}→${rotation.to} ${rotation.phase}`}`;
}
