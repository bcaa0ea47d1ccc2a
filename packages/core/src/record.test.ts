import { describe, expect, test } from "vitest";
import type { Key, Version } from "./key.ts";
import { withState } from "./key.ts";
import { recordOf } from "./record.ts";
import { planned, reach, START } from "./rotation.test-world.ts";
import type { Rotation } from "./rotation.ts";

const key: Key = {
  id: "key_1",
  apiId: "api_1",
  environment: "live",
  consumerId: "con_1",
  name: "desk 4",
  status: "active",
  statusReason: "internal reason",
  statusChangedAt: 1,
  scopes: ["market:read"],
  networks: ["203.0.113.0/24"],
  labels: { team: "internal label" },
  notes: "internal notes",
  policy: {},
  currentVersion: 1,
  nextVersion: 3,
  rotationId: null,
  expiresAt: null,
  createdAt: 1,
  createdBy: "internal author",
};

function version(number: number, change: Partial<Version> = {}): Version {
  return {
    id: `ver_${number}`,
    keyId: "key_1",
    number,
    state: "active",
    sha256: `hash-of-${number}`,
    compromised: false,
    fence: null,
    scopes: null,
    origin: "authority",
    createdAt: 1,
    createdBy: "internal author",
    activatedAt: 1,
    retiringAt: null,
    retiredAt: null,
    destroyedAt: null,
    ...change,
  };
}

const shown = (rotation: Rotation) => recordOf(key, [version(1)], rotation).rotation;

describe("what travels to verifiers", () => {
  test("a plain key, and nothing that a decision does not need", () => {
    const record = recordOf(key, [version(1)], undefined);
    expect(record).toEqual({
      key: "key_1",
      consumer: "con_1",
      environment: "live",
      status: "active",
      scopes: ["market:read"],
      networks: ["203.0.113.0/24"],
      current: 1,
      versions: [{ number: 1, state: "active", sha256: "hash-of-1", compromised: false }],
    });
    expect(JSON.stringify(record)).not.toContain("internal");
  });

  test("expiry, fence, scopes and the time of retirement where there are any", () => {
    const fence = { networks: ["203.0.113.0/24"] };
    const versions = [
      version(1, { state: "retired", retiredAt: 5, compromised: true }),
      version(2, { fence, scopes: ["market:read"] }),
    ];
    expect(recordOf({ ...key, expiresAt: 9 }, versions, undefined)).toMatchObject({
      expiresAt: 9,
      versions: [
        { number: 1, state: "retired", retiredAt: 5, compromised: true },
        { number: 2, fence, scopes: ["market:read"] },
      ],
    });
  });

  test("destroyed versions and their hashes stay at home, even half destroyed ones", () => {
    const gone = withState(version(1), "destroyed", 5);
    expect(gone.sha256).toBeNull();
    const versions = [
      gone,
      version(2),
      version(3, { state: "destroyed" }),
      version(4, { state: "retired", sha256: null }),
    ];
    const record = recordOf(key, versions, undefined);
    expect(record.versions.map((each) => each.number)).toEqual([2]);
    expect(JSON.stringify(record)).not.toMatch(/hash-of-[134]/);
  });

  test("that a version leaked is told after it was destroyed, too", () => {
    const killed = version(1, { state: "retired", retiredAt: 5, compromised: true });
    const [told] = recordOf(key, [withState(killed, "destroyed", 6), version(2)], undefined).versions;
    expect(told).toEqual({ number: 1, state: "retired", sha256: "hash-of-1", compromised: true, retiredAt: 5 });
  });

  test("an accepted version has no time of retirement, whatever it was before", () => {
    const record = recordOf(key, [version(1, { state: "retiring", retiredAt: 5 })], undefined);
    expect(record.versions[0]).not.toHaveProperty("retiredAt");
  });
});

describe("the rotation that its holder is told of", () => {
  test("none before the successor is offered, none after the end", () => {
    expect(shown(planned())).toBeUndefined();
    expect(shown(reach(planned(), "begin").rotation)).toBeUndefined();
    expect(shown(reach(planned(), "begin", "cancel").rotation)).toBeUndefined();
    expect(shown(reach(planned(), "begin", "acknowledged", "rollback").rotation)).toBeUndefined();
    expect(shown(reach(planned(), "begin", "acknowledged", "claim", "used", "kill", "noise").rotation)).toBeUndefined();
  });

  test("from the offer on: since when, and until when", () => {
    const offered = { id: "rot_1", from: 1, to: 2, since: START + 2, endsAt: START + 102 };
    expect(shown(reach(planned(), "begin", "acknowledged").rotation)).toEqual({ ...offered, phase: "offered" });
    const moved = reach(planned(), "begin", "acknowledged", "claim", "used");
    expect(shown(moved.rotation)).toEqual({ ...offered, phase: "overlapping" });
    const retired = reach(planned(), "begin", "acknowledged", "claim", "used", "retire");
    expect(shown(retired.rotation)).toEqual({ ...offered, phase: "retired" });
  });

  test("after a rollback: since the rollback, and without the deadline of the old version, which no longer ends", () => {
    const back = reach(planned(), "begin", "acknowledged", "claim", "rollback");
    expect(shown(back.rotation)).toEqual({ id: "rot_1", phase: "rolled-back", from: 1, to: 2, since: START + 4 });
  });
});
