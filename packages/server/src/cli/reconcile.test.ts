/** `keyover reconcile`: what an operator sees after a restore, and what is done with his choice. */
import { randomBytes } from "node:crypto";
import { type KeyRecord, makeHandle } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { markRestored } from "../restore/mark.ts";
import { type Rig, runProgram, startRig } from "./cli.test-world.ts";

let rig: Rig;
let token: string;
let record: KeyRecord;
let api: string;

async function post(path: string, body: object): Promise<Response> {
  return fetch(`${rig.url}/v1/apis/market/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

const register = async (instance: string, holds?: object) =>
  (await post("verifiers", { boot: makeHandle("boot", Date.now(), randomBytes), instance, software: "test", holds }))
    .status;

/** What a verifier says that it remembers, three changes after the backup. */
async function tell(instance: string, change: Partial<KeyRecord>, seq = record.seq + 3): Promise<void> {
  const records = [{ ...record, ...change, seq }];
  expect((await post("remembered", { instance, epoch: api, seq, n: 1, last: true, records })).status).toBe(200);
}

const killed = { versions: [] as KeyRecord["versions"] };
const reason = ["--reason", "the disk was lost"];

describe("keyover reconcile", () => {
  beforeEach(async () => {
    rig = await startRig();
    const created = await rig.json<{ id: string }>(
      "api",
      "create",
      "market",
      "--prefix",
      "mkt",
      "--scope",
      "market:read",
      "--environment",
      "live",
    );
    api = created.id;
    await rig.json("consumer", "create", "bot");
    const create = ["key", "create", "--api", "market", "--environment", "live", "--consumer", "bot"];
    const key = await rig.json<{ id: string }>(...create, "--scope", "market:read");
    const made = await rig.json<{ secret: string }>("token", "create", "web", "--role", "verifier", "--api", "market");
    token = made.secret;
    expect(await register("web")).toBe(200);
    record = (await rig.store.recordOfKey(key.id)) as KeyRecord;
    await markRestored(rig.store, { now: Date.now(), random: randomBytes });
    await expect
      .poll(async () => (await fetch(`${rig.url}/readyz`)).json(), { timeout: 5_000 })
      .toEqual({ status: "ready", reconciling: 1 });
  });
  afterEach(() => rig.close());

  test("shows what was heard and what differs, asks before it does anything, and then carries it out", async () => {
    killed.versions = record.versions.map((version) => ({ ...version, state: "retired", compromised: true }));
    expect((await rig.run(["doctor"])).out).toMatch(/✗ ready: 1 api is not served.*keyover reconcile/);
    const quiet = await rig.run(["reconcile"]);
    expect(quiet.out).toMatch(
      /market: is not served until you choose\.\nRestored .*\n\nNo verifier has been heard of since\.\nNot heard of since the restore: web\./,
    );
    await tell("web", killed);
    const { code, out } = await rig.run(["reconcile"]);
    expect(code).toBe(0);
    expect(out).toMatch(/VERIFIER .*HAS TOLD ALL/);
    expect(out).toMatch(/\nweb +4 +yes +0 /);
    expect(out).not.toContain("Not heard of");
    expect(out).toMatch(new RegExp(`\\n${record.key} +live +active, 1 +active, 1 +version 1 was killed`));

    const choose = ["reconcile", "--api", "market", "--choose", "verifiers", ...reason];
    const unasked = await rig.run(choose);
    expect(unasked.code).toBe(2);
    expect(unasked.err).toMatch(
      /1 key of market becomes what verifiers remember\. There is no terminal to ask at: repeat with --yes/,
    );
    const done = await rig.run([...choose, "--yes"]);
    expect([done.code, done.out]).toEqual([0, "market is served again, with what verifiers remember.\n"]);
    const shown = await rig.json<{ versions: object[] }>("key", "show", record.key);
    expect(shown.versions[0]).toMatchObject({ state: "retired", compromised: true });
    expect((await rig.run(["reconcile"])).out).toMatch(/market: is served again/);
    expect(await register("web")).toBe(200);
  });

  test("takes the backup, and says plainly what is accepted again with --revive", async () => {
    await tell("web", { status: "revoked" });
    const choose = ["reconcile", "--choose", "backup", ...reason];
    expect((await rig.run([...choose, "--revive"])).err).toMatch(
      /known? .*to be compromised or revoked are ACCEPTED AGAIN/,
    );
    expect((await rig.run([...choose, "--revive", "--yes"])).code).toBe(0);
    expect(await rig.json("key", "show", record.key)).toMatchObject({ status: "active" });
  });

  test("names verifiers that may know more, and those that contradict each other; a key's own choice settles that", async () => {
    await tell("web", { scopes: [] });
    await tell("odd", { status: "revoked" });
    const seq = record.seq + 3;
    await post("remembered", { instance: "slow", epoch: api, seq, n: 1, last: false, records: [] });
    const { out } = await rig.run(["reconcile"]);
    expect(out).toContain(`${record.key}: web and odd contradict each other.`);
    expect(out).toContain("Still telling: slow.");
    const choose = ["reconcile", "--api", "market", "--choose", "verifiers", ...reason, "--yes"];
    const refused = await rig.run(choose);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/contradict each other about 1 keys/);
    const settled = await rig.run([...choose, "--key", `${record.key}=verifiers:web`, "--json"]);
    expect(settled.code).toBe(0);
    expect(JSON.parse(settled.out)).toMatchObject({ name: "market", state: "served" });
    // What only refuses is not settled away.
    expect(await rig.json("key", "show", record.key)).toMatchObject({ status: "revoked", scopes: [] });
  });

  test("as JSON has all of it", async () => {
    await tell("web", { scopes: [] });
    const [market] = await rig.json<{ name: string; differences: object[] }[]>("reconcile");
    expect(market).toMatchObject({
      name: "market",
      state: "held",
      after: record.seq,
      marks: [{ instance: "web", complete: true }],
      differences: [{ key: record.key, changes: ["scopes changed"], backup: { current: 1 } }],
    });
  });
});

describe("a command line that contradicts itself", () => {
  test.each([
    [["--choose", "verifiers"], /--choose needs a --reason/],
    [["--revive"], /go with --choose/],
    [["--choose", "verifiers", "--revive", ...reason], /--revive goes with --choose backup/],
    [["--choose", "both"], /Allowed choices are verifiers, backup/],
    [["--choose", "backup", "--key", "key_x=maybe", ...reason], /write key_…=backup/],
    [["--choose", "backup", "--key", "key_x=backup", ...reason], /--key needs --api/],
  ])("is refused: %j", async (args, sentence) => {
    const { code, err } = await runProgram(["reconcile", ...args], { env: { KEYOVER_TOKEN: "kot_x" } });
    expect(code).toBe(2);
    expect(err).toMatch(sentence);
  });
});
