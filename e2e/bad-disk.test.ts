/**
 * Folders and files that are not as they should be: in use, full, spoilt. Each case shows the clear error, that nothing was lost by it,
 * and that all goes on once it is mended.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type Authority,
  ask,
  type Issued,
  issueKey,
  KEYOVER,
  protectApi,
  rotate,
  startAuthority,
} from "./authority.test-support.ts";
import { startBot, startMarketApi } from "./market.test-support.ts";
import { endAll, makeFolder, run, type Server, until } from "./processes.test-support.ts";
import { smallDisk } from "./small-disk.test-support.ts";
import { verifyingApi } from "./verifying-api.test-support.ts";

const folder = makeFolder("bad-disk");
let authority: Authority;
let api: Server;
let good: Issued;

beforeAll(async () => {
  authority = await startAuthority();
  const { verifierToken } = await protectApi(authority, "market", "mkt");
  api = await startMarketApi({ authorityUrl: authority.url, verifierToken, dataDir: join(folder, "market") });
  good = await issueKey(authority, "market", "good");
});
afterEach(async () => {
  expect([authority.process().exited(), api.process().exited()]).toEqual([false, false]);
  expect((await ask(`${api.url}/v1/ticker/BTC-USD`, { token: good.secret })).status).toBe(200);
});
afterAll(endAll);

describe("folders and files", () => {
  it("a second server on a data folder in use does not start, says so, and leaves the first alone", async () => {
    const second = run(KEYOVER, ["serve", "--data", authority.data, "--listen", "127.0.0.1:0"]);
    expect(await second.end).toBe(4);
    expect(second.err() + second.out()).toContain(`another process is using ${authority.data}`);
  });

  it("R14: on a full disk writes are refused with 507, keys go on working, and all goes on once there is room", async () => {
    const place = join(folder, "small");
    mkdirSync(place, { mode: 0o700 });
    const disk = smallDisk(place);
    if (disk === undefined) throw new Error("neither mount nor prlimit is there: a full disk can't be tried here");
    try {
      const small = await startAuthority({ data: join(place, "data") });
      const { verifierToken: token } = await protectApi(small, "market", "mkt", {
        staleness: { leaseMs: 10_000, onStale: "static", staticMs: 600_000 },
      });
      const key = await issueKey(small, "market", "before");
      const verifier = await verifyingApi({
        authorityUrl: small.url,
        token,
        apis: ["market"],
        dataDir: join(folder, "small-verifier"),
      });
      await verifier.start();
      const made: string[] = ["before"];
      const consumer = async (name: string) => {
        const reply = await ask(`${small.url}/v1/consumers`, {
          token: small.adminToken,
          body: { name, notes: "n".repeat(1_000) },
        });
        if (reply.status === 201) made.push(name);
        return reply;
      };
      disk.fill(small.process().pid);
      const refused = await until(async () => {
        const reply = await consumer(`filling ${made.length}`);
        return reply.status === 201 ? undefined : reply;
      }, "the disk to be full");
      expect([refused.status, refused.body.code]).toEqual([507, "storage_full"]);
      expect(refused.body.title).toBe("The disk is full; nothing was changed.");
      expect(await verifier.verdict(key.secret)).toMatchObject({ valid: true });
      expect((await ask(`${small.url}/v1/keys`, { token: small.adminToken })).body.items).toHaveLength(1);
      await until(() => small.written().includes("store.full"), "a line in the log");

      disk.free(small.process().pid);
      await until(async () => (await consumer("after")).status === 201, "room");
      await small.kill();
      await small.start();
      const names = (
        (await ask(`${small.url}/v1/consumers?limit=500`, { token: small.adminToken })).body.items as {
          name: string;
        }[]
      ).map(({ name }) => name);
      expect(names.sort()).toEqual(made.sort());
      expect(await verifier.verdict(key.secret)).toMatchObject({ valid: true });
      await verifier.kill();
      await small.kill();
    } finally {
      disk.remove();
    }
  });

  it("R42: a corrupted snapshot of a verifier is moved aside and never used, with the authority there or not", async () => {
    const own = await startAuthority();
    const { verifierToken: token } = await protectApi(own, "market", "mkt");
    const key = await issueKey(own, "market", "kept");
    const dataDir = join(folder, "corrupted");
    const settings = { authorityUrl: own.url, token, apis: ["market"], instance: "corrupted", dataDir };
    const verifier = await verifyingApi({ ...settings, listenFirst: true });
    await verifier.start();
    await until(async () => (await verifier.verdict(key.secret)).valid, "the first use");
    const file = join(dataDir, "api-market.replica");
    const spoil = async () => {
      await until(() => existsSync(file), "the snapshot to be written");
      await verifier.kill();
      const bytes = readFileSync(file);
      const middle = Math.floor(bytes.length / 2);
      bytes[middle] = (bytes[middle] as number) ^ 1;
      writeFileSync(file, bytes);
    };
    await spoil();
    await verifier.start();
    await until(async () => (await verifier.verdict(key.secret)).valid, "a new snapshot from the authority");
    expect(verifier.written()).toContain("its checksum does not hold");
    expect(readdirSync(dataDir).filter((name) => name.includes("unreadable"))).toHaveLength(1);

    await spoil();
    await own.kill();
    await verifier.start();
    for (let i = 0; i < 10; i++) {
      expect(await verifier.verdict(key.secret)).toEqual({ valid: false, code: "stale_replica" });
      await sleep(20);
    }
    await own.start();
    await until(async () => (await verifier.verdict(key.secret)).valid, "a new snapshot from the authority");
    await verifier.kill();
    await own.kill();
  });

  it("R50: a torn, foreign or empty sidecar of a client is passed over, and the key changes over all the same", async () => {
    const spoilt = { torn: '{ "format": "keyover-sidecar-1", "key": "key_', foreign: "hello\n", empty: "" };
    await Promise.all(Object.entries(spoilt).map(([what, sidecar]) => changesOverDespite(what, sidecar)));
  });

  async function changesOverDespite(what: string, sidecar: string): Promise<void> {
    const key = await issueKey(authority, "market", `${what} sidecar`);
    const name = `bot-${what}`;
    mkdirSync(join(folder, name), { mode: 0o700 });
    writeFileSync(join(folder, name, "market.key.keyover"), sidecar, { mode: 0o600 });
    const client = { authorityUrl: authority.url, consumerToken: key.consumerToken };
    const bot = startBot({ name, folder, secret: key.secret, apis: [api.url], ...client });
    await until(() => bot.counts().accepted > 5, "the bot to be served");
    await rotate(authority, key.keyId);
    await until(() => bot.counts().version === 2, "the bot to be on version 2");
    await bot.stop();
    expect(bot.counts()).toMatchObject({ refused: 0, unreachable: 0 });
    expect(readFileSync(bot.keyFile, "utf8").trim()).not.toBe(key.secret);
    expect(JSON.parse(readFileSync(`${bot.keyFile}.keyover`, "utf8"))).toMatchObject({
      format: "keyover-sidecar-1",
      key: key.keyId,
    });
  }
});
