/** GET /v1/rotations/{rotation}/evidence explains itself: what is met, what is open, who could meet it, and what retiring now would risk. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";
import { bot, type ScriptedVerifier } from "../verifier.test-support.ts";

let keyover: TestAuthority;
let verifier: ScriptedVerifier;
let api: Answer["body"];
let key: Answer["body"];
let holder: string;
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  const consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
  holder = await keyover.token("consumer", { consumer: consumer.id });
  verifier = await keyover.verifier(api, "eu-1");
});
afterEach(() => keyover.close());

const instance = (n: number) => ({ ...bot, instance: `bot-${n}` });
const evidenceOf = (id: string) => keyover.ok("GET", `/v1/rotations/${id}/evidence`);
const iso = (at: number) => new Date(at).toISOString();

/** Five instances, of which so many have changed over. */
async function fleet(moved: number): Promise<string> {
  for (const n of [1, 2, 3, 4, 5]) verifier.see(key.id, 1, { source: instance(n) });
  const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
  await keyover.pass(SECOND);
  await keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
  for (const n of [1, 2, 3, 4, 5]) verifier.see(key.id, n <= moved ? 2 : 1, { source: instance(n) });
  await keyover.pass(SECOND);
  return id;
}

test("instances of one consumer are seen to move one by one, and whoever has not is named", async () => {
  const id = await fleet(4);
  const { moved, gates, forecast, quiet } = await evidenceOf(id);
  const at = quiet.sources[0].lastSeen;
  expect(moved).toMatchObject({ moved: 4, silent: 0, of: 5 });
  expect(moved.explanation).toBe(`4 of 5 moved; 203.0.113.0/24 bot/1 bot-5 last used version 1 at ${iso(at)}`);
  expect(gates.map(({ name, met, waitsFor }: Record<string, unknown>) => [name, met, waitsFor])).toEqual([
    ["minimum-overlap", false, "time"],
    ["successor-used", true, null],
    ["old-version-quiet", false, "consumer"],
  ]);
  expect(gates[2].explanation).toContain(
    `met at ${iso(quiet.quietAt)} at the earliest, if nobody uses version 1 until then`,
  );
  expect(gates[2].explanation).toContain("by the policy");
  expect(forecast.chance).toBeGreaterThan(0.5);
  expect(forecast.how).toMatch(/most of it by 203\.0\.113\.0\/24 bot\/1 bot-5 .*; 4 of 5 sources have moved/);

  verifier.see(key.id, 2, { source: instance(5) });
  await keyover.pass(SECOND);
  const later = await evidenceOf(id);
  expect(later.moved.explanation).toBe("5 of 5 moved");
  expect(later.gates[2].waitsFor).toBe("time");
  expect(later.forecast.chance).toBeLessThan(forecast.chance);
});

test("one that nobody has fetched, and one that was fetched and not used, wait for the consumer", async () => {
  const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
  await keyover.pass(SECOND);
  const used = async () => (await evidenceOf(id)).gates[1];
  expect(await used()).toMatchObject({ met: false, waitsFor: "consumer", earliestAt: null });
  expect((await used()).explanation).toMatch(/version 2 has not been used yet, nobody has fetched it/);
  await keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
  expect((await used()).explanation).toContain(`it was fetched at ${iso(keyover.now())}`);
});

test("a hole is named with its verifier and its time", async () => {
  const id = await fleet(5);
  verifier.alive = false;
  const from = verifier.coveredTo;
  await keyover.verifier(api, "eu-2");
  await keyover.pass(5 * MINUTE);
  const { quiet, gates } = await evidenceOf(id);
  const [hole] = quiet.holes;
  expect(gates[2].explanation).toContain(
    `what eu-1 saw from ${iso(from)} to ${iso(hole.to)} was never reported, so silence counts from the end of that`,
  );
});

test("where only reports are missing, the verifiers are named with how far they are", async () => {
  const id = await fleet(5);
  await keyover.pass(10 * MINUTE - 4 * SECOND);
  await keyover.clock.advance(8 * SECOND);
  const { quiet, gates } = await evidenceOf(id);
  expect(gates[2]).toMatchObject({ met: false, waitsFor: "verifiers" });
  expect(gates[2].explanation).toContain(`report up to then: eu-1 has up to ${iso(quiet.watermark)}`);
});

test("of a suspended key silence says nothing, and it is an operator's to meet", async () => {
  const id = await fleet(5);
  await keyover.ok("POST", `/v1/keys/${key.id}/suspend`, { reason: "unpaid" });
  await keyover.pass(30 * MINUTE);
  const { gates } = await evidenceOf(id);
  expect(gates[2]).toMatchObject({ met: false, waitsFor: "operator" });
  expect(gates[2].explanation).toContain("the key is not accepted at present");
});

test("R10: after the retirement who was refused is counted, by source; there is no forecast any more", async () => {
  const id = await fleet(5);
  expect((await evidenceOf(id)).refused).toBe(null);
  for (let i = 0; i < 12; i++) await keyover.pass(MINUTE);
  const retired = await evidenceOf(id);
  expect(retired).toMatchObject({ phase: "retired", forecast: null, refused: { total: 0, known: 0, sources: [] } });
  const refusal = { accepted: 0, refused: 3 };
  verifier.see(key.id, 1, { source: instance(5), ...refusal });
  verifier.see(key.id, 1, { source: { ...bot, client: "curl/8" }, ...refusal });
  const at = keyover.now();
  await keyover.pass(SECOND);
  const { refused } = await evidenceOf(id);
  expect(refused).toMatchObject({ total: 6, known: 3 });
  expect(refused.sources).toContainEqual({ source: instance(5), refused: 3, since: at, last: at, known: true });
});

test("R06: traffic on old and new is a series of the last hour", async () => {
  const id = await fleet(2);
  await keyover.pass(10 * MINUTE);
  for (const n of [1, 2, 3, 4, 5]) verifier.see(key.id, 2, { source: instance(n) });
  await keyover.pass(SECOND);
  const { sharesOverTime } = await evidenceOf(id);
  const shares = sharesOverTime.map(({ versions }: Answer["body"]) =>
    versions.map(({ version, share }: Answer["body"]) => [version, share]),
  );
  expect(shares).toEqual([
    [
      [1, 0.8],
      [2, 0.2],
    ],
    [[2, 1]],
  ]);
  await keyover.pass(70 * MINUTE);
  expect((await evidenceOf(id)).sharesOverTime).toEqual([]);
});
