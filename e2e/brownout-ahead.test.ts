/**
 * A client that knows of a brownout by the header of its responses is on the successor before that begins: the real authority and the real
 * client, on one clock that is moved by hand; the API between them answers by what its verifier holds.
 */
import { createKeyHolder, type KeyHolder } from "@keyover/client";
import { type Clock, holdKey, judge, rotationHeaders, sha256Text } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { seeded } from "../packages/client/src/client.test-world.ts";
import { MINUTE, SECOND, TestAuthority } from "../packages/server/src/authority.test-support.ts";
import type { ScriptedVerifier } from "../packages/server/src/verifier.test-support.ts";

const AUTHORITY = "https://keys.example.com";
const API = "https://api.example.com/quotes";
const STEP_MS = 5 * SECOND;
/** The clock begins at 08:00 UTC; the deadline comes six minutes after the offer, and the brownout is announced then. */
const brownout = Date.UTC(2027, 0, 15, 8, 9);

let keyover: TestAuthority;
let verifier: ScriptedVerifier;
let holder: KeyHolder;
let key: { id: string; secret: string };
/** What the API answered for each version, with the time. */
let answered: { at: number; version: number; status: number }[];
/** What the successor's probe says. */
let probe: boolean;

function theApi(request: Request): Response {
  const secret = request.headers.get("authorization")?.slice("Bearer ".length) ?? "";
  const record = verifier.records.get(key.id);
  const held = record === undefined ? [] : holdKey(record).versions;
  const presented = held.find(({ version }) => version.sha256 === sha256Text(secret));
  if (presented === undefined) return new Response(null, { status: 401 });
  const verdict = judge(presented, { network: "203.0.113.7" }, keyover.now());
  const { number } = presented.version;
  const status = verdict.valid ? 200 : 401;
  answered.push({ at: keyover.now(), version: number, status });
  verifier.see(key.id, number, { accepted: verdict.valid ? 1 : 0, refused: verdict.valid ? 0 : 1 });
  const headers = new Headers(rotationHeaders(record?.rotation, number));
  if (verdict.valid) return new Response("{}", { headers });
  headers.set("content-type", "application/problem+json");
  return new Response(JSON.stringify({ code: `key_${verdict.code}` }), { status, headers });
}

async function theNetwork(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  if (request.url === API) return theApi(request);
  const payload = await request.text();
  const { statusCode, headers, body } = await keyover.authority.app.inject({
    method: request.method as "POST",
    url: request.url.slice(AUTHORITY.length),
    headers: Object.fromEntries(request.headers),
    payload,
  });
  return new Response(body, { status: statusCode, headers: { "content-type": String(headers["content-type"]) } });
}

beforeEach(async () => {
  answered = [];
  probe = true;
  keyover = await TestAuthority.start();
  const api = await keyover.api();
  const consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
  verifier = await keyover.verifier(api);
  await keyover.pass(SECOND);
  const { now, elapsed, after } = keyover.clock.process();
  // Whole milliseconds: a fraction of one is lost in the clock's large numbers, and then time stands still.
  const clock: Clock = { now, elapsed, after: (ms, run) => after(Math.ceil(ms), run) };
  const world = { clock, random: seeded(5), log: () => {}, fetch: theNetwork as typeof fetch };
  holder = createKeyHolder({
    source: { get: async () => key.secret },
    authority: { url: AUTHORITY, token: await keyover.token("consumer", { consumer: consumer.id }) },
    probe: async () => probe,
    world,
  });
  await holder.ready;
});
afterEach(async () => {
  await keyover.clock.during(holder.close());
  await keyover.close();
});

/** Time passes, and the bot calls every five seconds from a moment on. */
async function until(at: number, callsFrom = 0): Promise<void> {
  while (keyover.now() < at) {
    await keyover.pass(Math.min(STEP_MS, at - keyover.now()));
    if (keyover.now() >= callsFrom) await keyover.clock.during(holder.fetch(API).then((answer) => answer.text()));
  }
}

const statuses = (version: number) =>
  new Set(answered.filter((each) => each.version === version).map(({ status }) => status));

describe("R09: a client that a passing trouble keeps from its successor until shortly before the brownout", () => {
  test("tries once more a minute before it, and no request is refused", async () => {
    probe = false;
    const plan = { at: "08:09", lengthsMs: [MINUTE], announceMs: 2 * MINUTE, errorBudget: null };
    const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {
      policy: { overlapMs: 6 * MINUTE, onDeadline: "brownout", brownout: plan },
    });
    await until(brownout - 75 * SECOND, brownout - 150 * SECOND);
    const { brownouts } = await keyover.ok("GET", `/v1/rotations/${id}`);
    expect(brownouts.slots).toMatchObject([{ from: brownout, begunAt: null }]);
    // By now it would wait for minutes.
    expect(holder.state()).toMatchObject({ version: 1, phase: "resting" });
    expect(holder.state().failures).toBeGreaterThanOrEqual(8);
    expect(holder.state().nextLookInMs).toBeLessThanOrEqual(15 * SECOND);
    probe = true;
    await until(brownout + 2 * MINUTE);
    expect(holder.state()).toMatchObject({ version: 2 });
    expect(answered.find(({ version }) => version === 2)?.at).toBeLessThan(brownout);
    expect([statuses(1), statuses(2)]).toEqual([new Set([200]), new Set([200])]);
    const after = await keyover.ok("GET", `/v1/rotations/${id}`);
    expect(after.brownouts.slots).toMatchObject([{ begunAt: expect.any(Number) }]);
  });
});
