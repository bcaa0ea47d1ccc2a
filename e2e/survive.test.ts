/**
 * What happens while the authority, an API or the network between them is away. APIs go on from what they know, for as long as their
 * policy says and not longer; nothing that was revoked comes back.
 */
import { randomBytes } from "node:crypto";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeKeyText } from "@keyover/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Authority,
  ask,
  type Issued,
  issueKey,
  protectApi,
  rotate,
  rotationOf,
  type Staleness,
  startAuthority,
} from "./authority.test-support.ts";
import { readSnapshot } from "./feed.test-support.ts";
import { startMarketApi } from "./market.test-support.ts";
import { Partition, type Wire } from "./partition.test-support.ts";
import { endAll, makeFolder, until } from "./processes.test-support.ts";
import { type VerifyingApi, verifyingApi } from "./verifying-api.test-support.ts";

/** How long after a promised moment a busy machine may notice it. */
const LATE_MS = 1_500;

const folder = makeFolder("survive");
const get = (api: { url: string }, path: string, key: string) => ask(api.url + path, { token: key });
const revoke = ({ admin }: Authority, keyId: string) =>
  admin.request("post", "/v1/keys/{key}/revoke", { params: { key: keyId }, body: { reason: "leaked" } });

async function verifierToken({ admin }: Authority, apis: string[]): Promise<string> {
  const body = { name: apis.join(" "), role: "verifier" as const, apis, environments: ["live"] };
  return (await admin.request("post", "/v1/tokens", { body })).secret as string;
}

afterAll(endAll);

describe("the authority is away", () => {
  const policies: Record<string, Staleness> = {
    steady: { leaseMs: 2_000, onStale: "static", staticMs: 600_000 },
    brief: { leaseMs: 2_000, onStale: "static", staticMs: 2_000 },
    closed: { leaseMs: 2_000, onStale: "closed", staticMs: 0 },
  };
  let authority: Authority;
  let api: VerifyingApi;
  const keys = new Map<string, Issued>();
  const keyOf = (name: string) => keys.get(name) as Issued;
  const codeOf = async (name: string) => (await get(api, `/${name}`, keyOf(name).secret)).body.code ?? "ok";

  beforeAll(async () => {
    authority = await startAuthority();
    let i = 0;
    for (const [name, staleness] of Object.entries(policies)) {
      await protectApi(authority, name, `ap${i++}`, { staleness });
      keys.set(name, await issueKey(authority, name, `consumer of ${name}`));
    }
    const token = await verifierToken(authority, Object.keys(policies));
    api = await verifyingApi({
      authorityUrl: authority.url,
      token,
      apis: Object.keys(policies),
      dataDir: join(folder, "away"),
      listenFirst: true,
    });
    await api.start();
    for (const name of keys.keys()) await until(async () => (await codeOf(name)) === "ok", `${name} to be served`);
    // The leave to go on is written every two seconds.
    await sleep(2_200);
  });

  it("R42: it goes on verifying, and past its lease does what its policy says, and says so", async () => {
    await authority.kill();
    const killedAt = performance.now();
    const lastOk = new Map<string, number>();
    const staleSaid = new Set<string>();
    while (performance.now() - killedAt < 4_000 + LATE_MS) {
      for (const name of keys.keys()) {
        const at = performance.now() - killedAt;
        const { status, body } = await get(api, `/${name}`, keyOf(name).secret);
        if (status === 200) lastOk.set(name, at);
        else expect([status, body.code]).toEqual([503, "verifier_unavailable"]);
        if (body.stale === true) staleSaid.add(name);
      }
      await sleep(20);
    }
    expect(lastOk.get("closed")).toBeLessThan(2_000 + LATE_MS / 2);
    expect(lastOk.get("brief")).toBeGreaterThan(2_000);
    expect(lastOk.get("brief")).toBeLessThan(4_000 + LATE_MS / 2);
    expect(lastOk.get("steady")).toBeGreaterThan(4_000 + LATE_MS - 500);
    expect([...staleSaid].sort()).toEqual(["brief", "steady"]);
  });

  it("R42: killed and started again while the authority is away, it serves from its disk what its policy still allows", async () => {
    await api.kill();
    await api.start();
    await until(async () => (await codeOf("steady")) === "ok", "the restarted API to serve from its disk");
    const served = await get(api, "/steady", keyOf("steady").secret);
    expect(served.body).toMatchObject({ version: 1, stale: true });
    for (const name of ["closed", "brief"]) {
      const refused = await get(api, `/${name}`, keyOf(name).secret);
      expect([refused.status, refused.body.code, refused.headers.get("retry-after")]).toEqual([
        503,
        "verifier_unavailable",
        "1",
      ]);
    }
  });

  it("R42: a good key that the replica does not know is not called a bad one", async () => {
    const unknown = await get(api, "/steady", "ap0_live_4sT0mWqZ81vLx0PbNc72KdRfY3uHaEgJ000000");
    expect([unknown.status, unknown.body.code]).toEqual([401, "invalid_key"]); // its checksum is wrong
    const fresh = await get(api, "/steady", makeKeyText("ap0", "live", randomBytes));
    expect([fresh.status, fresh.body.code]).toEqual([503, "verifier_unavailable"]);
  });

  it("R42: when the authority is back all answer again", async () => {
    await authority.start();
    for (const name of keys.keys())
      await until(async () => (await codeOf(name)) === "ok", `${name} to be served again`);
    await until(async () => (await api.status()).every(({ stale }) => !stale), "every lease to be fresh");
  });
});

