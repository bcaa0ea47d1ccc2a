/** I15: secrets are planted through a whole scenario, and looked for in everything that it left behind. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256Text } from "@keyover/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type Answer,
  type CallOptions,
  DAY,
  HOUR,
  MINUTE,
  random,
  SECOND,
  TestAuthority,
  TestClock,
} from "./authority.test-support.ts";
import { createCustody } from "./custody/custody.ts";
import { Secret } from "./custody/secret.ts";
import { SecretScan } from "./secret-scan.test-support.ts";
import { openSqliteStore } from "./store/sqlite.ts";

let folder: string;
let keyover: TestAuthority;
let scan: SecretScan;
/** Every answer but those whose purpose is to hand the secret over. */
const answers: string[] = [];
/** Those, as they went out. */
const handovers: string[] = [];
/** What is left on disk. Whatever else is written, a backup for one, gets a line here. */
const leftOnDisk = () => [folder];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "keyover-canary-"));
  scan = new SecretScan();
  answers.length = 0;
  handovers.length = 0;
  const clock = new TestClock();
  const masterKey = random(32);
  scan.plant("master key", masterKey);
  keyover = await TestAuthority.start({
    clock,
    store: openSqliteStore(folder, () => clock.at),
    masterKey,
    logLevel: "trace",
  });
  scan.plant("first token", keyover.adminToken);
  const call = keyover.call.bind(keyover);
  keyover.call = async (method: string, path: string, body?: unknown, options?: CallOptions) => {
    const answer = await call(method, path, body, options);
    const { secret } = answer.body ?? {};
    if (typeof secret === "string") {
      scan.plant(`secret of ${method} ${path} #${scan.size}`, secret);
      answers.push(answer.text.replaceAll(secret, ""));
      handovers.push(answer.text);
    } else answers.push(answer.text);
    answers.push(JSON.stringify(answer.headers));
    return answer;
  };
});
afterEach(() => rmSync(folder, { recursive: true }));

async function scenario(): Promise<void> {
  const api = await keyover.api();
  const consumer = await keyover.consumer();
  const key = await keyover.key({ api, consumer }, { policy: { claim: "self" } });
  const holder = await keyover.token("consumer", { consumer: consumer.id });
  const verifier = await keyover.verifier(api);
  const rotate = async () =>
    (await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {}, { idempotencyKey: `r${scan.size}` })).id;
  const claim = (id: string, token: string) =>
    keyover.ok("POST", `/v1/rotations/${id}/claim`, undefined, { token, idempotencyKey: "c" });
  const idempotencyKey = "k";
  const wanted = { api: api.id, consumer: consumer.id, environment: "live", scopes: ["market:read"] };
  for (let i = 0; i < 2; i++) await keyover.ok("POST", "/v1/keys", wanted, { idempotencyKey });
  for (let i = 0; i < 2; i++)
    await keyover.ok("POST", "/v1/tokens", { name: "t", role: "auditor" }, { idempotencyKey: "t" });

  const first = await rotate();
  await keyover.pass(SECOND);
  await claim(first, holder);
  const { secret } = await claim(first, key.secret);
  await keyover.ok("POST", "/v1/verify", { api: api.id, key: secret, network: "203.0.113.7", client: "bot/1" });
  await keyover.pass(SECOND);
  await keyover.pass(15 * MINUTE);
  await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "kill", version: 2, reason: "leaked" });
  await keyover.pass(SECOND);
  await mistakes(api, key, secret, verifier.token);
  for (const path of [
    "/v1/keys",
    `/v1/keys/${key.id}`,
    `/v1/keys/${key.id}/usage`,
    "/v1/rotations",
    "/v1/tokens",
    "/v1/audit?limit=1000",
    "/metrics",
    "/v1/consumers",
    "/v1/apis",
  ]) {
    await keyover.ok("GET", path);
  }
  await keyover.crash();
  await keyover.pass(DAY);
  await keyover.pass(HOUR);
}

