/**
 * The disk is lost, and a backup from before is what there is. The backup was taken beside a server under load; after it a version was
 * killed, a rotation ended, keys were made and revoked. From the crash to the reconciliation the APIs go on deciding as if nothing had
 * happened, and afterwards the authority knows again what it had forgotten (I17).
 */
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { chainProblem, readAudit } from "./audit.test-support.ts";
import {
  type Authority,
  ask,
  type Issued,
  issueKey,
  KEYOVER,
  protectApi,
  rotate,
  rotationOf,
  startAuthority,
} from "./authority.test-support.ts";
import { endAll, makeFolder, run, until } from "./processes.test-support.ts";
import { type VerifyingApi, verifyingApi } from "./verifying-api.test-support.ts";
import { chance, Writer } from "./writers.test-support.ts";

const folder = makeFolder("restore");
const file = join(folder, "keyover.backup");
let authority: Authority;
const apis: VerifyingApi[] = [];
const writers: Writer[] = [];

afterAll(async () => {
  for (const writer of writers) writer.stop();
  await endAll();
});

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

async function keyover(...args: string[]): Promise<Ended> {
  const env = { KEYOVER_URL: authority.url, KEYOVER_TOKEN: authority.adminToken };
  const ran = run(KEYOVER, args, { env });
  return { code: await ran.end, out: ran.out(), err: ran.err() };
}

const restore = (from: string) => keyover("restore", "--from", from, "--data", authority.data, "--replace");
const statusAt = async (api: VerifyingApi, key: string) => (await ask(`${api.url}/market`, { token: key })).status;
const everywhere = (key: string, status: number, what: string) =>
  until(async () => (await Promise.all(apis.map((api) => statusAt(api, key)))).every((each) => each === status), what);
const act = (keyId: string, path: string, body: object) =>
  ask(`${authority.url}/v1/keys/${keyId}/${path}`, { token: authority.adminToken, body });

/** Takes the successor, uses it, and waits until the old version is gone for good. */
async function changeOver(key: Issued): Promise<string> {
  const { id } = await rotate(authority, key.keyId);
  const claim = await until(async () => {
    const answer = await ask(`${authority.url}/v1/rotations/${id}/claim`, { token: key.consumerToken, body: {} });
    return answer.status === 200 ? answer : undefined;
  }, "the successor to be offered");
  const secret = String(claim.body.secret);
  await until(async () => {
    await statusAt(apis[0] as VerifyingApi, secret);
    return (await rotationOf(authority, id)).phase === "completed";
  }, "the rotation to end");
  return secret;
}

/** Asks both APIs about each key, all the time; whatever is answered otherwise is kept. */
function watch(wanted: Map<string, number>) {
  const wrong: string[] = [];
  let asked = 0;
  let on = true;
  const names = new Map([...wanted].map(([key], i) => [key, i]));
  const done = (async () => {
    while (on) {
      for (const api of apis) {
        for (const [key, status] of wanted) {
          const found = await statusAt(api, key).catch(() => 0);
          asked++;
          if (found !== status) wrong.push(`key ${names.get(key)}: ${found} instead of ${status}`);
        }
      }
      await sleep(20);
    }
  })();
  return {
    async end() {
      on = false;
      await done;
      return { asked, wrong };
    },
  };
}

