/** Names beside handles: wherever people read, never in `--json`, and never at the price of the command. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Rig, runProgram, startRig } from "./cli.test-world.ts";
import type { Call } from "./command-group.ts";
import { namesOf } from "./names.ts";

interface Made {
  id: string;
  secret: string;
}

let rig: Rig;
let market: Made;
let acme: Made;
let key: Made;
let holder: Made;
beforeAll(async () => {
  rig = await startRig();
  market = await rig.json("api", "create", "market", "--prefix", "mkt", "--scope", "market:read");
  acme = await rig.json("consumer", "create", "acme");
  key = await rig.json("key", "create", ...where, "--name", "reports");
  holder = await rig.json("token", "create", "acme token", "--role", "consumer", "--consumer", "acme");
});
afterAll(() => rig.close());

const where = ["--api", "market", "--environment", "live", "--consumer", "acme", "--scope", "market:read"];
const out = async (...args: string[]) => {
  const ran = await rig.run(args);
  expect(ran.code, ran.err).toBe(0);
  return ran.out;
};
const asHolder = (...args: string[]) => rig.run(args, { env: { KEYOVER_TOKEN: holder.secret } });

describe("names stand where people would like them", () => {
  test("key list and key show, with the handles that commands take", async () => {
    expect(await out("key", "list")).toMatch(new RegExp(`${key.id} +reports +acme +market +live +active`));
    const shown = await out("key", "show", key.id);
    for (const said of [key.id, `market (${market.id})`, `acme (${acme.id})`]) expect(shown).toContain(said);
    const listed = await rig.json<{ items: object[] }>("key", "list");
    expect(listed.items[0]).toMatchObject({ id: key.id, api: market.id, consumer: acme.id });
  });

  test("tokens, verify and policy explain", async () => {
    expect(await out("token", "list")).toMatch(/acme token +consumer +active +– +acme +/);
    expect((await rig.run(["verify", "--api", "market"], { stdin: key.secret })).out).toContain(`acme (${acme.id})`);
    const explained = await out("policy", "explain", key.id);
    expect(explained).toMatch(new RegExp(`^acme: reports \\(${key.id}\\)\n`));
    const named = await out("api", "update", "market", "--quiet", "2d");
    expect(named).toContain("quiet 2d");
    expect(await out("policy", "explain", key.id)).toMatch(/quietMs +2d +the api itself +1d \(the default\)/);
  });

  test("what has other names of its own: rotations, campaigns, receipts, offboarding", async () => {
    const { id } = await rig.json<Made>("key", "rotate", key.id);
    expect(await out("rotation", "list")).toMatch(new RegExp(`${id} +${key.id} +acme: reports +1 → 2`));
    expect(await out("rotation", "show", id)).toContain(`acme: reports (${key.id})`);
    const started = await out("campaign", "start", "--name", "n", "--reason", "r", "--api", "market", "--yes");
    const [campaign = ""] = /cam_\w+/.exec(started) ?? [];
    await rig.run(["campaign", "watch", campaign]);
    expect(await out("campaign", "report", campaign)).toMatch(/key_\w+ {2}acme: reports {2}the key is in rotation/);
    const struck = await rig.run(["emergency", "kill", "--api", "market", "--reason", "r", "--yes"]);
    expect(struck.out).toContain("\nmarket: no verifier runs");
    expect(struck.out).not.toContain(market.id);
    expect(await out("offboard", "acme")).toMatch(new RegExp(`${key.id} +acme: reports +market +1`));
  });
});

describe("a name is a courtesy", () => {
  test("whoever may not read names reads handles", async () => {
    const { code, out: listed } = await asHolder("key", "list");
    expect(code).toBe(0);
    expect(listed).toMatch(new RegExp(`${key.id} +reports +acme +${market.id} +live`));
  });

  test("looking them up fails without a word, asks a bounded number of times, and not at all for --json", async () => {
    const asked: string[] = [];
    const many = Array.from({ length: 300 }, (_, i) => ({ ...row, id: `key_${i}`, consumer: `con_${i}` }));
    const fetch = async (input: string | URL | Request) => {
      const url = input instanceof Request ? input.url : String(input);
      asked.push(url);
      return url.includes("/v1/keys?")
        ? Response.json({ items: many, next: null })
        : Response.json({ code: "internal" }, { status: 500 });
    };
    const env = { KEYOVER_TOKEN: "kot_x" };
    const shown = await runProgram(["key", "list"], { env, fetch });
    expect(shown).toMatchObject({ code: 0, err: "", out: expect.stringMatching(/key_299 +n +con_299 +api_1/) });
    expect(asked.length).toBeLessThan(30);
    asked.length = 0;
    expect((await runProgram(["key", "list", "--json"], { env, fetch })).code).toBe(0);
    expect(asked).toHaveLength(1);
  });

  test("of more than a few they come in pages", async () => {
    for (let i = 0; i < 25; i++) {
      await rig.json("consumer", "create", `many ${i}`);
      await rig.json("key", "create", ...where, "--consumer", `many ${i}`);
    }
    const listed = await out("key", "list");
    for (let i = 0; i < 25; i++) expect(listed).toMatch(new RegExp(`default +many ${i} +market`));
  });

  test("one that somebody else chose can't move the cursor", async () => {
    await rig.json("consumer", "create", "evil\u001b[2Jname");
    await rig.json("key", "create", ...where, "--consumer", "evil\u001b[2Jname");
    expect(await out("key", "list")).not.toContain("\u001b");
  });
});

test("a name steers no terminal wherever it is put", async () => {
  const call = { options: { json: true } } as Call<object>;
  const names = await namesOf(call, {}, { apis: [{ id: "api_1", name: "a\u001b[2Jb" }] });
  expect([names.api("api_1"), names.api("api_2"), names.key("key_1")]).toEqual(["ab", "api_2", undefined]);
});

const row = {
  name: "n",
  api: "api_1",
  environment: "live",
  status: "active",
  currentVersion: 1,
  rotation: null,
  expiresAt: null,
};

test("a consumer takes its successor, into a file or shown, again until it is used", async () => {
  const fresh = await rig.json<Made>("key", "create", ...where, "--name", "claimed");
  const { id } = await rig.json<Made>("key", "rotate", fresh.id);
  await rig.run(["watch", id, "--until", "offered", "--every", "100ms"]);
  const file = join(rig.folder, "claimed.key");
  const taken = await asHolder("rotation", "claim", id, "--secret-file", file);
  expect(taken).toMatchObject({ code: 0, err: expect.stringContaining("It can be claimed again until it is used.") });
  const secret = readFileSync(file, "utf8").trim();
  expect(taken.out).not.toContain(secret);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect((await asHolder("rotation", "claim", id)).out).toContain(secret);
  expect((await rig.run(["verify", "--api", "market"], { stdin: secret })).code).toBe(0);
  expect(await asHolder("rotation", "claim", id)).toMatchObject({ code: 1 });
  expect(await rig.run(["rotation", "claim", id])).toMatchObject({ code: 1 });
});
