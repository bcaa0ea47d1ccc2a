/**
 * What a restore takes back in the model, and what it does not.
 *
 *     taken back   what the database says: keys, versions, rotations, sealed secrets, boots, numbers, the audit log, notices
 *     kept         what was: positions that verifiers may still go by, uses, secrets, hand-outs, what arrived, what operators asked for
 */
import type { Key, KeyRecord, Version } from "@keyover/core";
import type { Boot } from "../packages/server/src/store/entities.ts";
import type { CampaignCopy } from "./campaign-model.ts";
import type { MailCopy } from "./mail.ts";
import { giveNumber, type KeyPast, type Model, type RotationPast } from "./model.ts";
import type { RuleState } from "./rules.ts";

interface KeyCopy {
  key: Key;
  versions: Map<number, Version>;
  rotations: Map<string, RotationPast>;
  sealed: Map<string, boolean>;
  told: KeyRecord | undefined;
  autoRolledBackAt: number | undefined;
}

/** What the database said at one moment. */
export interface ModelCopy {
  keys: Map<string, KeyCopy>;
  boots: Map<string, Boot>;
  feedHeads: Map<string, number>;
  auditEntries: number;
  mail: MailCopy;
  rules: RuleState;
  campaigns: CampaignCopy;
}

export function copyModel(model: Model): ModelCopy {
  return {
    keys: new Map(
      [...model.keys].map(([id, { key, versions, rotations, sealed, told, autoRolledBackAt }]) => [
        id,
        {
          key,
          versions: new Map(versions),
          rotations: new Map([...rotations].map(([rotation, known]) => [rotation, { ...known }])),
          sealed: new Map(sealed),
          told,
          autoRolledBackAt,
        },
      ]),
    ),
    boots: new Map([...model.boots].flatMap(([boot, rows]) => rows.slice(-1).map((row) => [boot, row.boot] as const))),
    feedHeads: new Map(model.feedHeads),
    auditEntries: model.auditEntries,
    mail: model.mail.copy(),
    rules: model.rules.now,
    campaigns: model.campaigns.copy(),
  };
}

/** The database is this old copy from now on. Nobody holds any part of the work: who did is dead. */
export function takeBack(model: Model, copy: ModelCopy): void {
  model.feedHeads.clear();
  for (const [api, head] of copy.feedHeads) model.feedHeads.set(api, head);
  model.auditEntries = copy.auditEntries;
  model.restoredAt.push(copy.auditEntries);
  model.owners.clear();
  model.leases.clear();
  const { at } = model.time;
  model.mail.takeBack(copy.mail, at);
  model.rules.takeBack(copy.rules, at);
  model.campaigns.takeBack(copy.campaigns);
  for (const [id, rows] of model.boots) {
    const was = copy.boots.get(id) ?? { ...(rows.at(-1)?.boot as Boot), closed: true };
    rows.push({ at, boot: was });
  }
  for (const past of [...model.keys.values(), ...model.lost.values()]) takeBackKey(model, past, copy.keys.get(past.id));
}

function takeBackKey(model: Model, past: KeyPast, was: KeyCopy | undefined): void {
  // What came since may be in its consumer's hands, and nobody may remember it.
  if (was === undefined || was.told !== past.told || was.key !== past.key) past.undisturbed = false;
  if (was === undefined) {
    model.keys.delete(past.id);
    model.lost.set(past.id, past);
    Object.assign(past, { told: undefined, versions: new Map(), rotations: new Map(), sealed: new Map() });
    return;
  }
  model.lost.delete(past.id);
  model.keys.set(past.id, past);
  if (was.key.status !== past.key.status) past.statusChangedAt = model.time.at;
  past.key = was.key;
  past.told = was.told;
  past.autoRolledBackAt = was.autoRolledBackAt;
  past.versions = new Map(was.versions);
  past.sealed = new Map(was.sealed);
  past.rotations = new Map();
  for (const [id, known] of was.rotations) past.rotations.set(id, { ...known });
  for (const version of was.versions.values()) giveNumber(past, version);
}