describe("an authority whose disk was lost", () => {
  it("I17: comes back from a backup that was taken under load, and revives nothing and revokes nothing", async () => {
    authority = await startAuthority();
    const { verifierToken } = await protectApi(authority, "market", "mkt", {
      staleness: { leaseMs: 3_000, onStale: "static", staticMs: 600_000 },
    });
    for (const name of ["one", "two"]) {
      const dataDir = join(folder, name);
      const settings = { authorityUrl: authority.url, token: verifierToken, apis: ["market"], instance: name, dataDir };
      apis.push(await verifyingApi(settings));
    }
    await Promise.all(apis.map((api) => api.start()));
    const [steady, leaked, changing, revoked] = (await Promise.all(
      ["steady", "leaked", "changing", "revoked"].map((name) =>
        issueKey(authority, "market", name, { policy: { rollbackMs: 0 } }),
      ),
    )) as [Issued, Issued, Issued, Issued];
    for (const { secret } of [steady, leaked, changing, revoked]) await everywhere(secret, 200, "a key to work");

    for (let i = 0; i < 3; i++) writers.push(new Writer(i, authority.url, authority.adminToken, chance(i + 1)));
    const work = Promise.all(writers.map((writer) => writer.run()));
    const writes = () => writers.reduce((sum, { done }) => sum + done.length, 0);
    await until(() => writes() > 20, "some load");
    const taken = await keyover("backup", "--data", authority.data, "--to", file);
    expect(taken).toMatchObject({ code: 0, err: "" });
    const then = writes();
    await until(() => writes() > then + 20, "load after the backup");
    for (const writer of writers) writer.finish();
    await work;
    expect(writers.flatMap(({ surprises }) => surprises)).toEqual([]);

    await act(leaked.keyId, "emergency", { mode: "kill", version: 1, reason: "leaked" });
    await act(revoked.keyId, "revoke", { reason: "gone" });
    const changed = await changeOver(changing);
    const made = await issueKey(authority, "market", "made since");
    const wanted = new Map([
      [steady.secret, 200],
      [leaked.secret, 401],
      [revoked.secret, 401],
      [changing.secret, 401],
      [changed, 200],
      [made.secret, 200],
    ]);
    for (const [key, status] of wanted) await everywhere(key, status, "the APIs to know of it");

    // Nobody holds the erased version any more, so nobody can say of it that it is wrong while the authority is away.
    const watched = watch(new Map([...wanted].filter(([key]) => key !== changing.secret)));
    await authority.kill();

    // What is not whole changes nothing.
    const torn = join(folder, "torn");
    copyFileSync(file, torn);
    truncateSync(torn, readFileSync(file).length - 1_000);
    expect(await restore(torn)).toMatchObject({ code: 1, err: expect.stringMatching(/is cut off/) });
    const flipped = readFileSync(file);
    flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] as number) ^ 1;
    writeFileSync(torn, flipped);
    expect(await restore(torn)).toMatchObject({ code: 1, err: expect.stringMatching(/damaged or altered/) });

    expect(await restore(file)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/No verifier is served for market/),
    });
    await authority.start();
    expect((await ask(`${authority.url}/readyz`)).body).toEqual({ status: "ready", reconciling: 1 });
    const seen = await until(async () => {
      const { out } = await keyover("reconcile", "--json");
      const [market] = JSON.parse(out) as { marks: { complete: boolean }[]; differences: Difference[] }[];
      return market?.marks.filter(({ complete }) => complete).length === 2 ? market : undefined;
    }, "both verifiers to tell what they remember");
    const changes = new Map(seen.differences.map((difference) => [difference.key, difference.changes.join()]));
    expect(changes.get(leaked.keyId)).toMatch(/version 1 was killed/);
    expect(changes.get(revoked.keyId)).toBe("key is revoked");
    expect(changes.get(changing.keyId)).toMatch(/version 2 is new, active.*version 2 is current/);
    expect(changes.get(made.keyId)).toBe("made since the backup");
    expect(changes.has(steady.keyId)).toBe(false);
    const chosen = await keyover("reconcile", "--choose", "verifiers", "--reason", "the disk was lost", "--yes");
    expect(chosen).toMatchObject({ code: 0, out: "market is served again, with what verifiers remember.\n" });
    await until(async () => {
      const all = await Promise.all(apis.map((api) => api.status()));
      return all.flat().every(({ phase }) => phase === "following");
    }, "the verifiers to follow again");
    const { asked, wrong } = await watched.end();
    expect(wrong).toEqual([]);
    expect(asked).toBeGreaterThan(100);

    // It is the authority's word again, and reaches everybody.
    const verify = async (key: string) =>
      (await ask(`${authority.url}/v1/verify`, { token: authority.adminToken, body: { api: "market", key } })).body
        .code;
    expect(await Promise.all([...wanted.keys()].map(verify))).toEqual([
      "ok",
      "revoked",
      "revoked",
      "unknown",
      "ok",
      "ok",
    ]);
    await act(made.keyId, "suspend", { reason: "later" });
    await everywhere(made.secret, 403, "a later change to arrive");
    expect(chainProblem(await readAudit(authority.url, authority.adminToken))).toBeUndefined();
  }, 180_000);
});

interface Difference {
  key: string;
  changes: string[];
}
