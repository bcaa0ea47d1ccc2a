import { describe, expect, test } from "vitest";
import { type VerdictCode, verdicts } from "./codes.ts";
import type { Fence, KeyStatus } from "./key.ts";
import type { KeyRecord, VersionRecord } from "./record.ts";
import { type Ask, type HeldVersion, holdKey, judge, judgeCode, verdictOf } from "./verdict.ts";

const NOW = 1_000_000;

const version: VersionRecord = { number: 1, state: "active", sha256: "a".repeat(43), compromised: false };
const record: KeyRecord = {
  seq: 1,
  key: "key_1",
  consumer: "con_1",
  environment: "live",
  status: "active",
  scopes: ["market:*", "trade:write"],
  networks: [],
  current: 1,
  versions: [version],
};
const rotation = { id: "rot_1", phase: "overlapping", from: 1, to: 2, since: 1, endsAt: 2 } as const;

function held(key: Partial<KeyRecord> = {}, change: Partial<VersionRecord> = {}): HeldVersion {
  const [first] = holdKey({ ...record, ...key, versions: [{ ...version, ...change }] }).versions;
  return first as HeldVersion;
}

function code(key: Partial<KeyRecord>, change: Partial<VersionRecord>, ask: Ask = {}): VerdictCode {
  return judgeCode(held(key, change), ask, NOW);
}

/** By status of the key and state of the version: what a plain request gets, and with a version marked compromised. */
const table: Record<KeyStatus, Record<VersionRecord["state"], { clean: VerdictCode; compromised: VerdictCode }>> = {
  active: {
    pending: { clean: "ok", compromised: "ok" },
    active: { clean: "ok", compromised: "ok" },
    retiring: { clean: "ok", compromised: "ok" },
    retired: { clean: "retired", compromised: "revoked" },
  },
  suspended: {
    pending: { clean: "suspended", compromised: "suspended" },
    active: { clean: "suspended", compromised: "suspended" },
    retiring: { clean: "suspended", compromised: "suspended" },
    retired: { clean: "retired", compromised: "revoked" },
  },
  revoked: {
    pending: { clean: "revoked", compromised: "revoked" },
    active: { clean: "revoked", compromised: "revoked" },
    retiring: { clean: "revoked", compromised: "revoked" },
    retired: { clean: "revoked", compromised: "revoked" },
  },
};

for (const status of Object.keys(table) as KeyStatus[]) {
  for (const state of Object.keys(table[status]) as VersionRecord["state"][]) {
    const { clean, compromised } = table[status][state];
    test(`a ${state} version of a key that is ${status}: ${clean}, compromised: ${compromised}`, () => {
      expect(code({ status }, { state })).toBe(clean);
      expect(code({ status }, { state, compromised: true })).toBe(compromised);
    });
  }
}

/** Reasons to refuse, the one that is told first: each adds its own fault to a request that is fine. */
const reasons: {
  code: VerdictCode;
  key?: Partial<KeyRecord>;
  version?: Partial<VersionRecord>;
  fence?: Fence;
  ask?: Ask;
}[] = [
  { code: "revoked", key: { status: "revoked" } },
  { code: "retired", version: { state: "retired", retiredAt: 1 } },
  { code: "wrong_environment", ask: { environment: "test" } },
  { code: "suspended", key: { status: "suspended" } },
  { code: "expired", key: { expiresAt: NOW } },
  { code: "network_denied", key: { networks: ["192.0.2.0/24"] } },
  { code: "fenced", fence: { networks: ["192.0.2.0/24"] } },
  { code: "brownout", version: { brownoutUntil: NOW + 1 } },
  { code: "insufficient_scope", key: { scopes: ["account:read"] } },
  { code: "insufficient_scope", version: { scopes: ["account:read"] } },
  { code: "fenced", fence: { scopes: ["market:read"] } },
];

