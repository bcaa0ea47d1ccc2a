/**
 * R29: an engineer of the provider leaves. With the real program: what she could have seen is listed, her token is revoked, the keys that she made
 * are changed over under their bots, which are refused nothing, and in the end nothing works that she may have kept.
 */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Authority, ask, KEYOVER, protectApi, startAuthority } from "./authority.test-support.ts";
import { type Bot, startBot, startMarketApi } from "./market.test-support.ts";
import { endAll, makeFolder, run, type Server, until } from "./processes.test-support.ts";

const BOTS = ["desk-1", "desk-2"];

let authority: Authority;
let market: Server;
let folder: string;
const bots: Bot[] = [];
const keys: { id: string; secret: string }[] = [];
let ann: string;

/** `keyover …` in a process of its own, with the token in this file. */
async function keyover(
  tokenFile: string,
  ...args: string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const env = { KEYOVER_URL: authority.url, KEYOVER_TOKEN_FILE: tokenFile };
  const process = run(KEYOVER, args, { env });
  const code = await process.end;
  return { code, out: process.out(), err: process.err() };
}
async function done(tokenFile: string, ...args: string[]): Promise<string> {
  const ran = await keyover(tokenFile, ...args);
  expect(ran, ran.err).toMatchObject({ code: 0 });
  return ran.out;
}
const json = async (tokenFile: string, ...args: string[]) => JSON.parse(await done(tokenFile, ...args, "--json"));
const file = (name: string) => join(folder, name);
const secretIn = (name: string) => readFileSync(file(name), "utf8").trim();

beforeAll(async () => {
  folder = makeFolder("offboard");
  authority = await startAuthority();
  writeFileSync(file("admin-token"), authority.adminToken);
  chmodSync(file("admin-token"), 0o600);
  const { verifierToken } = await protectApi(authority, "market", "mkt");
  market = await startMarketApi({ authorityUrl: authority.url, verifierToken, dataDir: file("api") });
  const owner = ["--role", "operator", "--owner", "ann@example.com", "--secret-file", file("ann-token")];
  ann = (await json(file("admin-token"), "token", "create", "ann", ...owner)).id;
  for (const name of BOTS) {
    await done(file("admin-token"), "consumer", "create", name);
    const ofBot = ["--role", "consumer", "--consumer", name, "--secret-file", file(`${name}-token`)];
    await done(file("admin-token"), "token", "create", name, ...ofBot);
    const scopes = ["--scope", "market:read", "--scope", "trade:write", "--secret-file", file(`${name}.key`)];
    const where = ["--api", "market", "--environment", "live", "--consumer", name];
    const { id } = await json(file("ann-token"), "key", "create", ...where, ...scopes);
    const secret = secretIn(`${name}.key`);
    keys.push({ id, secret });
    const client = { authorityUrl: authority.url, consumerToken: secretIn(`${name}-token`) };
    bots.push(startBot({ name, folder, secret, apis: [market.url], ...client }));
  }
  await until(() => bots.every((bot) => bot.counts().accepted > 10), "every bot to be served");
});
afterAll(endAll);

it("shows what she could have seen, and does nothing unless it is told to", async () => {
  const out = await done(file("admin-token"), "offboard", "Ann@example.com");
  expect(out).toContain("owner:ann@example.com");
  expect(out).toContain("2 in use, 0 whose key is suspended or expired, 0 being replaced, 0 refused for good");
  for (const { id } of keys) expect(out).toMatch(new RegExp(`${id} .*in use +created`));
  expect(out).toContain("Nothing was done");
  expect(await keyover(file("admin-token"), "offboard", "bob@example.com")).toMatchObject({ code: 1 });
  expect(await keyover(file("ann-token"), "offboard", "ann@example.com", "--yes", "--reason", "x")).toMatchObject({
    code: 1,
  });
  expect((await json(file("ann-token"), "key", "list")).items).toHaveLength(2);
});

it("revokes her token, and changes the keys over; nobody who did nothing wrong is refused", async () => {
  const reason = ["--reason", "has left"];
  const out = await done(file("admin-token"), "offboard", "ann@example.com", "--yes", ...reason);
  expect(out).toMatch(/owner:ann@example\.com: 1 token revoked\.\n2 keys by rotate, in cam_/);
  expect(await keyover(file("ann-token"), "key", "list")).toMatchObject({ code: 1 });
  await until(
    () => bots.every((bot) => bot.counts().version === 2),
    () => `every bot to be on its second version: ${bots.map((bot) => bot.counts().version).join()}`,
  );
  // What she may have kept is refused once nobody needs it. To try it before would be a use.
  for (const { id, secret } of keys) {
    await until(
      async () => (await json(file("admin-token"), "key", "show", id)).versions[0].state === "retired",
      "the first version to retire",
    );
    await until(
      async () => (await ask(`${market.url}/v1/ticker/BTC-USD`, { token: secret })).status === 401,
      "the first version to be refused",
    );
  }
  const reach = await json(file("admin-token"), "offboard", "ann@example.com");
  expect(reach.counts).toMatchObject({ works: 0, dormant: 0 });
  expect(reach.tokens).toMatchObject([{ id: ann, works: false }]);
  expect(bots.flatMap((bot) => bot.counts().refusals)).toEqual([]);
});
