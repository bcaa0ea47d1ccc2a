/**
 * One decision, beside what people use instead: the same 10,000 keys, each as often as any other. Peers that ask over the network have 64 questions
 * under way at once, which is best for them: one at a time they wait a round trip for each. None of them checks all that Keyover does.
 *
 *     better-auth   its api-key plugin on SQLite in memory, rate limit off
 *     Redis         GET of the key's hash, by ioredis over loopback: the look-up alone
 *     PostgreSQL    SELECT of a row by the key's hash, by pg over loopback, a pool of 10: the look-up alone
 *     jose          jwtVerify of an Ed25519 token: no revocation, no look-up at all
 *
 * Their packages (bench/peers/package.json) are installed when this runs for the first time. Redis is the machine's own `redis-server`.
 */
import { execFileSync, spawn } from "node:child_process";
import { generateKeyPairSync, hash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { Verifier } from "@keyover/verifier";
import { startPostgres } from "../packages/server/src/store/postgres-server.test-support.ts";
import { addressOf, type HeldKey, makeKeys, verifierOf } from "./keyring.ts";
import { freePort, ownChild, stopChild } from "./processes.ts";
import { type Row, rowOf } from "./report.ts";

const ROUNDS = 5;
const AT_ONCE = 64;
const HOME = join(import.meta.dirname, "peers");
/** Whose SQLite and pg are used as well. */
const SERVER = join(import.meta.dirname, "../packages/server");

/** Something that decides on key `i`. */
interface Peer {
  name: string;
  calls: number;
  ask(i: number): Promise<boolean>;
  close(): Promise<void>;
}

export async function peers(quick: boolean): Promise<Row[]> {
  install();
  const keys = makeKeys(quick ? 200 : 10_000, 0);
  const verifier = await verifierOf(keys);
  const all = [await betterAuthPeer(quick), await redisPeer(keys), await postgresPeer(keys), await josePeer(quick)];
  const known = all.filter((peer) => peer !== undefined);
  const ours: number[] = [];
  const theirs = new Map<Peer, number[]>(known.map((peer) => [peer, []]));
  for (let round = -1; round < ROUNDS; round++) {
    const own = verifyNs(verifier, keys, quick ? 20_000 : 1_000_000);
    if (round >= 0) ours.push(own);
    for (const peer of known) {
      const ns = await askNs(peer, keys.length, quick ? 200 : peer.calls);
      if (round >= 0) theirs.get(peer)?.push(ns);
    }
    await sleep(50);
  }
  await verifier.close();
  for (const peer of known) await peer.close();
  return known.map((peer) =>
    rowOf(
      {
        name: "verify, 10 thousand keys",
        unit: "ns",
        rounds: ours,
        baselineName: peer.name,
        baselineRounds: theirs.get(peer) as number[],
      },
      { ratioMax: 1 },
    ),
  );
}

function verifyNs(verifier: Verifier, keys: readonly HeldKey[], calls: number): number {
  const ask = { environment: "live", scope: "market:read", network: addressOf(7), client: "bot/1.0" };
  const began = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) {
    const { text } = keys[placeOf(i, keys.length)] as HeldKey;
    if (verifier.verifyNow(text, ask)?.valid !== true) throw new Error("a good key was refused");
  }
  return Number(process.hrtime.bigint() - began) / calls;
}

async function askNs(peer: Peer, keys: number, calls: number): Promise<number> {
  let next = 0;
  const asker = async () => {
    while (next < calls)
      if (!(await peer.ask(placeOf(next++, keys)))) throw new Error(`${peer.name} refused a good key`);
  };
  const began = process.hrtime.bigint();
  await Promise.all(Array.from({ length: AT_ONCE }, asker));
  return Number(process.hrtime.bigint() - began) / calls;
}

/** Jumps about, so that no cache can guess. */
function placeOf(i: number, count: number): number {
  return Number((BigInt(i) * 2_654_435_761n) % BigInt(count));
}

function install(): void {
  if (existsSync(join(HOME, "node_modules"))) return;
  execFileSync("npm", ["ci", "--omit=dev", "--no-audit", "--no-fund", "--prefix", HOME], { stdio: "ignore" });
}

/** A package of the peers' own, or of another folder. What is used of it is said where it is used. */
async function load<Module>(name: string, home: string = HOME): Promise<Module> {
  const path = createRequire(join(home, "package.json")).resolve(name);
  return (await import(pathToFileURL(path).href)) as Module;
}

