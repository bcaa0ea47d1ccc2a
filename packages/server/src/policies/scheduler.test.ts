import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, DAY, HOUR, SECOND, TestAuthority, TestClock } from "../authority.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import { put, type Store } from "../store/store.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api({ policy: {} });
  consumer = await keyover.consumer({ labels: { team: "desk" } });
});
afterEach(() => keyover.close());

const apply = (name: string, spec: object) => keyover.ok("PUT", `/v1/policies/${name}`, { spec });
const attach = (name: string, target: object = { kind: "api", api: api.id }) =>
  keyover.ok("POST", `/v1/policies/${name}/attachments`, { target });
const look = (id: string) => keyover.ok("GET", `/v1/keys/${id}`);
const rotationsOf = async (id: string) => (await keyover.ok("GET", `/v1/rotations?key=${id}`)).items;
const running = async () => (await keyover.ok("GET", "/v1/rotations?ended=false&limit=500")).items.length;
const key = (change: Record<string, unknown> = {}) => keyover.key({ api, consumer }, change);
/** Beats enough for every duty to have had its turn. */
async function settle(target = keyover, beats = 3): Promise<void> {
  for (let i = 0; i < beats; i++) await target.pass(1_100);
}
async function until(at: number): Promise<void> {
  await keyover.pass(at - keyover.now());
  await settle();
}

describe("R11: a key rotates by itself", () => {
  test("before its maximum age of 90 days, no sooner than a week before, and says why", async () => {
    const { id, createdAt } = await key();
    const { rotateAt } = await look(id);
    expect(rotateAt).toBeGreaterThan(createdAt + 83 * DAY);
    expect(rotateAt).toBeLessThanOrEqual(createdAt + 90 * DAY);
    await until(rotateAt - HOUR);
    expect(await rotationsOf(id)).toEqual([]);
    await until(rotateAt);
    const [rotation, ...more] = await rotationsOf(id);
    expect(more).toEqual([]);
    expect(rotation).toMatchObject({
      phase: "offered",
      reason: "scheduled",
      startedBy: "policy",
      createdAt: expect.any(Number),
    });
    expect(rotation.createdAt - rotateAt).toBeLessThan(2_500);
    await keyover.pass(100 * DAY);
    expect(await rotationsOf(id)).toHaveLength(1);
  });

  test("again after the rotation, counted from the new version", async () => {
    await apply("desk", {
      schedule: { everyMs: 30 * DAY, jitterMs: 0 },
      quietMs: HOUR,
      overlapMinMs: HOUR,
      rollbackMs: 0,
    });
    await attach("desk");
    const { id, createdAt } = await key();
    await until(createdAt + 30 * DAY);
    const verifier = await keyover.verifier(api);
    verifier.see(id, 1);
    verifier.see(id, 2);
    await keyover.pass(SECOND);
    await keyover.pass(DAY);
    await keyover.pass(DAY);
    const [{ phase, overlappingAt }] = await rotationsOf(id);
    expect(phase).toBe("completed");
    expect((await look(id)).rotateAt).toBe(overlappingAt + 30 * DAY);
  });

  test("after one that was cancelled not before a week has passed", async () => {
    await apply("desk", { schedule: { everyMs: DAY, jitterMs: 0 } });
    await attach("desk");
    const { id } = await key();
    await until((await look(id)).rotateAt);
    const [rotation] = await rotationsOf(id);
    await keyover.ok("POST", `/v1/rotations/${rotation.id}/cancel`);
    expect((await look(id)).rotateAt).toBe(keyover.now() + 7 * DAY);
    await keyover.pass(6 * DAY);
    await settle();
    expect(await rotationsOf(id)).toHaveLength(1);
    await keyover.pass(DAY);
    await settle();
    expect(await rotationsOf(id)).toHaveLength(2);
  });

  test.each([
    ["suspended", (id: string) => keyover.ok("POST", `/v1/keys/${id}/suspend`, { reason: "quiet" })],
    ["revoked", (id: string) => keyover.ok("POST", `/v1/keys/${id}/revoke`, { reason: "gone" })],
    ["about to expire", (id: string) => keyover.ok("PATCH", `/v1/keys/${id}`, { expiresAt: keyover.now() + 20 * DAY })],
    [
      "under a policy without any rule",
      async () => {
        await apply("none", { schedule: { maxAgeMs: null } });
        await attach("none");
      },
    ],
  ])("not while it is %s", async (_what, make) => {
    const { id } = await key();
    await make(id);
    await settle();
    expect((await look(id)).rotateAt).toBeNull();
    await keyover.pass(200 * DAY);
    await settle();
    expect(await rotationsOf(id)).toEqual([]);
  });

  test("a suspended key that is restored has its date again", async () => {
    const { id, rotateAt } = await key();
    await keyover.ok("POST", `/v1/keys/${id}/suspend`, { reason: "quiet" });
    expect((await keyover.ok("POST", `/v1/keys/${id}/restore`, { reason: "back" })).rotateAt).toBe(rotateAt);
  });

  test("never in a blackout, though it was due before the blackout began and nobody was there", async () => {
    const { id, createdAt } = await key();
    const date = (ms: number) => new Date(ms).toISOString().slice(0, 10);
    const blackouts = [
      { name: "freeze", zone: "UTC", from: date(createdAt + 80 * DAY), to: date(createdAt + 200 * DAY) },
    ];
    const rotateAt = (await look(id)).rotateAt;
    // The policy comes into the store beside the engine, as if all processes had been down since before the key was due.
    await keyover.clock.advance(rotateAt + DAY - keyover.now());
    await apply("freeze", { schedule: { blackouts } });
    await attach("freeze");
    await settle();
    expect(await rotationsOf(id)).toEqual([]);
    expect((await look(id)).rotateAt).toBe(Date.parse(`${date(createdAt + 201 * DAY)}T00:00:00Z`));
    await until((await look(id)).rotateAt);
    expect(await rotationsOf(id)).toHaveLength(1);
  });

  test("late, if nobody was there when it was due, and then after the blackout that has begun meanwhile", async () => {
    const { id, createdAt } = await key();
    const due = createdAt + 30 * DAY;
    const clock = (ms: number) => new Date(due + ms).toISOString().slice(11, 16);
    const blackouts = [{ zone: "UTC", from: clock(HOUR), to: clock(3 * HOUR) }];
    await apply("desk", { schedule: { everyMs: 30 * DAY, jitterMs: 0, blackouts } });
    await attach("desk");
    await settle();
    expect((await look(id)).rotateAt).toBe(due);
    await keyover.clock.advance(due + 2 * HOUR - keyover.now());
    await settle();
    expect(await rotationsOf(id)).toEqual([]);
    const end = Math.floor((due + 3 * HOUR) / 60_000) * 60_000;
    expect((await look(id)).rotateAt).toBe(end);
    await until(end);
    expect(await rotationsOf(id)).toHaveLength(1);
  });

  test("not while its api is held after a restore; the others do", async () => {
    const { id } = await key();
    const rotateAt = (await look(id)).rotateAt;
    const restoration = {
      id: api.id,
      restore: "r1",
      formerEpoch: api.id,
      after: 1,
      restoredAt: keyover.now(),
      asOf: keyover.now(),
      raisedTo: 0,
      reconciledAt: null,
      choice: null,
      late: false,
      compared: {},
    };
    const audit = [{ at: keyover.now(), actor: "system", action: "restore.marked", subjects: [api.id], details: {} }];
    await keyover.store.commit({ writes: [put("restoration", restoration)], audit, feed: [] });
    const other = await keyover.key({ api: await keyover.api({ policy: {} }), consumer });
    await until(Math.max(rotateAt, other.rotateAt));
    expect((await keyover.store.get("key", id))?.value.rotationId).toBeNull();
    expect((await keyover.store.get("key", other.id))?.value.rotationId).not.toBeNull();
    expect(keyover.lines.join("")).not.toContain("schedule.key_failed");
  });

  test("one whose policy contradicts itself waits, and is logged; the others go on", async () => {
    await apply("long", { overlapMinMs: 12 * DAY, schedule: { everyMs: DAY, jitterMs: 0 } });
    await attach("long");
    const { id } = await key({ policy: {} });
    const fine = await keyover.key({ api, consumer });
    await keyover.ok("PATCH", `/v1/keys/${fine.id}`, { policy: { overlapMinMs: HOUR } });
    await apply("short", { overlapMs: 10 * DAY });
    await attach("short", { kind: "label", name: "team", value: "desk", api: null });
    await until(keyover.now() + DAY);
    expect(await rotationsOf(id)).toEqual([]);
    expect(await rotationsOf(fine.id)).toHaveLength(1);
    expect(keyover.lines.join("")).toContain("schedule.invalid_policy");
    expect((await look(id)).rotateAt).toBeGreaterThan(keyover.now());
  });
});

