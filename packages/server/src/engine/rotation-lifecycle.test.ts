import { sha256Text } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, DAY, HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";
import { bot, type ScriptedVerifier } from "../verifier.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
let holder: string;
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
  holder = await keyover.token("consumer", { consumer: consumer.id });
});
afterEach(() => keyover.close());

const start = (body: Record<string, unknown> = {}) => keyover.ok("POST", `/v1/keys/${key.id}/rotations`, body);
const look = (id: string) => keyover.ok("GET", `/v1/rotations/${id}`);
const phase = async (id: string) => (await look(id)).phase;
const claim = (id: string) => keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
const versions = async () => (await keyover.ok("GET", `/v1/keys/${key.id}`)).versions;
const states = async () => (await versions()).map((version: { state: string }) => version.state);

/** A rotation whose successor is in use, at one live verifier. */
async function overlapping(body: Record<string, unknown> = {}): Promise<{ id: string; verifier: ScriptedVerifier }> {
  const verifier = await keyover.verifier(api);
  verifier.see(key.id, 1);
  const { id } = await start(body);
  await keyover.pass(SECOND);
  await claim(id);
  verifier.see(key.id, 2);
  await keyover.pass(SECOND);
  expect(await phase(id)).toBe("overlapping");
  return { id, verifier };
}

describe("the successor is offered only when every live verifier accepts it (I2)", () => {
  test("not while one of them lacks the entry, and at once after the last acknowledgement", async () => {
    const [first, second] = [await keyover.verifier(api), await keyover.verifier(api)];
    const { id } = await start();
    await first.catchUp();
    await keyover.clock.advance(5 * SECOND);
    await first.report();
    await keyover.tick();
    expect(await phase(id)).toBe("propagating");
    await keyover.refused("rotation_not_offered", "POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
    const evidence = await keyover.ok("GET", `/v1/rotations/${id}/evidence`);
    expect(evidence.waitingFor).toMatchObject([{ boot: second.boot, instance: second.instance, applied: 1, needs: 2 }]);

    const at = keyover.now();
    await second.read();
    await second.ack();
    await keyover.clock.advance(0);
    expect(await look(id)).toMatchObject({ phase: "offered", offeredAt: at, overlapEndsAt: at + HOUR });
    expect(await claim(id)).toMatchObject({ version: 2, endsAt: at + HOUR });
  });

  test("with no verifier at all it is offered at once", async () => {
    const { id } = await start();
    await keyover.clock.advance(0);
    expect(await phase(id)).toBe("offered");
  });

  test("an acknowledgement of an older entry is not enough", async () => {
    const verifier = await keyover.verifier(api);
    const { id } = await start();
    await verifier.ack(1);
    await keyover.tick();
    expect(await phase(id)).toBe("propagating");
  });

  test("a later change of the key must have arrived too", async () => {
    const verifier = await keyover.verifier(api);
    const { id } = await start();
    await verifier.read();
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, { networks: ["203.0.113.0/24"] });
    await verifier.ack();
    await keyover.tick();
    expect(await phase(id)).toBe("propagating");
  });

  test("a verifier that was lost blocks until its lease is over", async () => {
    await keyover.verifier(api);
    const { id } = await start();
    await keyover.clock.advance(10 * SECOND - 50);
    await keyover.tick();
    expect(await phase(id)).toBe("propagating");
    await keyover.clock.advance(SECOND);
    await keyover.tick();
    expect(await phase(id)).toBe("offered");
  });

  test("under a static policy it blocks until its static time is over as well", async () => {
    await keyover.ok("PATCH", `/v1/apis/${api.id}`, { staleness: { onStale: "static", staticMs: MINUTE } });
    await keyover.verifier(api);
    const { id } = await start();
    await keyover.clock.advance(69 * SECOND);
    await keyover.tick();
    expect(await phase(id)).toBe("propagating");
    await keyover.clock.advance(2 * SECOND);
    await keyover.tick();
    expect(await phase(id)).toBe("offered");
  });

  test.each<[string, (verifier: ScriptedVerifier) => Promise<unknown>]>([
    ["closed", (verifier) => verifier.close()],
    ["removed", (verifier) => keyover.ok("DELETE", `/v1/apis/${api.id}/verifiers/${verifier.boot}`)],
    [
      "replaced",
      async (verifier) => {
        await verifier.register();
        await verifier.catchUp();
      },
    ],
  ])("one that is %s does not block", async (_how, go) => {
    const verifier = await keyover.verifier(api);
    const { id } = await start();
    await keyover.tick();
    expect(await phase(id)).toBe("propagating");
    await go(verifier);
    await keyover.tick();
    expect(await phase(id)).toBe("offered");
  });

  test("one that registers in the middle blocks until it has applied", async () => {
    const first = await keyover.verifier(api);
    const { id } = await start();
    const token = await keyover.token("verifier", { apis: [api.id] });
    const body = { boot: "boo_0000000000000000000002", instance: "late", software: "test" };
    await keyover.ok("POST", `/v1/apis/${api.id}/verifiers`, body, { token });
    await first.catchUp();
    await keyover.tick();
    expect(await phase(id)).toBe("propagating");
    await keyover.ok("POST", `/v1/apis/${api.id}/acks`, { boot: body.boot, applied: 2 }, { token });
    await keyover.clock.advance(0);
    expect(await phase(id)).toBe("offered");
  });

  test("after a restart of the authority it blocks until it has said again how far it is", async () => {
    const verifier = await keyover.verifier(api);
    await verifier.read();
    await keyover.crash();
    const { id } = await start();
    await keyover.tick();
    expect(await phase(id)).toBe("propagating");
    await verifier.catchUp();
    expect(await phase(id)).toBe("offered");
  });
});