describe("the network is away", () => {
  const WIRES: Wire[] = ["cut", "silent", "deaf", "mute", "stuck"];
  const LEASE_MS = 2_000;
  const STATIC_MS = 1_000;

  it("R27 I4: a revocation reaches a cut-off verifier no later than lease and static time say, whatever the cut; healed, all agree", async () => {
    const authority = await startAuthority();
    const { verifierToken: token } = await protectApi(authority, "market", "mkt", {
      staleness: { leaseMs: LEASE_MS, onStale: "static", staticMs: STATIC_MS },
    });
    const revoked = await issueKey(authority, "market", "revoked");
    const kept = await issueKey(authority, "market", "kept");
    const wires = await Promise.all(WIRES.map(() => Partition.to(authority.url)));
    const behind = await Promise.all(
      wires.map(async ({ url }, i) => {
        const api = await verifyingApi({ authorityUrl: url, token, apis: ["market"], instance: `behind-${WIRES[i]}` });
        await api.start();
        return api;
      }),
    );
    const direct = await verifyingApi({ authorityUrl: authority.url, token, apis: ["market"], instance: "direct" });
    await direct.start();
    for (const api of [...behind, direct]) expect((await get(api, "/market", revoked.secret)).status).toBe(200);

    for (const [i, wire] of wires.entries()) wire.set(WIRES[i] as Wire);
    await revoke(authority, revoked.keyId);
    const revokedAt = performance.now();
    await until(
      async () => (await get(direct, "/market", revoked.secret)).status === 401,
      "the connected verifier to refuse",
      { waitMs: 1_500 },
    );
    const lastAccepted = new Map<string, number>();
    while (performance.now() - revokedAt < LEASE_MS + STATIC_MS + LATE_MS) {
      for (const [i, api] of behind.entries()) {
        const at = performance.now() - revokedAt;
        if ((await get(api, "/market", revoked.secret)).status === 200) lastAccepted.set(WIRES[i] as Wire, at);
      }
      await sleep(20);
    }
    for (const wire of WIRES)
      expect({ wire, at: lastAccepted.get(wire) ?? 0 }).toSatisfy(({ at }) => at < LEASE_MS + STATIC_MS);
    // "mute" hears the feed until it notices that nobody hears it: the revocation came through at once.
    for (const wire of ["cut", "silent", "deaf", "stuck"]) expect(lastAccepted.get(wire) ?? 0).toBeGreaterThan(100);

    for (const wire of wires) wire.set("whole");
    const { head } = await readSnapshot(authority.url, "market", token);
    for (const api of [...behind, direct]) {
      await until(async () => {
        const [status] = await api.status();
        return status !== undefined && status.seq === head && !status.stale;
      }, "the verifier to be level after healing");
      expect(await api.verdict(revoked.secret)).toMatchObject({ valid: false, code: "revoked" });
      expect(await api.verdict(kept.secret, "trade:write")).toMatchObject({ valid: true, version: 1 });
    }
    for (const wire of wires) wire.close();
  });
});

