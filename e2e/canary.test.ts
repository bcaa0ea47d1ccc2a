/**
 * I15: the secrets of a whole scenario, looked for in everything that the scenario left: what the processes and the command line wrote, the
 * database and its log, the verifier's folder, metrics, errors, the audit log. In plain text, and in the disguises in which a text gets into
 * such places (secret-scan.test-support.ts).
 */

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createApi } from "@keyover/client/api";
import { makeKeyText, sha256Text } from "@keyover/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SecretScan } from "../packages/server/src/secret-scan.test-support.ts";
import {
  type Authority,
  ask,
  issueKey,
  KEYOVER,
  protectApi,
  type Reply,
  rotate,
  rotationOf,
  startAuthority,
} from "./authority.test-support.ts";
import { type Bot, startBot } from "./market.test-support.ts";
import { endAll, makeFolder, run, until } from "./processes.test-support.ts";
import { type VerifyingApi, verifyingApi } from "./verifying-api.test-support.ts";

const folder = makeFolder("canary");
const dataDir = join(folder, "verifier");
const backups = makeFolder("canary-backups");
/** What was handed out or presented, by what it was. */
const secrets = new Map<string, string>();
/** Answers that are not supposed to carry a secret. */
const answers: string[] = [];
/** What the client's calls threw. */
const errors: unknown[] = [];
/** What the command line printed, by command. */
const printed = new Map<string, string>();
let authority: Authority;
let verifier: VerifyingApi;
let bot: Bot;
let written = "";
let metrics = "";

beforeAll(async () => {
  authority = await startAuthority();
  const { verifierToken } = await protectApi(authority, "market", "mkt");
  secrets.set("the administrator's token", authority.adminToken);
  secrets.set("the verifier's token", verifierToken);
  verifier = await verifyingApi({ authorityUrl: authority.url, token: verifierToken, apis: ["market"], dataDir });
  await verifier.start();
  await lifeOfKeys();
  await everythingWrong();
  await commandLine();
  metrics = (await ask(`${authority.url}/metrics`, { token: authority.adminToken })).text;
  written = [authority, verifier].map((server) => server.written()).join("\n") + bot.process.out() + bot.process.err();
}, 60_000);
afterAll(endAll);

/** Keys made, rotated by the client, rolled back, killed; secrets claimed, handed in, never claimed. */
async function lifeOfKeys(): Promise<void> {
  const key = await issueKey(authority, "market", "held");
  secrets.set("a key's first version", key.secret);
  secrets.set("a consumer's token", key.consumerToken);
  const client = { authorityUrl: authority.url, consumerToken: key.consumerToken };
  bot = startBot({ name: "canary", folder, secret: key.secret, apis: [`${verifier.url}/market?`], ...client });
  await until(() => bot.counts().accepted > 3, "the bot to be served");
  const { id } = await rotate(authority, key.keyId);
  await until(() => bot.counts().version === 2, "the bot to move");
  secrets.set("a successor that the client claimed", readFileSync(bot.keyFile, "utf8").trim());
  await authority.admin.request("post", "/v1/rotations/{rotation}/rollback", {
    params: { rotation: id },
    body: { reason: "canary" },
  });

  const own = makeKeyText("mkt", "live", randomBytes);
  secrets.set("a secret that the consumer made", own);
  const made = await issueKey(authority, "market", "made", { sha256: sha256Text(own) });
  const waiting = await rotate(authority, made.keyId);
  await until(async () => (await rotationOf(authority, waiting.id)).offeredAt, "the offer");
  const claimed = await made.consumer.request("post", "/v1/rotations/{rotation}/claim", {
    params: { rotation: waiting.id },
    body: {},
  });
  secrets.set("a successor that was claimed and not used", claimed.secret);
  await authority.admin.request("post", "/v1/keys/{key}/emergency", {
    params: { key: made.keyId },
    body: { mode: "kill", version: 1, reason: "canary" },
  });

  // Answered twice, so that the stored answer is put together again from its sealed copy.
  const headers = { "idempotency-key": "canary" };
  const again = () =>
    ask(`${authority.url}/v1/tokens`, {
      token: authority.adminToken,
      body: { name: "auditor", role: "auditor" },
      headers,
    });
  const token = await again();
  expect((await again()).body).toEqual(token.body);
  secrets.set("a token made twice", String(token.body.secret));
}

/** Secrets where they do not belong: in paths, queries, bodies, headers, wrong places. */
async function everythingWrong(): Promise<void> {
  const send = async (path: string, options: Parameters<typeof ask>[1] = {}): Promise<Reply> => {
    const reply = await ask(authority.url + path, { token: authority.adminToken, ...options });
    // What the caller sent in its own request may come back to it; a secret of another may not.
    answers.push(reply.status < 300 ? "" : reply.text);
    return reply;
  };
  const secret = secrets.get("a key's first version") as string;
  const lost = secrets.get("the verifier's token") as string;
  await send("/v1/keys", { token: secret });
  await send("/v1/keys", { token: lost });
  await send("/v1/consumers", { body: `{"name": "${secret}"` });
  await send("/v1/keys", { body: { secret }, headers: { "idempotency-key": secret } });
  await send("/v1/verify", { body: { api: "market", key: secret, network: "not an address" } });
  await send("/v1/verify", { body: { api: "market", key: `${secret.slice(0, -1)}`, scope: "market:read" } });
  await send("/v1/rotations/rot_0000000000000000000000/claim", { token: secret, body: {} });
  await send("/v1/changeover", { token: secret, body: {} });
  for (const key of [secret, `${secret}x`, "nonsense"]) await ask(`${verifier.url}/market`, { token: key });
  for (const [url, token] of [
    [authority.url, secret],
    [authority.url, lost],
    ["http://127.0.0.1:1", authority.adminToken],
  ] as const)
    errors.push(
      await createApi({ url, token })
        .request("get", "/v1/keys", { query: {} })
        .catch((error: unknown) => error),
    );
  const second = run(KEYOVER, ["serve", "--data", authority.data, "--listen", "127.0.0.1:0"]);
  await second.end;
  answers.push(second.out() + second.err());
}