/** Requests that go wrong with a secret in every place where one could come by mistake. */
async function mistakes(api: Answer["body"], key: Answer["body"], secret: string, token: string): Promise<void> {
  const { store } = keyover;
  await keyover.call("POST", "/v1/consumers", `{"name": "${secret}`, {});
  await keyover.call("POST", "/v1/consumers", { name: "x", notes: 5, labels: { a: 1 }, secret: 1 });
  await keyover.call("POST", "/v1/verify", { api: api.id, key: secret, scope: 5 });
  await keyover.call("POST", "/v1/verify", { api: api.id, key: `${secret}${secret}` });
  await keyover.call("POST", `/v1/keys/${key.id}/rotations`, { sha256: sha256Text(secret) });
  await keyover.call("GET", "/v1/keys", undefined, { token: secret });
  // Where a name belongs, a member, a path.
  await keyover.call("GET", `/v1/keys/${secret}`);
  await keyover.call("GET", `/v1/${secret}`);
  await keyover.call("POST", "/v1/keys", { api: secret, consumer: secret, environment: "live", scopes: [secret] });
  await keyover.call("POST", "/v1/consumers", { name: "x", [secret]: 1 });
  await keyover.call("GET", `/v1/apis/${api.id}/feed?after=99`, undefined, { token });
  const sound = { ...store };
  store.list = () => Promise.reject(new Error("the disk is gone"));
  await keyover.call("GET", "/v1/keys", undefined, { token: secret });
  await keyover.call("POST", "/v1/changeover", {}, { token: secret });
  Object.assign(store, sound);
  store.commit = () => Promise.reject(new Error("the disk is gone"));
  await keyover.call("POST", "/v1/keys", { api: api.id, consumer: key.consumer, environment: "live", scopes: [] });
  Object.assign(store, sound);
  store.record = () => Promise.reject(new Error("the disk is gone"));
  await keyover.call("POST", "/v1/verify", { api: api.id, key: secret });
  Object.assign(store, sound);
}

test("no secret is in a log line, an answer that is not its hand-over, or any byte of any file", async () => {
  await scenario();
  expect(readdirSync(folder).some((name) => name.endsWith("-wal"))).toBe(true);
  scan.lookInto(...leftOnDisk());
  await keyover.close();
  scan.lookInto(...leftOnDisk());
  for (const line of keyover.lines) scan.look(`a log line: ${line.slice(0, 60)}`, line);
  for (const answer of answers) scan.look(`an answer: ${answer.slice(0, 60)}`, answer);
  expect(scan.findings).toEqual([]);
  expect(scan.size).toBeGreaterThan(8);
  expect(scan.scanned.files).toBeGreaterThan(3);
  expect(keyover.lines.length).toBeGreaterThan(40);
  expect(answers.length).toBeGreaterThan(60);
  // The scan knows what it looks for: where a secret is, it is found.
  expect(handovers.length).toBeGreaterThan(8);
  for (const [i, answer] of handovers.entries()) {
    scan.look(`hand-over ${i}`, answer);
    expect(scan.findings.some((found) => found.endsWith(`in hand-over ${i}`))).toBe(true);
  }
});

function errorOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return expect.fail("it did not fail");
}

test("no error of custody, and nothing that prints a secret, says it", async () => {
  const text = keyover.adminToken;
  const owner = { owner: "key_a", version: 1, purpose: "claim" } as const;
  const custody = createCustody(keyover.masterKey, random);
  const envelope = JSON.parse(custody.seal(new Secret(text), owner)) as Record<string, string>;
  const altered = { ...envelope, text: `${envelope.text?.startsWith("A") ? "B" : "A"}${envelope.text?.slice(1)}` };
  const attempts = [
    () => custody.open(JSON.stringify(envelope), { ...owner, version: 2 }),
    () => custody.open(JSON.stringify(altered), owner),
    () => custody.open(JSON.stringify({ ...envelope, format: text }), owner),
    () => createCustody(random(32), random).open(JSON.stringify(envelope), owner),
    () => createCustody(keyover.masterKey.subarray(1), random),
  ];
  for (const [i, attempt] of attempts.entries()) scan.lookAt(`error ${i}`, errorOf(attempt));
  scan.lookAt("a secret", new Secret(text));
  scan.lookAt("an error that carries one", Object.assign(new Error("x"), { secret: new Secret(text), custody }));
  expect(scan.findings).toEqual([]);
  expect(scan.scanned.contents).toBeGreaterThan(20);
  await keyover.close();
});

test("log lines hold no header, query, body or address, at any level", async () => {
  const api = await keyover.api();
  const marked = {
    headers: { "x-planted": "planted-header", cookie: "planted-cookie", "user-agent": "planted-agent" },
    ip: "198.51.100.77",
  };
  await keyover.call("POST", "/v1/consumers", { name: "planted-name", notes: "planted-notes" }, marked);
  await keyover.call("POST", "/v1/consumers", { name: 7, notes: "planted-wrong" }, marked);
  await keyover.call("GET", "/v1/consumers?name=planted-query", undefined, marked);
  await keyover.call("GET", "/v1/planted-path", undefined, marked);
  await keyover.call("GET", `/v1/apis/${api.id}/planted-%zz`, undefined, marked);
  await keyover.call("POST", "/v1/consumers", "planted-noise", marked);
  const lines = keyover.lines.join("");
  expect(lines).not.toMatch(/planted|198\.51\.100/);
  for (const line of keyover.lines)
    expect(JSON.parse(line)).toMatchObject({
      level: expect.any(Number),
      event: expect.stringMatching(/^[a-z]+\.[a-z_]+$/),
    });
  await keyover.close();
});