test("of several reasons the first in order is told, in every combination", () => {
  for (let set = 0; set < 2 ** reasons.length; set++) {
    const faults = reasons.filter((_, i) => (set >> i) & 1);
    const fences = faults.flatMap((fault) => (fault.fence === undefined ? [] : [fault.fence]));
    const key = Object.assign({}, ...[...faults].reverse().map((fault) => fault.key));
    const change = Object.assign({}, ...faults.map((fault) => fault.version));
    if (fences.length > 0) change.fence = Object.assign({}, ...fences);
    const ask = { environment: "live", scope: "trade:write", network: "203.0.113.9" };
    const asked = Object.assign(ask, ...faults.map((fault) => fault.ask));
    expect(code(key, change, asked), faults.map((fault) => fault.code).join()).toBe(faults[0]?.code ?? "ok");
  }
});

describe("environment, expiry, network", () => {
  test("a server that names no environment takes keys of any", () => {
    expect(code({ environment: "test" }, {}, {})).toBe("ok");
    expect(code({ environment: "test" }, {}, { environment: "test" })).toBe("ok");
  });

  test("a key is accepted until the millisecond of its expiry", () => {
    expect(code({ expiresAt: NOW + 1 }, {})).toBe("ok");
    expect(code({ expiresAt: NOW }, {})).toBe("expired");
  });

  test("a key with networks is refused where the caller's address is unknown or unreadable", () => {
    const networks = ["203.0.113.0/24"];
    expect(code({ networks }, {}, { network: "203.0.113.9" })).toBe("ok");
    expect(code({ networks }, {}, { network: "::ffff:203.0.113.9" })).toBe("ok");
    expect(code({ networks }, {}, {})).toBe("network_denied");
    expect(code({ networks }, {}, { network: "localhost" })).toBe("network_denied");
    expect(code({ networks: ["nonsense"] }, {}, { network: "203.0.113.9" })).toBe("network_denied");
  });

  test("a fence around no network lets nobody in, while a key without networks lets everybody in", () => {
    expect(code({ networks: [] }, {}, { network: "203.0.113.9" })).toBe("ok");
    const leaked = { compromised: true, fence: { networks: [] } };
    expect(code({}, leaked, { network: "203.0.113.9" })).toBe("network_denied");
    expect(code({}, leaked, {})).toBe("network_denied");
    expect(code({}, { fence: {} }, { network: "203.0.113.9" })).toBe("ok");
  });
});

describe("R08, R09: what a rotation refuses of its old version", () => {
  const fence = { networks: ["203.0.113.0/24"] };

  test("a clean version outside its fence hears so; of one in wrong hands nobody learns what there is", () => {
    expect(code({}, { fence }, { network: "192.0.2.1" })).toBe("fenced");
    expect(code({}, { fence, compromised: true }, { network: "192.0.2.1" })).toBe("network_denied");
    expect(code({}, { fence }, { network: "203.0.113.9" })).toBe("ok");
  });

  test("a brownout is over at its time, wherever nobody says so, and at the earliest that it may be", () => {
    const version = { brownoutUntil: NOW + 500 };
    expect(code({}, version)).toBe("brownout");
    expect(code({}, { brownoutUntil: NOW })).toBe("ok");
    const presented = held({}, version);
    expect(judgeCode(presented, {}, NOW, NOW + 499)).toBe("brownout");
    expect(judgeCode(presented, {}, NOW, NOW + 500)).toBe("ok");
    expect(judge(presented, {}, NOW)).toMatchObject({ valid: false, code: "brownout", retryAfterMs: 500 });
    expect(judge(presented, {}, NOW + 500)).not.toHaveProperty("retryAfterMs");
  });

  test("a thief outside the networks of a leaked version does not hear of its brownout", () => {
    const leaked = { fence, compromised: true, brownoutUntil: NOW + 500 };
    expect(code({}, leaked, { network: "192.0.2.1" })).toBe("network_denied");
    expect(code({}, leaked, { network: "203.0.113.9" })).toBe("brownout");
  });
});