describe("many keys", () => {
  test("that fall due at once move at a bounded pace, each once", async () => {
    await apply("desk", { schedule: { everyMs: DAY, jitterMs: 0 } });
    await attach("desk");
    const keys = [];
    for (let i = 0; i < 120; i++) keys.push(await key());
    await keyover.pass(DAY + SECOND);
    const counts = [];
    for (let i = 0; i < 5; i++) {
      counts.push(await running());
      await keyover.pass(1_100);
    }
    expect(counts.slice(0, 4)).toEqual([50, 100, 120, 120]);
    for (const { id } of keys.slice(0, 5)) expect(await rotationsOf(id)).toHaveLength(1);
  });

  test("get their dates anew when a policy changes, page after page, and a crash in between loses none", async () => {
    for (let i = 0; i < 450; i++) await key();
    await apply("desk", { schedule: { everyMs: 40 * DAY } });
    await attach("desk");
    // It dies after its first page.
    const commit = keyover.store.commit.bind(keyover.store);
    let pages = 0;
    keyover.store.commit = async (batch) => {
      if (batch.audit[0]?.action === "keys.replanned" && ++pages > 1) return new Promise(() => {});
      return commit(batch);
    };
    void keyover.authority.tick();
    await keyover.clock.advance(5 * SECOND);
    const dated = async () =>
      await keyover.store.count("key", { until: [{ column: "rotate_at", at: keyover.now() + 50 * DAY }] });
    expect(await dated()).toBe(200);
    keyover.store.commit = commit;
    await keyover.crash();
    await settle();
    expect(await dated()).toBe(450);
    expect(await keyover.store.count("replan", {})).toBe(0);
  });

  test("of a database from before there were schedules are spread over the week after, and do not move at once", async () => {
    const keys = [];
    for (let i = 0; i < 60; i++) keys.push(await key());
    const { store, clock } = keyover;
    // As the program before left them: dates unknown, and a year old.
    for (const { id } of keys) {
      const held = await store.get("key", id);
      if (held === undefined) throw new Error("it was made");
      const { rotateAt: _, expiryAt: __, ...older } = held.value;
      await store.commit({
        writes: [
          put("key", older, held),
          put("replan", {
            id: `0${id}`,
            apiId: null,
            consumerId: null,
            keyId: id,
            after: "",
            cause: "upgrade",
            createdAt: 0,
          }),
        ],
        audit: [{ at: clock.at, actor: "system", action: "test", subjects: [id], details: {} }],
        feed: [],
      });
    }
    await clock.advance(365 * DAY);
    const settled = new Map<string, string>();
    const younger = {
      ...store,
      settled: async (name: string) => settled.get(name),
      settle: async (name: string, value: string) => settled.get(name) ?? settled.set(name, value).get(name) ?? value,
    };
    const upgraded = await TestAuthority.start({ store: { ...younger, close: async () => {} } as Store, clock });
    await settle(upgraded, 80);
    expect(await store.count("key", { until: [{ column: "rotate_at", at: clock.at }] })).toBe(0);
    const dates = (await store.list("key", {}, { limit: 100 })).map(
      ({ value }) => (value.rotateAt as number) - clock.at,
    );
    expect(Math.max(...dates)).toBeLessThan(7 * DAY);
    expect(Math.max(...dates)).toBeGreaterThan(6 * DAY);
    for (let day = 0; day < 7; day++)
      expect(dates.filter((ms) => Math.floor(ms / DAY) === day).length, `day ${day}`).toBeGreaterThan(1);
    await upgraded.close();
  });

  test("whose consumer's labels change get the dates of the policy that then holds", async () => {
    await apply("desk", { schedule: { everyMs: 10 * DAY, jitterMs: 0 } });
    await attach("desk", { kind: "label", name: "team", value: "risk", api: null });
    const { id, createdAt, rotateAt } = await key();
    await keyover.ok("PATCH", `/v1/consumers/${consumer.id}`, { labels: { team: "risk" } });
    await settle();
    expect((await look(id)).rotateAt).toBe(createdAt + 10 * DAY);
    await keyover.ok("PATCH", `/v1/consumers/${consumer.id}`, { labels: {} });
    await settle();
    expect((await look(id)).rotateAt).toBe(rotateAt);
  });

  test("that an older program made beside this one are found by the patrol", async () => {
    const { id, rotateAt } = await key();
    const held = await keyover.store.get("key", id);
    if (held === undefined) throw new Error("it was made");
    const { rotateAt: _, expiryAt: __, ...older } = held.value;
    await keyover.store.commit({
      writes: [put("key", older, held)],
      audit: [{ at: keyover.now(), actor: "tok_old", action: "key.created", subjects: [id], details: {} }],
      feed: [],
    });
    expect((await look(id)).rotateAt).toBeNull();
    await settle(keyover, 12);
    expect((await look(id)).rotateAt).toBe(rotateAt);
    const entries = await keyover.entries();
    await settle(keyover, 30);
    expect(await keyover.entries()).toBe(entries);
  });
});

