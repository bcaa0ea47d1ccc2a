/**
 * I15: the secrets of a whole scenario, looked for in everything that the scenario left: what the processes wrote, the database and its
 * log, the verifier's folder, metrics, errors, the audit log. In plain text, and in the disguises in which a text gets into such places.
 */

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeKeyText, sha256Text } from "@keyover/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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
/** What was handed out or presented, by what it was. */
const secrets = new Map<string, string>();
/** Answers that are not supposed to carry a secret. */
const answers: string[] = [];
let authority: Authority;
let verifier: VerifyingApi;
let bot: Bot;
let written = "";
let metrics = "";

beforeAll(async () => {
  authority = await startAuthority({ logLevel: "debug" });
  const { verifierToken } = await protectApi(authority, "market", "mkt");
  secrets.set("the administrator's token", authority.adminToken);
  secrets.set("the verifier's token", verifierToken);
  verifier = await verifyingApi({ authorityUrl: authority.url, token: verifierToken, apis: ["market"], dataDir });
  await verifier.start();
  await lifeOfKeys();
  await everythingWrong();
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
  const second = run(KEYOVER, ["serve", "--data", authority.data, "--listen", "127.0.0.1:0"]);
  await second.end;
  answers.push(second.out() + second.err());
}

/** A secret as it is, and as it gets into logs, tables and URLs. */
function disguises(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].flatMap((shift) => {
    // The middle of the text in base64, wherever in a longer text it began.
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64");
    const middle = encoded.slice(Math.ceil((shift * 8) / 6) + 2, -6);
    return [middle, middle.replaceAll("+", "-").replaceAll("/", "_")];
  });
  const percent = [...bytes].map((byte) => `%${byte.toString(16)}`).join("");
  const random = secret.slice(secret.lastIndexOf("_") + 1);
  return [
    secret,
    encodeURIComponent(secret),
    random,
    random.slice(0, 20),
    bytes.toString("hex"),
    percent,
    secret.split("").reverse().join(""),
    ...base64,
  ];
}

function expectNoSecretIn(place: string, text: string): void {
  const lower = text.toLowerCase();
  for (const [what, secret] of secrets) {
    for (const disguise of disguises(secret)) {
      const found = /^[0-9a-f%]+$/.test(disguise) ? lower.includes(disguise) : text.includes(disguise);
      expect({ place, what, found }).toEqual({ place, what, found: false });
    }
  }
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

  it("in the database, its log, or any other file of the data folder", async () => {
    const live = filesBelow(authority.data);
    expect(live.some((file) => file.endsWith("-wal"))).toBe(true);
    for (const file of live) expectNoSecretIn(file, readFileSync(file, "latin1"));
    await authority.stop();
    for (const file of filesBelow(authority.data)) expectNoSecretIn(file, readFileSync(file, "latin1"));
  });

  it("in the verifier's snapshot, journal or lock", async () => {
    const files = filesBelow(dataDir);
    expect(files.map((file) => file.slice(dataDir.length + 1)).sort()).toEqual(
      expect.arrayContaining(["api-market.journal", "api-market.replica", "lock"]),
    );
    for (const file of files) expectNoSecretIn(file, readFileSync(file, "latin1"));
    await verifier.stop();
  });

  it("in the metrics", () => {
    expect(metrics).toContain("keyover_http_request_seconds_bucket");
    expectNoSecretIn("metrics", metrics);
  });

  it("in an error that somebody is shown", () => {
    expect(answers.filter((text) => text.includes('"code"')).length).toBeGreaterThan(4);
    for (const text of answers) expectNoSecretIn("an error", text);
  });
});
