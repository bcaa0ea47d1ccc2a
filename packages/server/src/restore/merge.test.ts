/** What a record says, and what it leaves unsaid, in detail. */
import type { Key, KeyRecord, Rotation, RotationRecord, Version, VersionRecord } from "@keyover/core";
import { decide, defaultRotationPolicy } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { AT, aKey, aRotation, aVersion } from "../store/store.test-support.ts";
import { differenceOf } from "./differences.ts";
import { type LocalKey, type MergeTools, mergedKey, struckBy } from "./merge.ts";

const HOUR = 3_600_000;
const NOW = AT + 10 * HOUR;
let made = 0;
const tools: MergeTools = {
  now: NOW,
  apiId: "api_a",
  policy: { ...defaultRotationPolicy, onDeadline: "retire" },
  actor: "tok_1",
  newId: () => "rot_new",
  newVersionId: () => `ver_new${++made}`,
};

const hash = (version: number) => `${version}`.repeat(43);
const shownVersion = (
  number: number,
  state: VersionRecord["state"],
  change: Partial<VersionRecord> = {},
): VersionRecord => ({
  number,
  state,
  sha256: hash(number),
  compromised: false,
  ...change,
});
const aMemory = (versions: VersionRecord[], change: Partial<KeyRecord> = {}): KeyRecord => ({
  seq: 20,
  key: "key_a",
  consumer: "con_a",
  environment: "live",
  status: "active",
  scopes: ["market:read"],
  networks: [],
  current: 1,
  versions,
  ...change,
});
const here = (number: number, state: Version["state"], change: Partial<Version> = {}): Version =>
  aVersion({ id: `ver_${number}`, number, state, sha256: hash(number), ...change });
const local = (versions: Version[], rotation?: Rotation, sealed: string[] = [], key: Partial<Key> = {}): LocalKey => ({
  key: aKey({ nextVersion: versions.length + 1, rotationId: rotation?.id ?? null, ...key }),
  versions,
  rotation,
  sealed: new Set(sealed),
});
const running = (phase: RotationRecord["phase"], change: Partial<RotationRecord> = {}): RotationRecord => ({
  id: "rot_a",
  phase,
  from: 1,
  to: 2,
  since: AT + HOUR,
  endsAt: AT + 50 * HOUR,
  ...change,
});