describe("in the middle of a rotation", () => {
  it("R14 R42: new verifiers, and an authority stopped or killed, change nothing but the time it takes", async () => {
    const authority = await startAuthority();
    const { verifierToken: token } = await protectApi(authority, "market", "mkt");
    const key = await issueKey(authority, "market", "rotated");
    const start = (name: string) =>
      startMarketApi({ authorityUrl: authority.url, verifierToken: token, dataDir: join(folder, name) });
    const first = await start("mid-1");
    await until(async () => (await get(first, "/v1/ticker/BTC-USD", key.secret)).status === 200, "the first use");

    // Paused, it keeps the rotation propagating; the authority is killed right there.
    first.process().pause();
    const { id } = await rotate(authority, key.keyId);
    await authority.kill();
    await authority.start();
    expect((await rotationOf(authority, id)).phase).toBe("propagating");
    first.process().resume();
    await until(async () => (await rotationOf(authority, id)).phase === "offered", "the offer");

    // A verifier that comes now knows both versions.
    const second = await start("mid-2");
    const claim = await key.consumer.request("post", "/v1/rotations/{rotation}/claim", {
      params: { rotation: id },
      body: {},
    });
    expect(await authority.stop()).toBe(0);
    for (const api of [first, second]) {
      for (const secret of [key.secret, claim.secret])
        expect((await get(api, "/v1/ticker/BTC-USD", secret)).status).toBe(200);
    }
    await authority.start();
    const retired = await until(async () => {
      const rotation = await rotationOf(authority, id);
      return rotation.phase === "retired" ? rotation : undefined;
    }, "the old version to retire on evidence");
    expect(retired.forced).toBeNull();
    for (const api of [first, second]) {
      expect((await get(api, "/v1/ticker/BTC-USD", claim.secret)).status).toBe(200);
      await until(
        async () => (await get(api, "/v1/ticker/BTC-USD", key.secret)).body.code === "key_retired",
        "the old version to be refused",
      );
    }
  });

  it("I5: a verifier started on an old copy of its folder brings nothing back", async () => {
    const authority = await startAuthority();
    const { verifierToken: token } = await protectApi(authority, "market", "mkt", {
      staleness: { leaseMs: 2_000, onStale: "static", staticMs: 1_000 },
    });
    const revoked = await issueKey(authority, "market", "revoked");
    const kept = await issueKey(authority, "market", "kept");
    const dataDir = join(folder, "old");
    const settings = { authorityUrl: authority.url, token, apis: ["market"], instance: "old", dataDir };
    const api = await verifyingApi({ ...settings, listenFirst: true });
    await api.start();
    await until(async () => (await get(api, "/market", revoked.secret)).status === 200, "the first use");
    await sleep(2_200);
    await api.kill();
    cpSync(dataDir, `${dataDir}-copy`, { recursive: true });
    await api.start();
    await until(async () => (await get(api, "/market", revoked.secret)).status === 200, "the key to be accepted again");
    await revoke(authority, revoked.keyId);
    const revokedAt = performance.now();
    await until(async () => (await get(api, "/market", revoked.secret)).status === 401, "the revocation", {
      waitMs: 1_500,
    });
    await api.kill();

    // Nothing but the old folder, and nobody to ask: within the bound of a partition it may not know; after it, it may not answer.
    await authority.kill();
    rmSync(dataDir, { recursive: true });
    cpSync(`${dataDir}-copy`, dataDir, { recursive: true });
    await sleep(Math.max(0, 3_000 + 200 - (performance.now() - revokedAt)));
    await api.start();
    for (let i = 0; i < 20; i++) {
      expect((await get(api, "/market", revoked.secret)).status).toBe(503);
      await sleep(20);
    }
    // With the authority back the old folder is caught up before a word is said.
    await authority.start();
    await until(async () => {
      expect((await get(api, "/market", revoked.secret)).status).not.toBe(200);
      return (await get(api, "/market", kept.secret)).status === 200;
    }, "the verifier to be level");
    expect(await api.verdict(revoked.secret)).toMatchObject({ code: "revoked" });
  });
});
