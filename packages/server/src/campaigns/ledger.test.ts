/** What is noted beside a batch of keys, commit by commit. */
import { type Campaign, defaultLimits, defaultWaveGate, newCampaign } from "@keyover/core";
import { expect, test } from "vitest";
import { accept, type Outcome, refuse } from "../outcome.ts";
import type { Held } from "../store/store.ts";
import type { Deed } from "./deeds.ts";
import { rollBackLedger, selectLedger, startLedger } from "./ledger.ts";

const AT = 1_800_000_000_000;

function held(change: Partial<Campaign> = {}): Held<Campaign> {
  const wanted = {
    id: "cam_1",
    name: "spring",
    action: "kill" as const,
    select: { everything: true as const },
    waves: [{ of: { rest: true as const }, gate: defaultWaveGate }],
    limits: defaultLimits,
    pace: null,
    fence: null,
    reason: "leaked",
    startedBy: "tok_1",
  };
  return { rev: 4, value: { ...newCampaign(wanted, "", AT), ...change } };
}

const deed = (state: Deed["state"]): Outcome<Deed> => accept({ state, rotationId: "rot_1", why: null });
const found = ["key_1", "key_2", "key_3"].map((keyId) => ({ keyId, wave: 0, home: 0, apiId: "api_1" }));
const item = (keyId: string, state: Deed["state"]) => {
  const value = {
    id: `cam_1.${keyId}`,
    campaignId: "cam_1",
    keyId,
    wave: 0,
    state,
    rotationId: "rot_1",
    why: null,
    at: AT,
  };
  return { rev: 1, value };
};

test("a walk goes on only with the last key of its page: a crash before that finds it where it was", () => {
  const ledger = selectLedger(held(), found, "next", AT);
  const most = new Map([
    ["key_1", deed("started")],
    ["key_3", deed("skipped")],
  ]);
  const first = ledger.entries(most);
  expect(first.writes).toMatchObject([
    { put: "campaign_item", expect: 0, value: { id: "cam_1.key_1", state: "started" } },
    { put: "campaign_item", expect: 0, value: { id: "cam_1.key_3", state: "skipped" } },
    { put: "campaign", expect: 4, value: { cursor: "", counts: [{ started: 1, skipped: 1 }], apis: ["api_1"] } },
  ]);
  expect(first.audit).toMatchObject([{ actor: "cam_1", action: "campaign.advanced", subjects: ["cam_1"] }]);
  ledger.kept(most);
  const last = new Map([["key_2", refuse("conflict") as Outcome<Deed>]]);
  // Contended: it waits for its turn like a key that was never tried.
  expect(ledger.entries(last).writes).toMatchObject([
    { value: { id: "cam_1.key_2", state: "waiting", why: "conflict" } },
    { put: "campaign", expect: 5, value: { cursor: "next", counts: [{ started: 1, skipped: 1, waiting: 1 }] } },
  ]);
  ledger.kept(last);
  expect(ledger.campaign).toMatchObject({ rev: 6, value: { cursor: "next" } });
  expect(ledger.done).toBe(2);
});

test("what is to be tried again is not noted; a refusal is a failure unless the key itself is out of the question", () => {
  const campaign = held({
    state: "running",
    cursor: null,
    counts: [{ waiting: 5, started: 0, skipped: 0, failed: 0, "rolled-back": 0 }],
  });
  const ids = ["key_1", "key_2", "key_3", "key_4", "key_5"];
  const ledger = startLedger(
    campaign,
    ids.map((id) => item(id, "waiting")),
    AT,
  );
  const later = new Map<string, Outcome<Deed>>([
    ["key_1", refuse("conflict")],
    ["key_2", refuse("reconciling")],
  ]);
  expect(ledger.entries(later)).toEqual({ writes: [], audit: [], notices: [] });
  const tried = new Map<string, Outcome<Deed>>([
    ...later,
    ["key_3", refuse("not_found", "gone")],
    ["key_4", refuse("invalid_policy", "it contradicts itself")],
    ["key_5", deed("started")],
  ]);
  expect(ledger.entries(tried).writes).toMatchObject([
    { expect: 1, value: { keyId: "key_3", state: "skipped", why: "not_found: gone" } },
    { value: { keyId: "key_4", state: "failed", why: "invalid_policy: it contradicts itself" } },
    { value: { keyId: "key_5", state: "started", rotationId: "rot_1" } },
    { put: "campaign", value: { counts: [{ waiting: 2, started: 1, skipped: 1, failed: 1 }], wholeAt: null } },
  ]);
});

test("a wave is taken back to the end only with the last of its keys", () => {
  const rollback = { wave: 0, by: "tok_1", reason: "bad", after: "" };
  const counts = [{ waiting: 0, started: 2, skipped: 0, failed: 0, "rolled-back": 0 }];
  const campaign = held({ action: "rotate", state: "held", cursor: null, counts, rollback });
  const ledger = rollBackLedger(campaign, [item("key_1", "started"), item("key_2", "started")], null, AT);
  const one = new Map([["key_1", deed("rolled-back")]]);
  expect(ledger.entries(one).writes.at(-1)).toMatchObject({
    value: { rollback: { after: "" }, counts: [{ started: 1, "rolled-back": 1 }] },
  });
  ledger.kept(one);
  const other = new Map<string, Outcome<Deed>>([["key_2", refuse("conflict", "others change it")]]);
  expect(ledger.entries(other).writes).toMatchObject([
    { value: { keyId: "key_2", state: "started", why: "not taken back: others change it" } },
    { value: { rollback: null, accepted: { failed: 1 } } },
  ]);
});