describe("a rotation whose successor the backup does not know", () => {
  const taken = (phase: RotationRecord["phase"], old: VersionRecord, next: VersionRecord) =>
    mergedKey(local([here(1, "active")]), aMemory([old, next], { rotation: running(phase) }), tools);

  test("is offered again, with nothing to claim, and waits at its deadline whatever the policy says", () => {
    const { rotation, key, versions } = taken("offered", shownVersion(1, "active"), shownVersion(2, "pending"));
    expect(rotation).toMatchObject({
      id: "rot_a",
      phase: "offered",
      offeredAt: AT + HOUR,
      overlapEndsAt: AT + 50 * HOUR,
      claimedAt: NOW,
      claimEndedAt: NOW,
      usedAt: null,
      policy: { onDeadline: "hold" },
    });
    expect(key).toMatchObject({ rotationId: "rot_a", currentVersion: 1, nextVersion: 3 });
    expect(versions.map(({ number, state, activatedAt }) => [number, state, activatedAt !== null])).toEqual([
      [1, "active", true],
      [2, "pending", false],
    ]);
    // It may be in the consumer's hands: there is no way to end it that refuses it at once.
    expect(decide(rotation as Rotation, { type: "cancel" }, NOW)).toMatchObject({
      ok: false,
      code: "successor_claimed",
    });
    const back = decide(rotation as Rotation, { type: "rollback", reason: "x" }, NOW);
    expect(back).toMatchObject({ ok: true, next: { phase: "rolled-back", endedAt: null } });
  });

  test("overlaps again: both sides' word counts, the use has to be seen anew, and the policy is as it was", () => {
    const { rotation } = taken("overlapping", shownVersion(1, "retiring"), shownVersion(2, "active"));
    expect(rotation).toMatchObject({
      phase: "overlapping",
      confirmedAt: NOW,
      usedAt: null,
      policy: { onDeadline: "retire" },
    });
  });

  test("whose old version was killed has no way back", () => {
    const old = shownVersion(1, "retired", { compromised: true, retiredAt: AT + 2 * HOUR });
    const { rotation } = taken("offered", old, shownVersion(2, "pending"));
    expect(rotation).toMatchObject({ fromCompromised: true, fromRefusedAt: AT + 2 * HOUR });
    expect(decide(rotation as Rotation, { type: "rollback", reason: "x" }, NOW)).toMatchObject({
      code: "version_compromised",
    });
  });

  test("that had retired goes on from when it did", () => {
    const old = shownVersion(1, "retired", { retiredAt: AT + 2 * HOUR });
    const { rotation } = taken("retired", old, shownVersion(2, "active"));
    expect(rotation).toMatchObject({ phase: "retired", retiredAt: AT + 2 * HOUR, fromRefusedAt: null });
  });

  test("that nobody can name was propagating: its consumer may have handed the secret in", () => {
    const record = aMemory([shownVersion(1, "active"), shownVersion(2, "pending")]);
    const { rotation } = mergedKey(local([here(1, "active")]), record, tools);
    expect(rotation).toMatchObject({
      id: "rot_new",
      phase: "propagating",
      from: 1,
      to: 2,
      origin: "consumer",
      offeredAt: null,
    });
    expect(decide(rotation as Rotation, { type: "used" }, NOW)).toMatchObject({ next: { usedAt: NOW } });
  });

  test("that nobody can name, under a number that was another secret's here: what is seen of that is no use of it", () => {
    const record = aMemory([shownVersion(1, "active"), shownVersion(2, "pending", { sha256: hash(9) })]);
    const other = aRotation({ phase: "overlapping" });
    const { rotation } = mergedKey(local([here(1, "retiring"), here(2, "active")], other), record, tools);
    expect(rotation).toMatchObject({ id: "rot_new", phase: "propagating", to: 2 });
    expect(decide(rotation as Rotation, { type: "used" }, NOW)).toMatchObject({ ok: true, next: rotation });
    const offered = decide(rotation as Rotation, { type: "acknowledged" }, NOW);
    expect(offered).toMatchObject({ next: { phase: "offered" } });
  });

  test("is no rotation where the record calls it ended", () => {
    const record = aMemory([shownVersion(1, "retired"), shownVersion(2, "active")], {
      current: 2,
      rotation: running("completed"),
    });
    expect(mergedKey(local([here(1, "active")]), record, tools).rotation).toBeUndefined();
  });
});

describe("a rotation that runs in the backup", () => {
  const begun = aRotation({ phase: "propagating" });
  const both = [here(1, "active"), here(2, "pending")];

  test("is taken forward with its claim, while its secret is sealed here", () => {
    const record = aMemory([shownVersion(1, "active"), shownVersion(2, "pending")], { rotation: running("offered") });
    const { rotation, unsealed } = mergedKey(local(both, begun, ["ver_2"]), record, tools);
    expect(rotation).toMatchObject({ phase: "offered", claimEndedAt: null, claimedAt: NOW, policy: begun.policy });
    expect(unsealed).toEqual([]);
  });

  test("that still propagates is the same one", () => {
    const record = aMemory([shownVersion(1, "active"), shownVersion(2, "pending")], { scopes: [] });
    const { rotation } = mergedKey(local(both, begun, ["ver_2"]), record, tools);
    expect(rotation).toMatchObject({
      id: "rot_a",
      phase: "propagating",
      claimedAt: null,
      claimEndedAt: null,
      origin: "authority",
    });
  });

  test("and has ended since is ended, and its sealed secret goes with a successor that is gone", () => {
    const ended = (record: KeyRecord) => {
      const merged = mergedKey(local(both, begun, ["ver_2"]), record, tools);
      return [merged.ended?.phase, merged.rotation, merged.key.rotationId, merged.unsealed];
    };
    expect(ended(aMemory([shownVersion(1, "active")]))).toEqual(["cancelled", undefined, null, ["ver_2"]]);
    expect(ended(aMemory([shownVersion(2, "active")], { current: 2 }))).toEqual([
      "completed",
      undefined,
      null,
      ["ver_2"],
    ]);
    const later = { current: 3, versions: [shownVersion(3, "active")] };
    expect(ended(aMemory([], later))).toEqual(["completed", undefined, null, ["ver_2"]]);
  });

  test("and was rolled back since, or rolled forward from that", () => {
    const overlapping = aRotation({
      phase: "overlapping",
      offeredAt: AT,
      overlappingAt: AT,
      usedAt: AT,
      claimEndedAt: AT,
    });
    const versions = [here(1, "retiring"), here(2, "active")];
    const back = aMemory([shownVersion(1, "active"), shownVersion(2, "retiring")], {
      rotation: running("rolled-back"),
    });
    const { rotation } = mergedKey(local(versions, overlapping), back, tools);
    expect(rotation).toMatchObject({
      phase: "rolled-back",
      rolledBackAt: AT + HOUR,
      offeredAt: AT,
      overlapEndsAt: null,
    });
    const over = mergedKey(local(versions, overlapping), aMemory([shownVersion(1, "active")]), tools);
    expect(over.ended?.phase).toBe("rolled-back");
  });

  test("gives way to the one that verifiers know under another id", () => {
    const record = aMemory([shownVersion(1, "active"), shownVersion(2, "pending", { sha256: hash(9) })], {
      rotation: running("offered", { id: "rot_other" }),
    });
    const merged = mergedKey(local(both, begun, ["ver_2"]), record, tools);
    expect(merged.rotation?.id).toBe("rot_other");
    expect(merged.ended).toMatchObject({ id: "rot_a", phase: "cancelled", endedAt: NOW });
    // Another secret under the same number: the one that is sealed here opens nothing.
    expect(merged.versions[1]).toMatchObject({ id: "ver_2", sha256: hash(9) });
    expect(merged.unsealed).toEqual(["ver_2"]);
  });

  test("is kept where it was to start later, and over where it should have started and left no trace", () => {
    const planned = (startsAt: number) => {
      const waiting = aRotation({ phase: "planned", startsAt });
      return mergedKey(
        local([here(1, "active")], waiting, [], { nextVersion: 3 }),
        aMemory([shownVersion(1, "active")], { scopes: [] }),
        tools,
      );
    };
    expect(planned(NOW + HOUR).rotation).toMatchObject({ id: "rot_a", phase: "planned" });
    expect(planned(NOW - HOUR)).toMatchObject({ rotation: undefined, ended: { phase: "cancelled" } });
    expect(planned(NOW + HOUR).key.nextVersion).toBe(3);
  });
});

