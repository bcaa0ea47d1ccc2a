/** R26: no key ends without a word; one that is in use gets the grace that its policy sets. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, DAY, HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";
import type { ScriptedVerifier } from "../verifier.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let verifier: ScriptedVerifier;
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api({ policy: {}, staleness: { leaseMs: 10 * MINUTE, onStale: "closed" } });
  consumer = await keyover.consumer();
  verifier = await keyover.verifier(api);
  await keyover.ok("PUT", "/v1/policies/expiry", {
    spec: { schedule: { maxAgeMs: null }, expiry: { announceMs: [7 * DAY, DAY], graceMs: 3 * DAY } },
  });
  await keyover.ok("POST", "/v1/policies/expiry/attachments", { target: { kind: "api", api: api.id } });
});
afterEach(() => keyover.close());

const expiring = (days: number) => keyover.key({ api, consumer }, { expiresAt: keyover.now() + days * DAY });
const look = (id: string) => keyover.ok("GET", `/v1/keys/${id}`);
const told = async (id: string) =>
  (await keyover.store.list("notice_event", {}, { limit: 500 }))
    .map(({ value }) => value)
    .filter(({ event, keyId }) => keyId === id && (event === "key.expiring" || event === "key.expired"));
const steps = async (id: string) =>
  (await keyover.ok("GET", `/v1/audit?subject=${id}`)).items
    .map(({ action }: Answer["body"]) => action)
    .filter((action: string) => /^key\.(expir|grace)/.test(action));
const verdict = async (secret: string) =>
  (await keyover.ok("POST", "/v1/verify", { api: api.id, key: secret, scope: "market:read" })).code;
async function until(at: number): Promise<void> {
  await keyover.pass(at - keyover.now());
  for (let i = 0; i < 3; i++) await keyover.pass(1_100);
}

describe("the expiry of a key", () => {
  test("is announced at the policy's steps, and said when it comes", async () => {
    const { id, expiresAt, secret } = await expiring(20);
    for (const [at, count] of [
      [expiresAt - 8 * DAY, 0],
      [expiresAt - 7 * DAY, 1],
      [expiresAt - DAY, 2],
      [expiresAt - HOUR, 3],
      [expiresAt, 4],
    ] as const) {
      await until(at);
      expect(await told(id), new Date(at).toISOString()).toHaveLength(count);
    }
    expect((await told(id)).map(({ event, details }) => [event, details.inUse])).toEqual([
      ["key.expiring", false],
      ["key.expiring", false],
      ["key.expiring", false],
      ["key.expired", undefined],
    ]);
    expect(await verdict(secret)).toBe("expired");
    await keyover.pass(30 * DAY);
    expect(await told(id)).toHaveLength(4);
  });

  test("of a key in use is put off by the grace, before any verifier refuses it; the date itself stays", async () => {
    const { id, expiresAt, secret } = await expiring(20);
    verifier.see(id, 1);
    await until(expiresAt - 7 * DAY);
    await until(expiresAt - DAY);
    await until(expiresAt - HOUR);
    const granted = await look(id);
    expect(granted).toMatchObject({ expiresAt, graceUntil: expiresAt + 3 * DAY });
    expect((await keyover.store.recordOfKey(id))?.expiresAt).toBe(expiresAt + 3 * DAY);
    expect((await told(id)).at(-1)).toMatchObject({
      event: "key.expiring",
      details: { graceUntil: expiresAt + 3 * DAY, inUse: true },
    });
    await until(expiresAt + 3 * DAY - MINUTE);
    expect(await verdict(secret)).toBe("ok");
    await until(expiresAt + 3 * DAY);
    expect(await verdict(secret)).toBe("expired");
    expect((await told(id)).at(-1)?.event).toBe("key.expired");
    expect(await steps(id)).toEqual(["key.expiring", "key.expiring", "key.grace", "key.expired"]);
  });

  test("of a key that nobody uses comes on its day", async () => {
    const { id, expiresAt } = await expiring(40);
    verifier.see(id, 1);
    await keyover.pass(SECOND);
    await until(expiresAt + MINUTE);
    expect(await look(id)).toMatchObject({ graceUntil: null });
    expect(await steps(id)).toEqual(["key.expiring", "key.expired"]);
  });

  test("is announced again when it is moved; an old grace goes", async () => {
    const { id, expiresAt } = await expiring(20);
    verifier.see(id, 1);
    await until(expiresAt);
    expect((await look(id)).graceUntil).not.toBeNull();
    const later = expiresAt + 60 * DAY;
    expect(await keyover.ok("PATCH", `/v1/keys/${id}`, { expiresAt: later })).toMatchObject({
      expiresAt: later,
      graceUntil: null,
    });
    const before = (await told(id)).length;
    await until(later - 7 * DAY);
    expect(await told(id)).toHaveLength(before + 1);
    await keyover.ok("PATCH", `/v1/keys/${id}`, { expiresAt: null });
    await until(later + DAY);
    expect(await told(id)).toHaveLength(before + 1);
  });

  test("that comes while nobody is there is made up for: one word, and the grace", async () => {
    const { id, expiresAt } = await expiring(20);
    verifier.see(id, 1);
    await keyover.pass(SECOND);
    await keyover.clock.advance(expiresAt + HOUR - keyover.now());
    await keyover.crash();
    await keyover.pass(SECOND);
    await keyover.pass(SECOND);
    expect(await look(id)).toMatchObject({ graceUntil: expiresAt + 3 * DAY });
    expect(await steps(id)).toEqual(["key.grace"]);
  });
});