describe("several processes", () => {
  test("start one rotation, whoever looks first", async () => {
    const clock = new TestClock();
    const a = await TestAuthority.start({ clock, store: openMemoryStore({ shared: true, now: () => clock.at }) });
    const b = await a.beside();
    const both = async (ms: number) => {
      await a.clock.advance(ms);
      await Promise.all([a.tick(), b.tick()]);
    };
    for (let i = 0; i < 8; i++) await both(500);
    const own = await a.api({ policy: {} });
    const { id, rotateAt } = await a.key({ api: own, consumer: await a.consumer() });
    await a.clock.advance(rotateAt - clock.at);
    for (let i = 0; i < 12; i++) await both(500);
    expect((await a.ok("GET", `/v1/rotations?key=${id}`)).items).toHaveLength(1);
    a.die();
    b.die();
  });

  test("a process that dies in the commit of a start leaves a key that the next one starts once", async () => {
    const { id, rotateAt } = await key();
    await keyover.pass(rotateAt - SECOND - keyover.now());
    const commit = keyover.store.commit.bind(keyover.store);
    keyover.store.commit = async (batch) => {
      await commit(batch);
      return new Promise(() => {});
    };
    await keyover.clock.advance(2 * SECOND);
    void keyover.authority.tick();
    await keyover.clock.advance(2 * SECOND);
    keyover.store.commit = commit;
    await keyover.crash();
    await settle();
    expect(await rotationsOf(id)).toHaveLength(1);
  });
});