/** All that can be read by the command line, and what it says when something is wrong. Not what makes a secret: that is shown once. */
async function commandLine(): Promise<void> {
  const secret = secrets.get("a key's first version") as string;
  const [key] = (await authority.admin.request("get", "/v1/keys", { query: {} })).items;
  const [rotation] = (await authority.admin.request("get", "/v1/rotations", { query: {} })).items;
  const { id: keyId } = key as { id: string };
  const { id: rotationId } = rotation as { id: string };
  const env = { KEYOVER_URL: authority.url, KEYOVER_TOKEN: authority.adminToken };
  const commands: [args: string[], env?: Record<string, string>][] = [
    ...["api", "consumer", "key", "rotation", "token", "audit"].map((room): [string[]] => [[room, "list"]]),
    ...[
      ["key", "show"],
      ["key", "usage"],
    ].map((command): [string[]] => [[...command, keyId]]),
    ...[
      ["rotation", "show"],
      ["rotation", "evidence"],
    ].map((command): [string[]] => [[...command, rotationId]]),
    [["api", "verifiers", "market"]],
    [["audit", "list", "--verify"]],
    [["audit", "list", "--json"]],
    [["doctor", "--data", authority.data]],
    [["backup", "--data", authority.data, "--to", join(backups, "keyover.backup")]],
    [["reconcile"]],
    [["verify", "--api", "market"], { KEYOVER_KEY: secret }],
    [["verify", "--api", "market"], { KEYOVER_KEY: `${secret}x` }],
    [["key", "list"], { KEYOVER_TOKEN: secret }],
    [["key", "list"], { KEYOVER_URL: "http://127.0.0.1:1" }],
    [["token", "revoke", "tok_none", "--yes"]],
    [["key", "lits"]],
  ];
  for (let i = 0; i < commands.length; i += 4) {
    const some = commands.slice(i, i + 4).map(async ([args, more], j) => {
      const program = run(KEYOVER, args, { env: { ...env, ...more } });
      const code = await program.end;
      printed.set(`#${i + j} keyover ${args.join(" ")} (${code})`, program.out() + program.err());
    });
    await Promise.all(some);
  }
}

/** What the scenario left on disk. Whatever else is written gets a line here. The bot's key file holds a secret by design. */
const leftOnDisk = () => [authority.data, dataDir, backups];

function scanFor(planted: ReadonlyMap<string, string>): SecretScan {
  const scan = new SecretScan();
  for (const [name, secret] of planted) scan.plant(name, secret);
  return scan;
}

function expectNoSecretIn(place: string, text: string): void {
  const scan = scanFor(secrets);
  scan.look(place, text);
  expect(scan.findings).toEqual([]);
}

function filesBelow(path: string): string[] {
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe("I15: no secret of the scenario is", () => {
  it("missing from the list, or overlooked by the search", () => {
    expect(secrets.size).toBe(8);
    for (const secret of secrets.values()) {
      for (const text of [
        `x${secret}y`,
        encodeURIComponent(secret),
        Buffer.from(secret).toString("hex"),
        Buffer.from(`key=${secret}`).toString("base64"),
      ]) {
        expect(() => expectNoSecretIn("planted", text)).toThrow();
      }
    }
  });

  it("in what the authority, the verifier and the client wrote, though they wrote enough", () => {
    expect(authority.process().err()).toContain("http.answered");
    expect(authority.process().err()).toContain("rotation.moved");
    expectNoSecretIn("the processes' output", written);
  });

  it("in any file that the authority or the verifier keeps, while they run or after their end", async () => {
    const live = leftOnDisk().flatMap(filesBelow);
    expect(live.some((file) => file.endsWith("-wal"))).toBe(true);
    const ofVerifier = live.filter((file) => file.startsWith(dataDir)).map((file) => file.slice(dataDir.length + 1));
    expect(ofVerifier).toEqual(expect.arrayContaining(["api-market.journal", "api-market.replica", "lock"]));
    const scan = scanFor(secrets);
    scan.lookInto(...leftOnDisk());
    await Promise.all([authority.stop(), verifier.stop()]);
    scan.lookInto(...leftOnDisk());
    expect(scan.findings).toEqual([]);
    expect(scan.scanned.files).toBeGreaterThanOrEqual(live.length);
  });

  it("in what the command line prints", () => {
    const all = [...printed.values()].join("\n");
    for (const word of [
      "rolled-back",
      "rotation.planned",
      "sealed secrets: ",
      "malformed",
      "unauthenticated",
      "keyover help shows",
    ])
      expect(all).toContain(word);
    for (const [command, text] of printed) {
      expect(text.length, command).toBeGreaterThan(10);
      expectNoSecretIn(command, text);
    }
  });

  it("in the metrics", () => {
    expect(metrics).toContain("keyover_http_request_seconds_bucket");
    expectNoSecretIn("metrics", metrics);
  });

  it("in an error that somebody is shown", () => {
    expect(answers.filter((text) => text.includes('"code"')).length).toBeGreaterThan(4);
    for (const text of answers) expectNoSecretIn("an error", text);
    expect(errors.map((error) => (error as { code?: string }).code)).toEqual([
      "unauthenticated",
      "forbidden",
      "unreachable",
    ]);
    const scan = scanFor(secrets);
    for (const error of errors) scan.lookAt("an error of the client's", error);
    expect(scan.findings).toEqual([]);
  });
});
