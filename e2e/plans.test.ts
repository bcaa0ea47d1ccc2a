/**
 * Limits of keys, with real processes: the authority, and two servers with the verifier in them. Each decides by itself; together they let through what the
 * plan allows and what the stated bounds add (docs/limits.md).
 */
import { creditOf } from "@keyover/core";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type Authority,
  ask,
  type Issued,
  issueKey,
  protectApi,
  quickPolicy,
  rotate,
  rotationOf,
  startAuthority,
} from "./authority.test-support.ts";
import { endAll, until } from "./processes.test-support.ts";
import { type VerifyingApi, verifyingApi } from "./verifying-api.test-support.ts";

let authority: Authority;
let near: VerifyingApi;
let far: VerifyingApi;

/** The holder's old version stays as long as the test likes. */
const patient = { ...quickPolicy, overlapMs: 36_000_000, claimMs: 36_000_000, quietMs: 600_000 };
const REPORT_MS = 1_000;

beforeAll(async () => {
  authority = await startAuthority();
  const { verifierToken } = await protectApi(authority, "market", "mkt", { policy: patient });
  const settings = { token: verifierToken, apis: ["market"], authorityUrl: authority.url };
  near = await verifyingApi({ ...settings, instance: "near" });
  far = await verifyingApi({ ...settings, instance: "far" });
  await Promise.all([near.start(), far.start()]);
});
afterAll(endAll);

type Limits = { body: { name: string; limits: never[] } };
const plan = (name: string, ...limits: object[]) =>
  authority.admin.request("post", "/v1/apis/{api}/plans", {
    params: { api: "market" },
    body: { name, limits } as unknown as Limits["body"],
  });
const quotaOf = (name: string, units: number) => ({
  kind: "quota",
  name,
  per: "key",
  units,
  period: "month",
  zone: "UTC",
});

/** What the API answered: accepted, or the code that it refused with. */
async function call(api: VerifyingApi, secret: string): Promise<string> {
  const { status, body, headers } = await ask(`${api.url}/market`, { token: secret });
  if (status === 200) return "ok";
  if (status === 429) expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  return `${status} ${body.code}`;
}

const ownLimits = async (key: Issued) =>
  (await ask(`${authority.url}/v1/self/limits`, { token: key.secret })).body.limits as {
    used: number;
    remaining: number;
  }[];
const used = async (key: Issued) => (await ownLimits(key))[0]?.used;

/** Until each of these answers with a refusal, several times in a row: then nobody holds anything back. Answers how many were accepted. */
async function useUp(key: Issued, apis: VerifyingApi[], code: string): Promise<number> {
  let [accepted, inARow] = [0, 0];
  await until(
    async () => {
      for (const api of apis) {
        const said = await call(api, key.secret);
        expect(["ok", code]).toContain(said);
        inARow = said === "ok" ? 0 : inARow + 1;
        if (said === "ok") accepted++;
      }
      return inARow >= 60 * apis.length;
    },
    `all to answer ${code}`,
    { everyMs: 50 },
  );
  return accepted;
}

it("R28: an overlap at the full rate: old and new version together get what one would, and nothing else is refused", async () => {
  const rate = { kind: "rate", name: "sustained", per: "key", units: 50, windowMs: 1_000, burst: 20 };
  await plan("steady", rate);
  const key = await issueKey(authority, "market", "steady", { plan: "steady" });
  const { id } = await rotate(authority, key.keyId);
  await until(async () => (await rotationOf(authority, id)).phase === "offered", "the offer");
  const { secret: next } = await key.consumer.request("post", "/v1/rotations/{rotation}/claim", {
    params: { rotation: id },
  });
  const answers = new Map<string, number>();
  const [begun, tries] = [performance.now(), { sent: 0 }];
  const bot = async (api: VerifyingApi, secrets: string[]) => {
    for (let i = 0; performance.now() < begun + 5_000; i++) {
      const said = await call(api, secrets[i % 2] as string);
      answers.set(said, (answers.get(said) ?? 0) + 1);
      tries.sent++;
    }
  };
  const both = [key.secret, next as string];
  await Promise.all([near, far].flatMap((api) => [bot(api, both), bot(api, both.toReversed())]));
  const seconds = (performance.now() - begun) / 1_000;
  expect([...answers.keys()].sort()).toEqual(["429 rate_limited", "ok"]);
  const accepted = answers.get("ok") ?? 0;
  // Two verifiers; each hears of the other a report later.
  const most = rate.burst + rate.units * seconds + (rate.burst + (rate.units * 2 * REPORT_MS) / 1_000);
  expect(accepted).toBeLessThanOrEqual(most);
  expect(accepted).toBeGreaterThan(Math.min(tries.sent, rate.units * seconds) / 2);
});

it("R28: a quota over two verifiers is used up once, is told to its holder, and grows with the plan", async () => {
  const units = 400;
  await plan("month", quotaOf("monthly", units));
  const key = await issueKey(authority, "market", "month", { plan: "month" });
  const accepted = await useUp(key, [near, far], "429 quota_exceeded");
  expect(accepted).toBeGreaterThanOrEqual(units);
  expect(accepted).toBeLessThanOrEqual(units + creditOf(units, 2));
  await until(async () => (await used(key)) === accepted, "the reports to tell all of it");
  expect(await ownLimits(key)).toMatchObject([{ remaining: 0 }]);

  await authority.admin.request("patch", "/v1/apis/{api}/plans/{plan}", {
    params: { api: "market", plan: "month" },
    body: { limits: [quotaOf("monthly", units + 200)] } as never,
  });
  await until(async () => (await call(near, key.secret)) === "ok", "the new plan to be in force");
  const more = 1 + (await useUp(key, [near, far], "429 quota_exceeded"));
  expect(accepted + more).toBeGreaterThanOrEqual(units + 200);
  expect(accepted + more).toBeLessThanOrEqual(units + 200 + creditOf(units + 200, 2));
});

it("R28: a verifier that is killed resets nothing, and takes nothing along for long", async () => {
  const units = 300;
  await plan("killed", quotaOf("monthly", units));
  const key = await issueKey(authority, "market", "killed", { plan: "killed" });
  let accepted = 0;
  for (let i = 0; i < 100; i++) for (const api of [near, far]) if ((await call(api, key.secret)) === "ok") accepted++;
  await far.kill();
  const told = await used(key);
  await far.start();
  accepted += await useUp(key, [near, far], "429 quota_exceeded");
  expect(told).toBeLessThanOrEqual(accepted);
  expect(accepted).toBeGreaterThanOrEqual(units);
  // Three boots; and what the one that was killed had let through and not told.
  expect(accepted).toBeLessThanOrEqual(units + 2 * creditOf(units, 2) + 100);
  expect(await call(far, key.secret)).toBe("429 quota_exceeded");
});
