/**
 * A job that runs on the first of each month is not cut off: a real authority, reached over its socket by a real verifier that is started for each day's
 * calls and closed after them, in virtual time. Beside the job a bot calls every day, and changes over on the day of the offer.
 */
import { createVerifier, type Verdict } from "@keyover/verifier";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, DAY, HOUR, random, TestAuthority } from "../packages/server/src/authority.test-support.ts";

const bot = { network: "203.0.113.7", client: "bot/1.0" };
const job = { network: "198.51.100.20", client: "billing-job/3" };

let keyover: TestAuthority;
let url: string;
let api: Answer["body"];
let key: Answer["body"];
let verifierToken: string;
let holder: string;
beforeEach(async () => {
  keyover = await TestAuthority.start();
  url = await keyover.authority.app.listen({ host: "127.0.0.1", port: 0 });
  // Quick to call a source quiet: a day.
  const policy = { quietMs: DAY, overlapMinMs: HOUR, overlapMs: 120 * DAY, claimMs: 120 * DAY };
  api = await keyover.api({ policy });
  const consumer = await keyover.consumer();
  key = await keyover.key({ api, consumer });
  verifierToken = await keyover.token("verifier", { apis: [api.id] });
  holder = await keyover.token("consumer", { consumer: consumer.id });
});
afterEach(() => keyover.close());

const at = (day: string) => Date.parse(`${day}T02:00:00Z`);

/** The calls of one moment: a verifier comes up, decides, reports and goes. */
async function calls(...list: [caller: object, secret: string][]): Promise<Verdict["code"][]> {
  const { clock } = keyover;
  const world = { clock: clock.process(), random, fetch: globalThis.fetch, log: () => {} };
  const verifier = createVerifier({
    url,
    token: verifierToken,
    apis: [api.id],
    environment: "live",
    instance: "eu-1",
    world,
  });
  await clock.during(verifier.ready);
  const codes: Verdict["code"][] = [];
  for (const [caller, secret] of list) {
    const verdict = await clock.during(
      verifier.verify(secret, { ...caller, environment: "live", scope: "market:read" }),
    );
    codes.push(verdict.code);
  }
  await clock.during(verifier.close());
  await keyover.tick();
  return codes;
}

/** Every day up to then; the job's on the first of a month. Answers the day on which the old version was no longer accepted. */
async function daily(to: string, secretOf: { bot: string; job: string }, id?: string): Promise<string | undefined> {
  for (;;) {
    const next = at(new Date(keyover.now() + DAY).toISOString().slice(0, 10));
    if (next > at(to)) return undefined;
    await keyover.clock.advance(next - keyover.now());
    const first = new Date(next).getUTCDate() === 1;
    const codes = await calls([bot, secretOf.bot], ...(first ? [[job, secretOf.job] as [object, string]] : []));
    expect(codes, new Date(next).toISOString()).toEqual(codes.map(() => "ok"));
    const phase = id === undefined ? "" : (await keyover.ok("GET", `/v1/rotations/${id}`)).phase;
    if (phase === "retired") return new Date(next).toISOString().slice(0, 10);
  }
}

async function rotate(): Promise<{ id: string; secret: string }> {
  const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
  await keyover.tick();
  const { secret } = await keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token: holder });
  return { id, secret };
}

const PATIENCE_MS = 60_000;

test(
  "R07: three runs, a rotation on the 5th, a fourth run with the successor: the old version is there until its gap has passed",
  async () => {
    const old = key.secret;
    await daily("2027-04-05", { bot: old, job: old });
    const { id, secret } = await rotate();
    expect(await daily("2027-04-30", { bot: secret, job: old }, id)).toBeUndefined();

    const { gates, quiet, moved, forecast } = await keyover.ok("GET", `/v1/rotations/${id}/evidence`);
    const [first] = quiet.sources;
    expect(first).toMatchObject({
      source: { client: "billing-job/3" },
      usual: { lengthMs: expect.closeTo(31 * DAY, -6), rank: 1 },
      neededMs: expect.closeTo(46.5 * DAY, -6),
      young: false,
    });
    expect(gates.at(-1)).toMatchObject({ met: false, waitsFor: "consumer", earliestAt: quiet.quietAt });
    expect(gates.at(-1).explanation).toMatch(
      /billing-job\/3 used version 1 at 2027-04-01.*usual gap is 31 days.*silent for 46.5 days: quiet at 2027-05-2/,
    );
    expect(moved).toMatchObject({ moved: 1, of: 2 });
    expect(moved.explanation).toMatch(
      /^1 of 2 moved; 198\.51\.100\.0\/24 billing-job\/3 last used version 1 at 2027-04-01/,
    );
    expect(forecast.sources[0]).toMatchObject({
      source: { client: "billing-job/3" },
      silentMs: expect.closeTo(29 * DAY, -8),
    });

    const retired = await daily("2027-06-10", { bot: secret, job: secret }, id);
    expect(retired).toBe("2027-05-22");
  },
  PATIENCE_MS,
);

test(
  "R07: one that was not told comes with the old version on the first, is served, and is waited for again",
  async () => {
    const old = key.secret;
    await daily("2027-04-05", { bot: old, job: old });
    const { id, secret } = await rotate();
    expect(await daily("2027-05-28", { bot: secret, job: old }, id)).toBeUndefined();
    const retired = await daily("2027-06-30", { bot: secret, job: secret }, id);
    expect(retired).toBe("2027-06-17");
  },
  PATIENCE_MS,
);