async function betterAuthPeer(quick: boolean): Promise<Peer> {
  interface Auth {
    options: object;
    api: {
      signUpEmail(call: object): Promise<{ user: { id: string } }>;
      createApiKey(call: object): Promise<{ key: string }>;
      verifyApiKey(call: object): Promise<{ valid: boolean }>;
    };
  }
  const { betterAuth } = await load<{ betterAuth: (options: object) => Auth }>("better-auth");
  const { apiKey } = await load<{ apiKey: (options: object) => object }>("@better-auth/api-key");
  const { getMigrations } = await load<{ getMigrations: (o: object) => Promise<{ runMigrations(): Promise<void> }> }>(
    "better-auth/db/migration",
  );
  const sqlite = await load<{ default: new (path: string) => { close(): void } }>("better-sqlite3", SERVER);
  const database = new sqlite.default(":memory:");
  const auth = betterAuth({
    database,
    secret: randomBytes(32).toString("hex"),
    baseURL: "http://localhost",
    emailAndPassword: { enabled: true },
    plugins: [apiKey({ rateLimit: { enabled: false } })],
    telemetry: { enabled: false },
    logger: { disabled: true },
  });
  await (await getMigrations(auth.options)).runMigrations();
  const password = randomBytes(12).toString("hex");
  const { user } = await auth.api.signUpEmail({ body: { email: "bench@example.com", password, name: "bench" } });
  const made: string[] = [];
  for (let i = 0; i < (quick ? 20 : 1_000); i++)
    made.push((await auth.api.createApiKey({ body: { userId: user.id, name: `key ${i}` } })).key);
  return {
    name: "better-auth, SQLite",
    calls: 3_000,
    ask: async (i) => (await auth.api.verifyApiKey({ body: { key: made[i % made.length] } })).valid,
    close: async () => database.close(),
  };
}

async function redisPeer(keys: readonly HeldKey[]): Promise<Peer | undefined> {
  interface Client {
    mset(values: Map<string, string>): Promise<unknown>;
    get(key: string): Promise<string | null>;
    quit(): Promise<unknown>;
  }
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
  } catch {
    process.stderr.write("no redis-server here: its row is left out (apt-get install redis-server)\n");
    return undefined;
  }
  const port = await freePort();
  const settings = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const server = ownChild(spawn("redis-server", settings, { stdio: "ignore" }));
  const { Redis } = await load<{ Redis: new (port: number, host: string) => Client }>("ioredis");
  const client = new Redis(port, "127.0.0.1");
  await client.mset(new Map(keys.map(({ text, record }) => [hashOf(text), JSON.stringify(record)])));
  return {
    name: "Redis GET, ioredis",
    calls: 200_000,
    ask: async (i) => (await client.get(hashOf((keys[i] as HeldKey).text))) !== null,
    async close() {
      await client.quit();
      await stopChild(server);
    },
  };
}

async function postgresPeer(keys: readonly HeldKey[]): Promise<Peer> {
  interface Pool {
    on(event: string, heard: (client: Pool) => void): unknown;
    query(query: string | object, values?: unknown[]): Promise<{ rowCount: number }>;
    end(): Promise<void>;
  }
  const { default: pg } = await load<{ default: { Pool: new (options: object) => Pool } }>("pg", SERVER);
  const server = await startPostgres();
  const pool = new pg.Pool({ connectionString: server.url, max: 10 });
  // `end` does not wait for the server to hear of it: what it says when it goes is nobody's trouble.
  pool.on("error", () => {});
  pool.on("connect", (client) => void client.on("error", () => {}));
  await pool.query("create table bench_key (hash text primary key, body jsonb not null)");
  const rows = keys.map(({ text, record }) => ({ hash: hashOf(text), body: record }));
  await pool.query("insert into bench_key select * from jsonb_to_recordset($1) as row(hash text, body jsonb)", [
    JSON.stringify(rows),
  ]);
  const query = { name: "by-hash", text: "select body from bench_key where hash = $1" };
  return {
    name: "PostgreSQL SELECT, pg",
    calls: 30_000,
    ask: async (i) => (await pool.query({ ...query, values: [hashOf((keys[i] as HeldKey).text)] })).rowCount === 1,
    async close() {
      await pool.end();
      await server.stop();
    },
  };
}

async function josePeer(quick: boolean): Promise<Peer> {
  interface Signing {
    setProtectedHeader(header: object): Signing;
    setExpirationTime(time: string): Signing;
    sign(key: object): Promise<string>;
  }
  const { SignJWT, jwtVerify } = await load<{
    SignJWT: new (claims: object) => Signing;
    jwtVerify: (token: string, key: object) => Promise<{ payload: { sub?: string } }>;
  }>("jose");
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const tokens: string[] = [];
  for (let i = 0; i < (quick ? 50 : 1_000); i++)
    tokens.push(
      await new SignJWT({ sub: `con_${i}`, scope: "market:read" })
        .setProtectedHeader({ alg: "EdDSA" })
        .setExpirationTime("1h")
        .sign(privateKey),
    );
  return {
    name: "jose, EdDSA JWT",
    calls: 20_000,
    ask: async (i) => (await jwtVerify(tokens[i % tokens.length] as string, publicKey)).payload.sub !== undefined,
    close: async () => {},
  };
}

function hashOf(text: string): string {
  return hash("sha256", text, "hex");
}
