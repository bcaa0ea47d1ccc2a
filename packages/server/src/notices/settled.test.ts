import { describe, expect, test } from "vitest";
import type { RaisedEvent } from "../store/notice-entities.ts";
import type { Store } from "../store/store.ts";
import { AT, aRaised } from "./notices.test-support.ts";
import { isSettled } from "./settled.ts";

/** A store that has these rows, by table, and this boot. */
function storeOf(rows: Record<string, object | undefined>, boot?: object): Store {
  return {
    get: async (table: string) => (rows[table] === undefined ? undefined : { rev: 1, value: rows[table] }),
    boot: async () => (boot === undefined ? undefined : { rev: 1, value: boot }),
  } as unknown as Store;
}

const key = { status: "active", expiresAt: null, graceUntil: null };
const running = { phase: "overlapping", endedAt: null };
const retired = { phase: "retired", endedAt: null };
const ended = { phase: "completed", endedAt: AT };
const noRotation = { rotationId: null };
const boot = { closed: false, replacedAt: null, removedAt: null, answersUntil: AT };
const lost = {
  event: "verifier.lost" as const,
  ...noRotation,
  keyId: null,
  details: { boot: "boo_1", answersUntil: AT },
};
const held = { event: "campaign.held" as const, ...noRotation, keyId: null, campaignId: "cam_1" };

describe("what asked for a reaction is settled", () => {
  test.each<[string, boolean, Partial<RaisedEvent>, Record<string, object>, object?]>([
    ["stuck, and it runs", false, { event: "rotation.stuck" }, { rotation: running }],
    ["stuck, and it has retired", true, { event: "rotation.stuck" }, { rotation: retired }],
    ["stuck, and it has ended", true, { event: "rotation.stuck" }, { rotation: ended }],
    ["missed after it retired", false, { event: "key.refused-uses" }, { rotation: retired }],
    [
      "missed, and rolled back",
      true,
      { event: "key.refused-uses" },
      { rotation: { ...running, phase: "rolled-back" } },
    ],
    ["missed, and completed", true, { event: "key.refused-uses" }, { rotation: ended }],
    [
      "tried while suspended",
      false,
      { event: "key.refused-uses", ...noRotation },
      { key: { ...key, status: "suspended" } },
    ],
    ["tried, and restored", true, { event: "key.refused-uses", ...noRotation }, { key }],
    ["leaked, and the key lives", false, { event: "key.compromised", ...noRotation }, { key }],
    [
      "leaked, and the key is revoked",
      true,
      { event: "key.compromised", ...noRotation },
      { key: { ...key, status: "revoked" } },
    ],
    ["expired", false, { event: "key.expired", ...noRotation }, { key: { ...key, expiresAt: AT - 1 } }],
    ["expired, and prolonged", true, { event: "key.expired", ...noRotation }, { key: { ...key, expiresAt: AT + 1 } }],
    ["a campaign that is held", false, held, { campaign: { state: "held" } }],
    ["a campaign that goes on", true, held, { campaign: { state: "running" } }],
    ["a verifier that is silent", false, lost, {}, boot],
    ["a verifier that was heard", true, lost, {}, { ...boot, answersUntil: AT + 1 }],
    ["a verifier that was removed", true, lost, {}, { ...boot, removedAt: AT }],
    ["a verifier that nobody remembers", true, lost, {}],
    ["what nothing is known of", false, { event: "key.compromised" }, {}],
  ])("%s: %s", async (_what, expected, change, rows, known) => {
    expect(await isSettled(storeOf(rows, known), aRaised(change), AT)).toBe(expected);
  });
});
