import { describe, expect, test } from "vitest";
import {
  changeStatus,
  isAccepted,
  type Key,
  type KeyChange,
  type KeyStatus,
  type Version,
  type VersionState,
  withState,
} from "./key.ts";

const key: Key = {
  id: "key_1",
  apiId: "api_1",
  environment: "live",
  consumerId: "con_1",
  name: "desk 4",
  status: "active",
  statusReason: null,
  statusChangedAt: 1,
  scopes: [],
  networks: [],
  labels: {},
  notes: "",
  policy: {},
  currentVersion: 1,
  nextVersion: 2,
  rotationId: null,
  expiresAt: null,
  createdAt: 1,
  createdBy: "ana",
};

const version: Version = {
  id: "ver_1",
  keyId: "key_1",
  number: 1,
  state: "pending",
  sha256: "hash",
  compromised: false,
  fence: null,
  scopes: null,
  origin: "authority",
  createdAt: 1,
  createdBy: "ana",
  activatedAt: null,
  retiringAt: null,
  retiredAt: null,
  destroyedAt: null,
};

describe("R26: a key's status", () => {
  const table: Record<KeyStatus, Record<KeyChange, KeyStatus | "=" | { refused: string }>> = {
    active: { suspend: "suspended", restore: { refused: "nothing_to_restore" }, revoke: "revoked" },
    suspended: { suspend: "=", restore: "active", revoke: "revoked" },
    revoked: { suspend: { refused: "key_is_revoked" }, restore: { refused: "key_is_revoked" }, revoke: "=" },
  };

  for (const status of Object.keys(table) as KeyStatus[]) {
    for (const change of Object.keys(table[status]) as KeyChange[]) {
      const expected = table[status][change];
      test(`${change} while ${status}: ${JSON.stringify(expected)}`, () => {
        const before: Key = { ...key, status, statusReason: "first", statusChangedAt: 5 };
        const outcome = changeStatus(before, change, "why", 9);
        if (typeof expected !== "string") expect(outcome).toEqual({ ok: false, code: expected.refused });
        else if (expected === "=") expect(outcome).toEqual({ ok: true, next: before, changed: false });
        else {
          const next = { ...before, status: expected, statusReason: "why", statusChangedAt: 9 };
          expect(outcome).toEqual({ ok: true, next, changed: true });
        }
      });
    }
  }
});

describe("a version's state", () => {
  test("a successor is accepted before it is handed out, an old version until it retires", () => {
    const accepted: Record<VersionState, boolean> = {
      pending: true,
      active: true,
      retiring: true,
      retired: false,
      destroyed: false,
    };
    for (const [state, expected] of Object.entries(accepted)) expect(isAccepted(state as VersionState)).toBe(expected);
  });

  test("a whole life notes its times, and destroying forgets the hash", () => {
    const active = withState(version, "active", 10);
    expect(active).toEqual({ ...version, state: "active", activatedAt: 10 });
    const retiring = withState(active, "retiring", 20);
    expect(retiring).toEqual({ ...active, state: "retiring", retiringAt: 20 });
    const retired = withState(retiring, "retired", 30);
    expect(retired).toEqual({ ...retiring, state: "retired", retiredAt: 30 });
    const destroyed = withState(retired, "destroyed", 40);
    expect(destroyed).toEqual({ ...retired, state: "destroyed", destroyedAt: 40, sha256: null });
  });

  test("a version brought back by a rollback is active since it first was, and retired no more", () => {
    const retired = withState(withState(withState(version, "active", 10), "retiring", 20), "retired", 30);
    expect(withState(retired, "active", 40)).toEqual({ ...version, state: "active", activatedAt: 10 });
  });

  test("a version destroyed while it was accepted ended then", () => {
    expect(withState(version, "destroyed", 40)).toMatchObject({ retiredAt: 40, destroyedAt: 40, sha256: null });
  });

  test("the mark of a compromise, and the fence, outlive every change of state", () => {
    const marked: Version = { ...version, compromised: true, fence: { scopes: ["market:read"] } };
    for (const state of ["active", "retiring", "retired", "destroyed"] as const) {
      expect(withState(marked, state, 9)).toMatchObject({ compromised: true, fence: { scopes: ["market:read"] } });
    }
  });

  test("the version that was given stays as it was", () => {
    const given = Object.freeze({ ...version });
    withState(given, "active", 10);
    expect(given).toEqual(version);
  });
});
