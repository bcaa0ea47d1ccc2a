/** What a reviewer broke once, with its story. Each attack must stay broken. */
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { sha256Text } from "@keyover/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, MINUTE, SECOND, TestAuthority } from "./authority.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api();
  consumer = await keyover.consumer();
});
afterEach(() => keyover.close());

test("a request that was begun with a token ends with it: the last byte comes after the revocation", async () => {
  await keyover.authority.app.listen({ host: "127.0.0.1", port: 0 });
  const token = await keyover.ok("POST", "/v1/tokens", { name: "leaver", role: "admin" });
  const socket = connect((keyover.authority.app.server.address() as AddressInfo).port, "127.0.0.1");
  const body = JSON.stringify({ name: "backdoor", role: "admin" });
  const head = ["POST /v1/tokens HTTP/1.1", "host: x", `authorization: Bearer ${token.secret}`];
  head.push("content-type: application/json", `content-length: ${body.length}`, "connection: close", "", "");
  socket.write(head.join("\r\n") + body.slice(0, 1));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await keyover.ok("POST", `/v1/tokens/${token.id}/revoke`, {});
  await keyover.clock.advance(SECOND);
  socket.write(body.slice(1));
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  expect(answer.toString()).toContain("401 Unauthorized");
  expect((await keyover.ok("GET", "/v1/tokens")).items.map(({ name }: { name: string }) => name)).not.toContain(
    "backdoor",
  );
});

test("reports about a version that does not exist yet say nothing once it does", async () => {
  const key = await keyover.key({ api, consumer });
  const liar = await keyover.verifier(api);
  for (const version of [2, 3]) liar.see(key.id, version);
  await keyover.pass(SECOND);
  const rotation = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
  await keyover.pass(MINUTE);
  expect(await keyover.ok("GET", `/v1/rotations/${rotation.id}`)).toMatchObject({ phase: "offered", usedAt: null });
});

test("a key's sources are bounded, whoever makes them up", async () => {
  const key = await keyover.key({ api, consumer });
  const verifier = await keyover.verifier(api);
  for (let i = 0; i < 700; i++) {
    verifier.see(key.id, 1, { source: { network: "unknown", client: `agent-${i}`, instance: "" } });
  }
  await keyover.pass(SECOND);
  const { sources } = await keyover.ok("GET", `/v1/keys/${key.id}/usage`);
  expect(sources.length).toBeLessThanOrEqual(301);
  const count = (each: { versions: { accepted: number }[] }) => each.versions[0]?.accepted ?? 0;
  expect(sources.reduce((sum: number, each: never) => sum + count(each), 0)).toBe(700);
});

test("a fence is built of networks that a verifier can have seen, not of what a report calls one", async () => {
  const key = await keyover.key({ api, consumer });
  const verifier = await keyover.verifier(api);
  for (const network of ["0.0.0.0/0", "::/0", "192.0.2.0/24", "other"]) {
    verifier.see(key.id, 1, { source: { network, client: "", instance: "" } });
  }
  await keyover.pass(SECOND);
  await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "contain", reason: "leak" });
  const { versions } = await keyover.ok("GET", `/v1/keys/${key.id}`);
  expect(versions[0].fence.networks).toEqual(["192.0.2.0/24"]);
});

test("a killed secret can't be handed in again", async () => {
  const key = await keyover.key({ api, consumer });
  const first = await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "kill", reason: "leak" });
  await keyover.pass(SECOND);
  await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "kill", version: first.to, reason: "leak" });
  await keyover.pass(SECOND);
  const other = await keyover.key({ api, consumer });
  const handedIn = { sha256: sha256Text(key.secret) };
  await keyover.refused("name_taken", "POST", `/v1/keys/${other.id}/rotations`, handedIn);
});

test("a second kill without a version does not strike the successor of the first", async () => {
  const key = await keyover.key({ api, consumer });
  const kill = { mode: "kill", reason: "leak" };
  const rotation = await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, kill);
  await keyover.refused("already_retired", "POST", `/v1/keys/${key.id}/emergency`, kill);
  expect(await keyover.ok("GET", `/v1/rotations/${rotation.id}`)).toMatchObject({ endedAt: null });
});

test("a member named __proto__ is refused, not dropped", async () => {
  const body = '{"name":"x","labels":{"__proto__":"y"}}';
  for (const text of [body, body.replace("__", "\\u005f_")]) {
    const token = await keyover.token("admin");
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
    const answer = await keyover.authority.app.inject({ method: "POST", url: "/v1/consumers", headers, payload: text });
    expect(answer.statusCode).toBe(400);
  }
});