describe("scopes", () => {
  test("every one of several is needed", () => {
    expect(code({}, {}, { scope: ["market:read", "trade:write"] })).toBe("ok");
    expect(code({}, {}, { scope: ["market:read", "account:read"] })).toBe("insufficient_scope");
    expect(code({ scopes: [] }, {}, { scope: [] })).toBe("ok");
    expect(code({ scopes: [] }, {}, { scope: "market:read" })).toBe("insufficient_scope");
  });

  test("R25: a version of its own scopes has no more than the key and no more than its own", () => {
    const narrow = { scopes: ["market:read", "account:withdraw"] };
    expect(code({}, narrow, { scope: "market:read" })).toBe("ok");
    expect(code({}, narrow, { scope: "market:book" })).toBe("insufficient_scope");
    expect(code({}, narrow, { scope: "account:withdraw" })).toBe("insufficient_scope");
    expect(judge(held({}, narrow), {}, NOW).scopes).toEqual(["market:read"]);
  });

  test("a fence narrows, and never widens", () => {
    const fence = { scopes: ["market:read", "account:withdraw"] };
    expect(code({}, { fence }, { scope: "market:read" })).toBe("ok");
    expect(code({}, { fence }, { scope: "trade:write" })).toBe("fenced");
    expect(code({}, { fence }, { scope: "account:withdraw" })).toBe("insufficient_scope");
    expect(code({}, { fence: { scopes: [] } }, { scope: "market:read" })).toBe("fenced");
  });

  test("the server that looks at the scopes itself is told those within the fence", () => {
    const fence = { scopes: ["market:read", "account:withdraw"] };
    expect(judge(held(), {}, NOW).scopes).toEqual(["market:*", "trade:write"]);
    expect(judge(held({}, { fence }), {}, NOW).scopes).toEqual(["market:read"]);
    expect(judge(held({}, { fence: { scopes: [] } }), {}, NOW).scopes).toEqual([]);
    expect(
      judge(held({}, { fence: { networks: ["203.0.113.0/24"] } }), { network: "203.0.113.9" }, NOW).scopes,
    ).toEqual(record.scopes);
  });
});

describe("what is told", () => {
  test("an accepted version: whose it is, what it may do, and the rotation that runs", () => {
    expect(judge(held({ rotation }), {}, NOW)).toEqual({
      valid: true,
      code: "ok",
      key: "key_1",
      version: 1,
      consumer: "con_1",
      environment: "live",
      scopes: ["market:*", "trade:write"],
      rotation,
    });
  });

  test("a retired version: since when, and the rotation that replaced it", () => {
    const verdict = judge(held({ rotation }, { state: "retired", retiredAt: 77 }), {}, NOW);
    expect(verdict).toMatchObject({ valid: false, code: "retired", retiredAt: 77, rotation });
  });

  test("a revoked version, in whosever hands: no rotation, no time, no scopes", () => {
    const log = { valid: false, code: "revoked", key: "key_1", version: 1, consumer: "con_1", environment: "live" };
    const change = { state: "retired", retiredAt: 77 } as const;
    expect(judge(held({ rotation }, { ...change, compromised: true }), {}, NOW)).toEqual(log);
    expect(judge(held({ rotation, status: "revoked" }, change), {}, NOW)).toEqual(log);
    expect(judge(held({ rotation, status: "revoked" }), {}, NOW)).toEqual(log);
  });

  test("only `ok` is valid, and only `retired` has a time", () => {
    for (const each of Object.keys(verdicts) as VerdictCode[]) {
      const verdict = verdictOf(held({}, { state: "retired", retiredAt: 77 }), each);
      expect(verdict.valid).toBe(each === "ok");
      expect("retiredAt" in verdict).toBe(each === "retired");
    }
  });
});
