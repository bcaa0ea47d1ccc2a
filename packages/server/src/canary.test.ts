/** I15: secrets are planted through a whole scenario, and looked for in everything that it left behind. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
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
} from "./authority.test-support.ts";
import { openSqliteStore } from "./store/sqlite.ts";

let folder: string;
let keyover: TestAuthority;
/** What was planted, by a name that may be printed. */
const planted = new Map<string, string>();
/** Every answer but those whose purpose is to hand the secret over. */
const answers: string[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "keyover-canary-"));
  planted.clear();
  answers.length = 0;
  const masterKey = random(32);
  planted.set("master key", Buffer.from(masterKey).toString("latin1"));
  planted.set("master key, base64url", Buffer.from(masterKey).toString("base64url"));
  keyover = await TestAuthority.start({ store: openSqliteStore(folder), masterKey, logLevel: "trace" });
  planted.set("first token", keyover.adminToken);
  const call = keyover.call.bind(keyover);
  keyover.call = async (method: string, path: string, body?: unknown, options?: CallOptions) => {
    const answer = await call(method, path, body, options);
    const { secret } = answer.body ?? {};
    if (typeof secret === "string") {
      planted.set(`secret of ${method} ${path} #${planted.size}`, secret);
      answers.push(answer.text.replaceAll(secret, ""));
    } else answers.push(answer.text);
    answers.push(JSON.stringify(answer.headers));
    return answer;
  };
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The forms in which a secret could lie about. */
function forms(secret: string): Buffer[] {
  const bytes = Buffer.from(secret, "latin1");
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64");
    return text.slice(shift === 0 ? 0 : 4, -4);
  });
  return [
    bytes,
    Buffer.from(bytes.toString("hex")),
    Buffer.from(bytes.toString("hex").toUpperCase()),
    ...base64.flatMap((text) => [Buffer.from(text), Buffer.from(text.replaceAll("+", "-").replaceAll("/", "_"))]),
    Buffer.from(JSON.stringify(secret).slice(1, -1)),
    Buffer.from(encodeURIComponent(secret)),
    Buffer.from(secret, "utf16le"),
  ];
}

function look(where: string, content: Buffer | string): void {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  for (const [name, secret] of planted) {
    for (const [i, form] of forms(secret).entries())
      expect(bytes.includes(form), `${name}, form ${i}, in ${where}`).toBe(false);
  }
}

async function scenario(): Promise<void> {
  const api = await keyover.api();
  const consumer = await keyover.consumer();
  const key = await keyover.key({ api, consumer }, { policy: { claim: "self" } });
  const holder = await keyover.token("consumer", { consumer: consumer.id });
  const verifier = await keyover.verifier(api);
  const rotate = async () =>
    (await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {}, { idempotencyKey: `r${planted.size}` })).id;
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
  const files = () => readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))] as const);
  expect(planted.size).toBeGreaterThan(8);
  expect(files().some(([name]) => name.endsWith("-wal"))).toBe(true);
  for (const [name, bytes] of files()) look(name, bytes);
  await keyover.close();
  for (const [name, bytes] of files()) look(`${name}, after the end`, bytes);
  for (const line of keyover.lines) look(`a log line: ${line.slice(0, 60)}`, line);
  for (const answer of answers) look(`an answer: ${answer.slice(0, 60)}`, answer);
  expect(keyover.lines.length).toBeGreaterThan(40);
  expect(answers.length).toBeGreaterThan(60);
});

test("the canary sings: each form of a secret would be found", () => {
  const secret = ["mkt", "live", "0123456789abcdefghijklmnopqrstuvABCDEF"].join("_");
  planted.clear();
  planted.set("canary", secret);
  const base64 = Buffer.from(`x${secret}yz`).toString("base64");
  for (const text of [
    secret,
    Buffer.from(secret).toString("hex"),
    base64,
    JSON.stringify({ secret }),
    `?key=${encodeURIComponent(secret)}`,
  ]) {
    expect(() => look("here", `before ${text} after`)).toThrow(/canary/);
  }
  expect(() => look("here", "nothing")).not.toThrow();
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