describe("a version that leaked, of which verifiers tell for good", () => {
  const record = aMemory([shownVersion(1, "retired", { compromised: true }), shownVersion(2, "active")], {
    current: 2,
  });

  test("stays destroyed where it is, and its sealed secret is of no use where it was not", () => {
    const merged = (before: Version) =>
      mergedKey(local([before, here(2, "active")], undefined, ["ver_1"]), record, tools);
    const destroyed = here(1, "destroyed", { compromised: true });
    expect(merged(destroyed).versions[0]).toMatchObject(destroyed);
    const { versions, unsealed } = merged(here(1, "active"));
    expect(versions[0]).toMatchObject({ state: "retired", compromised: true, sha256: hash(1) });
    expect(unsealed).toEqual(["ver_1"]);
  });

  test("is no difference to one that is destroyed", () => {
    const { key, versions } = local([here(1, "destroyed", { compromised: true }), here(2, "active")], undefined, [], {
      currentVersion: 2,
    });
    const claim = { record: { ...record, networks: ["203.0.113.0/24"] }, instances: ["web"] };
    const row = { id: "api_a key_a", apiId: "api_a", keyId: "key_a", claims: [claim] };
    expect(differenceOf(row, { key, versions, rotation: undefined }).changes).toEqual(["networks changed"]);
  });

  test("does not keep the rotation that left it from having been completed", () => {
    const later = { ...record, current: 3, versions: [record.versions[0] as VersionRecord, shownVersion(3, "active")] };
    const begun = aRotation({ phase: "overlapping" });
    expect(mergedKey(local([here(1, "retiring"), here(2, "active")], begun), later, tools).ended?.phase).toBe(
      "completed",
    );
  });
});

describe("what is struck", () => {
  test("a kill outweighs a contain, whoever knows of it", () => {
    const contained = shownVersion(1, "active", { compromised: true, fence: { networks: [] } });
    const killed = shownVersion(1, "retired", { compromised: true });
    const sides = [aMemory([contained]), aMemory([killed])];
    for (const order of [sides, sides.toReversed()]) expect(struckBy(order, []).get(hash(1))?.mode).toBe("kill");
    expect(struckBy([aMemory([contained])], []).get(hash(1))).toEqual({ mode: "contain", fence: { networks: [] } });
    expect(struckBy([], [here(1, "destroyed", { compromised: true })]).get(hash(1))?.mode).toBe("kill");
    expect(struckBy([aMemory([shownVersion(1, "retired")])], []).size).toBe(0);
  });
});