describe("the old version retires on evidence (I3)", () => {
  test("a reported use of the successor opens the overlap, and its sealed copy is forgotten then", async () => {
    const verifier = await keyover.verifier(api);
    const { id } = await start();
    await keyover.pass(SECOND);
    await claim(id);
    expect(await keyover.store.count("sealed", { equals: { rotation_id: id } })).toBe(1);
    verifier.see(key.id, 2, { accepted: 0, refused: 3 });
    await keyover.pass(SECOND);
    expect(await phase(id)).toBe("offered");
    verifier.see(key.id, 2);
    await keyover.pass(SECOND);
    expect(await look(id)).toMatchObject({ phase: "overlapping", usedAt: expect.any(Number) });
    expect(await states()).toEqual(["retiring", "active"]);
    expect(await keyover.store.count("sealed", { equals: { rotation_id: id } })).toBe(0);
    await keyover.refused("claim_ended", "POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
  });

  test("by itself, when minimum overlap, use and quiet are there; completed after the rollback window", async () => {
    const { id, verifier } = await overlapping();
    const { offeredAt } = await look(id);
    await keyover.pass(10 * MINUTE - 3 * SECOND);
    expect(await phase(id)).toBe("overlapping");
    await keyover.pass(5 * SECOND);
    const retired = await look(id);
    expect(retired).toMatchObject({ phase: "retired", forced: null });
    expect(retired.retiredAt - offeredAt).toBeGreaterThanOrEqual(10 * MINUTE);
    expect(await states()).toEqual(["retired", "active"]);
    await verifier.read();
    expect(verifier.records.get(key.id)?.versions.map(({ state }) => state)).toEqual(["retired", "active"]);
    await keyover.pass(HOUR);
    expect(await phase(id)).toBe("completed");
    expect(await states()).toEqual(["destroyed", "active"]);
    expect((await keyover.ok("GET", `/v1/keys/${key.id}`)).rotation).toBeNull();
  });

  test("silence without reports is not quiet: it needs the watermark", async () => {
    const { id, verifier } = await overlapping();
    verifier.alive = false;
    for (let i = 0; i < 8; i++) {
      await keyover.clock.advance(9 * SECOND);
      await verifier.report({ to: verifier.coveredTo + 1 });
    }
    await keyover.clock.advance(9 * SECOND);
    await keyover.tick();
    const { quiet } = await keyover.ok("GET", `/v1/rotations/${id}/evidence`);
    expect(quiet).toMatchObject({ watermark: verifier.coveredTo, watermarkHeldBy: [{ instance: verifier.instance }] });
    expect(await phase(id)).toBe("overlapping");
  });

  test("a hole starts the quiet time again at its end", async () => {
    const { id, verifier } = await overlapping();
    await keyover.pass(9 * MINUTE);
    const from = verifier.coveredTo;
    verifier.alive = false;
    const other = await keyover.verifier(api);
    await keyover.pass(5 * MINUTE);
    expect(await phase(id)).toBe("overlapping");
    const { quiet, gates } = await keyover.ok("GET", `/v1/rotations/${id}/evidence`);
    const hole = { boot: verifier.boot, instance: verifier.instance, from, to: from + 10 * SECOND };
    expect(quiet.holes).toHaveLength(1);
    expect(quiet.holes[0]).toMatchObject({ ...hole, to: expect.closeTo(hole.to, -3) });
    expect(quiet.countsFrom).toBe(quiet.holes[0].to);
    expect(gates.at(-1)).toMatchObject({ name: "old-version-quiet", met: false, earliestAt: quiet.quietAt });
    await keyover.pass(6 * MINUTE);
    expect(await phase(id)).toBe("retired");
    expect(other.alive).toBe(true);
  });

  test("a lost verifier that comes back with its report leaves no hole", async () => {
    const { id, verifier } = await overlapping();
    verifier.alive = false;
    await keyover.pass(9 * MINUTE);
    expect((await keyover.ok("GET", `/v1/rotations/${id}/evidence`)).quiet.holes).toHaveLength(1);
    verifier.alive = true;
    await keyover.pass(2 * MINUTE);
    expect(await phase(id)).toBe("retired");
  });

  test("a source that comes once a month is waited for", async () => {
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, {
      policy: { overlapMs: 100 * DAY, claimMs: 100 * DAY, rollbackMs: 0 },
    });
    const verifier = await keyover.verifier(api);
    const monthly = { ...bot, client: "report/1" };
    verifier.see(key.id, 1, { source: monthly });
    await keyover.pass(30 * DAY);
    verifier.see(key.id, 1, { source: monthly }).see(key.id, 1);
    const { id } = await start();
    await keyover.pass(SECOND);
    await claim(id);
    verifier.see(key.id, 2);
    await keyover.pass(DAY);
    await keyover.pass(29 * DAY);
    expect(await phase(id)).toBe("overlapping");
    const { quiet, gates } = await keyover.ok("GET", `/v1/rotations/${id}/evidence`);
    expect(quiet.sources.map(({ source, quiet: is }: { source: object; quiet: boolean }) => [source, is])).toEqual([
      [monthly, false],
      [bot, true],
    ]);
    expect(gates.at(-1).explanation).toMatch(
      /report\/1.*usual gap is 30 days \(its longest silence\).*silent for 45 days/,
    );
    await keyover.pass(16 * DAY);
    expect(await phase(id)).toBe("completed");
  });

  test("a refused use of the old version counts as a use: somebody still holds it", async () => {
    const { id, verifier } = await overlapping();
    await keyover.pass(9 * MINUTE);
    verifier.see(key.id, 1, { accepted: 0, refused: 1 });
    await keyover.pass(2 * MINUTE);
    expect(await phase(id)).toBe("overlapping");
  });

  test("silence from before the offer does not count", async () => {
    const verifier = await keyover.verifier(api);
    verifier.see(key.id, 1);
    await keyover.pass(DAY);
    const { id } = await start();
    await keyover.pass(SECOND);
    await claim(id);
    verifier.see(key.id, 2, { source: { ...bot, client: "bot/2" } });
    await keyover.pass(2 * MINUTE);
    expect(await phase(id)).toBe("overlapping");
    const { quiet } = await keyover.ok("GET", `/v1/rotations/${id}/evidence`);
    expect(quiet.countsFrom).toBe((await look(id)).offeredAt);
    await keyover.pass(9 * MINUTE);
    expect(await phase(id)).toBe("retired");
  });

  test("a suspended key is never quiet, and after it is restored the quiet time starts again", async () => {
    const { id } = await overlapping();
    await keyover.ok("POST", `/v1/keys/${key.id}/suspend`, { reason: "unpaid" });
    await keyover.pass(DAY);
    expect(await phase(id)).toBe("overlapping");
    await keyover.ok("POST", `/v1/keys/${key.id}/restore`, { reason: "paid" });
    await keyover.pass(5 * MINUTE);
    expect(await phase(id)).toBe("overlapping");
    await keyover.pass(6 * MINUTE);
    expect(await phase(id)).toBe("retired");
  });

  test("an expired key is never quiet, and after its life was prolonged the quiet time starts again", async () => {
    const { id } = await overlapping();
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, { expiresAt: keyover.now() + MINUTE });
    await keyover.pass(DAY);
    expect(await phase(id)).toBe("overlapping");
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, { expiresAt: null });
    await keyover.pass(5 * MINUTE);
    expect(await phase(id)).toBe("overlapping");
    await keyover.pass(6 * MINUTE);
    expect(await phase(id)).toBe("retired");
  });

  test("at the deadline it holds, and says so once; or retires, where the policy says so", async () => {
    const { id } = await start();
    await keyover.pass(2 * DAY);
    expect(await phase(id)).toBe("offered");
    await keyover.pass(DAY);
    expect(keyover.lines.filter((line) => line.includes("rotation.held_at_deadline"))).toHaveLength(1);

    key = await keyover.key({ api, consumer });
    const other = await start({ policy: { onDeadline: "retire" } });
    await keyover.pass(HOUR - SECOND);
    expect(await phase(other.id)).toBe("offered");
    await keyover.pass(2 * SECOND);
    expect(await look(other.id)).toMatchObject({
      phase: "retired",
      forced: { by: "policy", reason: expect.stringMatching(/deadline/) },
    });
  });

  test("a use of the successor that was reported while it travelled counts once it is offered", async () => {
    const verifier = await keyover.verifier(api);
    const { id } = await start({ sha256: sha256Text("my own") });
    verifier.see(key.id, 2);
    await verifier.report({ applied: 1 });
    await keyover.tick();
    expect(await look(id)).toMatchObject({ phase: "propagating", usedAt: expect.any(Number) });
    await verifier.catchUp();
    expect(await phase(id)).toBe("overlapping");
  });
});
