/** The policy's fence and brownouts, where verifiers remember more of them than the backup does, or less. */
import {
  defaultRotationPolicy,
  type KeyRecord,
  type Rotation,
  type RotationRecord,
  type Version,
  type VersionRecord,
} from "@keyover/core";
import { expect, test } from "vitest";
import { AT, aKey, aRotation, aVersion } from "../store/store.test-support.ts";
import { differenceOf } from "./differences.ts";
import { mergedKey } from "./merge.ts";

const HOUR = 3_600_000;
const NOW = AT + 10 * HOUR;
const fence = { scopes: ["market:read"] };
const slot = { from: AT + 9 * HOUR, until: AT + 12 * HOUR };
const planned = { ...slot, by: "policy", begunAt: null, endedAt: null };
const later = { from: AT + 33 * HOUR, until: AT + 34 * HOUR, by: "policy", begunAt: null, endedAt: null };

const tools = {
  now: NOW,
  apiId: "api_a",
  policy: defaultRotationPolicy,
  actor: "tok_1",
  newId: () => "rot_new",
  newVersionId: () => "ver_new",
};
const hash = (version: number) => `${version}`.repeat(43);

function localOf(change: Partial<Rotation>, old: Partial<Version> = {}) {
  const rotation = aRotation({
    id: "rot_a",
    from: 1,
    to: 2,
    phase: "overlapping",
    offeredAt: AT,
    overlapEndsAt: AT + HOUR,
    ...change,
  });
  return {
    key: aKey({ nextVersion: 3, rotationId: rotation.id, currentVersion: 2 }),
    versions: [
      aVersion({ id: "ver_1", number: 1, state: "retiring", sha256: hash(1), ...old }),
      aVersion({ id: "ver_2", number: 2, state: "active", sha256: hash(2) }),
    ],
    rotation,
    sealed: new Set<string>(),
  };
}

function shown(old: Partial<VersionRecord>, change: Partial<RotationRecord> = {}): KeyRecord {
  const rotation = {
    id: "rot_a",
    phase: "overlapping",
    from: 1,
    to: 2,
    since: AT,
    endsAt: AT + HOUR,
    ...change,
  } as const;
  return {
    seq: 20,
    key: "key_a",
    consumer: "con_a",
    environment: "live",
    status: "active",
    scopes: ["market:*"],
    networks: [],
    current: 2,
    versions: [
      { number: 1, state: "retiring", sha256: hash(1), compromised: false, ...old },
      { number: 2, state: "active", sha256: hash(2), compromised: false },
    ],
    rotation,
  };
}

const merged = (local: ReturnType<typeof localOf>, record: KeyRecord) => {
  const { rotation, versions } = mergedKey(local, record, tools);
  return { rotation, old: versions[0] };
};

test("a fence that verifiers know is the policy's, and one that they know no more was lifted", () => {
  const put = merged(localOf({}), shown({ fence }));
  expect(put.rotation?.fenced).toEqual({ at: NOW, fence, lifted: null });
  expect(put.old?.fence).toEqual(fence);
  const lifted = merged(localOf({ fenced: { at: AT, fence, lifted: null } }, { fence }), shown({}));
  expect(lifted.rotation?.fenced).toMatchObject({ at: AT, lifted: { by: "tok_1" } });
  expect(lifted.old?.fence).toBeNull();
});

test("a leaked version's fence is the emergency's, and stays", () => {
  const { rotation, old } = merged(localOf({}), shown({ fence, compromised: true }));
  expect(rotation?.fenced).toBeNull();
  expect(old).toMatchObject({ fence, compromised: true });
});

test("a brownout that runs goes on to its end, and the rest of a plan that the backup lacks is not carried out", () => {
  const { rotation, old } = merged(localOf({}), shown({ brownoutUntil: slot.until }, { brownout: slot }));
  expect(old?.brownoutUntil).toBe(slot.until);
  expect(rotation?.brownouts).toMatchObject({
    slots: [{ ...slot, by: "policy", begunAt: slot.from, endedAt: null }],
    stopped: { by: "tok_1", reason: expect.stringContaining("restore") },
  });
});

test("a plan that both know goes on; one that verifiers know no more does not", () => {
  const plan = { announcedAt: AT + HOUR, slots: [planned, later], stopped: null };
  expect(merged(localOf({ brownouts: plan }), shown({}, { brownout: slot })).rotation?.brownouts).toEqual(plan);
  const over = merged(localOf({ brownouts: plan }), shown({})).rotation?.brownouts;
  expect(over).toMatchObject({ announcedAt: AT + HOUR, slots: [], stopped: { by: "tok_1" } });
});

test("what forced a retirement that verifiers never heard of is not kept; a kill is", () => {
  const forced = { by: "policy", reason: "the last brownout is over", at: AT };
  const retired = { phase: "retired" as const, retiredAt: AT, forced };
  expect(merged(localOf(retired, { state: "retired" }), shown({})).rotation).toMatchObject({
    phase: "overlapping",
    retiredAt: null,
    forced: null,
  });
  const killed = localOf({ ...retired, fromRefusedAt: AT, fromCompromised: true }, { state: "retired" });
  expect(merged(killed, shown({})).rotation?.forced).toEqual(forced);
});

test("without its rotation neither a fence nor a brownout stays behind: nobody would lift it", () => {
  const record = { ...shown({ fence, brownoutUntil: slot.until }), rotation: undefined, current: 1 };
  const { rotation, old } = merged(localOf({}), record);
  expect(rotation).toBeUndefined();
  expect(old).toMatchObject({ fence: null, brownoutUntil: null });
});

test("the operator is told of both", () => {
  const local = localOf({});
  const record = shown({ fence, brownoutUntil: slot.until }, { brownout: slot });
  const row = { id: "", apiId: "api_a", keyId: "key_a", claims: [{ record, instances: ["web-1"] }] };
  const { changes } = differenceOf(row, { key: local.key, versions: local.versions, rotation: local.rotation });
  expect(changes).toEqual(expect.arrayContaining(["version 1 is fenced otherwise", "version 1: another brownout"]));
  expect(changes).toContain("rotation rot_a has other brownouts ahead");
});
