/**
 * The main job, with real processes: one authority, two APIs with the verifier in them, bots that trade without pause. Keys are
 * changed over under them, and nobody is refused who did nothing wrong.
 */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { makeKeyText, parseRotationHeader, ROTATION_HEADER, sha256Text } from "@keyover/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Authority,
  ask,
  type Issued,
  issueKey,
  protectApi,
  quickPolicy,
  type Rotation,
  rotate,
  rotationOf,
  startAuthority,
} from "./authority.test-support.ts";
import { type Bot, startBot, startMarketApi } from "./market.test-support.ts";
import { endAll, makeFolder, type Server, until } from "./processes.test-support.ts";

const MOVERS = ["mover-1", "mover-2", "mover-3"];
/** A second process of mover-1, on the same key file. */
const TWIN = "mover-1's twin";

let authority: Authority;
let verifierToken: string;
let apis: Server[];
const keys = new Map<string, Issued>();
const bots = new Map<string, Bot>();
const rotations = new Map<string, string>();

const keyOf = (name: string) => keys.get(name) as Issued;
const botOf = (name: string) => bots.get(name) as Bot;
const rotationNow = (name: string) => rotationOf(authority, rotations.get(name) as string);
const ticker = (api: Server, secret: string) => ask(`${api.url}/v1/ticker/BTC-USD`, { token: secret });
const refusals = () =>
  [...bots.values()].flatMap((bot) => bot.counts().refusals.map((each) => ({ bot: bot.name, ...each })));
const evidenceOf = (name: string) =>
  authority.admin.request("get", "/v1/rotations/{rotation}/evidence", {
    params: { rotation: rotations.get(name) as string },
  });

async function phase(name: string, wanted: Rotation["phase"]): Promise<Rotation> {
  let seen = "";
  return until(
    async () => {
      const rotation = await rotationNow(name);
      seen = rotation.phase;
      return rotation.phase === wanted ? rotation : undefined;
    },
    () => `${name}'s rotation to be ${wanted}; it is ${seen}`,
  );
}

async function begin(name: string): Promise<void> {
  rotations.set(name, (await rotate(authority, keyOf(name).keyId, { reason: "e2e" })).id);
}

beforeAll(async () => {
  authority = await startAuthority();
  ({ verifierToken } = await protectApi(authority, "market", "mkt"));
  const folder = makeFolder("market");
  const start = (name: string) =>
    startMarketApi({ authorityUrl: authority.url, verifierToken, dataDir: join(folder, name) });
  apis = await Promise.all([start("api-1"), start("api-2")]);
  for (const name of [...MOVERS, "straggler", "careless", "victim"]) {
    const key = await issueKey(authority, "market", name);
    keys.set(name, key);
    if (name === "careless") continue;
    const client = name === "straggler" ? {} : { authorityUrl: authority.url, consumerToken: key.consumerToken };
    bots.set(name, startBot({ name, folder, secret: key.secret, apis: apis.map(({ url }) => url), ...client }));
  }
  const { keyFile } = botOf("mover-1");
  const { secret, consumerToken } = keyOf("mover-1");
  const client = { authorityUrl: authority.url, consumerToken };
  bots.set(TWIN, startBot({ name: TWIN, folder, keyFile, secret, apis: apis.map(({ url }) => url), ...client }));
  await until(() => [...bots.values()].every((bot) => bot.counts().accepted > 10), "every bot to be served");
});
afterAll(endAll);

describe("a changeover under live traffic", () => {
  it("R01 R02 R43: while two versions overlap both are accepted, and the old one is told where to go", async () => {
    for (const name of [...MOVERS, "straggler"]) await begin(name);
    await until(
      () => [...MOVERS, TWIN].every((name) => botOf(name).counts().version === 2),
      "the movers to be on version 2",
    );
    for (const api of apis) {
      const old = await ticker(api, keyOf("straggler").secret);
      expect(old.status).toBe(200);
      const { offeredAt, overlapEndsAt } = await rotationNow("straggler");
      expect(parseRotationHeader(old.headers.get(ROTATION_HEADER))).toEqual({
        id: rotations.get("straggler"),
        phase: "offered",
        version: 1,
        target: 2,
        endsAt: Math.floor((overlapEndsAt as number) / 1000) * 1000,
      });
      expect(old.headers.get("deprecation")).toBe(`@${Math.floor((offeredAt as number) / 1000)}`);
      expect(old.headers.get("sunset")).toBe(new Date(overlapEndsAt as number).toUTCString());
      expect(old.headers.get("link")).toContain('rel="deprecation"');
    }
    expect(refusals()).toEqual([]);
  });

  it("R06 R07: what moved retires on evidence; a straggler holds its own rotation back, and the evidence names it", async () => {
    for (const name of MOVERS) {
      const rotation = await phase(name, "retired");
      expect(rotation.forced).toBeNull();
      expect(rotation.retiredAt).toBeGreaterThanOrEqual(
        (rotation.offeredAt as number) + (quickPolicy.overlapMinMs as number),
      );
      // The bot's word for when it last sent version 1, against the authority's for when that was quiet.
      const lastOld = botOf(name).counts().lastSentAt[1] as number;
      expect(rotation.retiredAt).toBeGreaterThanOrEqual(lastOld + (quickPolicy.quietMs as number));
    }
    const held = await rotationNow("straggler");
    expect(held.phase).toBe("offered");
    expect(held.overlapEndsAt).toBeLessThan(Date.now());
    const evidence = await evidenceOf("straggler");
    expect(evidence.gates.map(({ name, met }) => [name, met])).toEqual([
      ["minimum-overlap", true],
      ["successor-used", false],
      ["old-version-quiet", false],
    ]);
    // The loudest source stands first.
    const [loudest] = evidence.quiet.sources;
    expect(loudest).toMatchObject({
      source: { network: "127.0.0.0/24", instance: "straggler" },
      quiet: false,
      moved: false,
    });
    expect(evidence.gates[2]?.explanation).toMatch(/straggler used version 1 at .*; its usual gap is [\d.]+ s/);
    expect(evidence.shares).toMatchObject([{ version: 1, share: 1 }]);
    expect(refusals()).toEqual([]);
  });

  it("R43: the holder of a retired version is told that it is retired and since when", async () => {
    const { retiredAt } = await rotationNow("mover-1");
    for (const api of apis) {
      const refused = await ticker(api, keyOf("mover-1").secret);
      expect([refused.status, refused.body.code]).toEqual([401, "key_retired"]);
      expect(refused.body.retiredAt).toBe(new Date(retiredAt as number).toISOString());
      expect(refused.headers.get("content-type")).toContain("application/problem+json");
    }
  });

  it("R07: once the straggler has moved, its old version retires", async () => {
    const straggler = keyOf("straggler");
    const claim = await straggler.consumer.request("post", "/v1/rotations/{rotation}/claim", {
      params: { rotation: rotations.get("straggler") as string },
      body: {},
    });
    writeFileSync(botOf("straggler").keyFile, `${claim.secret}\n`);
    const rotation = await phase("straggler", "retired");
    expect(rotation.forced).toBeNull();
    const { lastSentAt } = botOf("straggler").counts();
    expect(rotation.usedAt).toBeGreaterThanOrEqual(Math.floor(lastSentAt[1] as number));
    expect(rotation.retiredAt).toBeGreaterThanOrEqual((lastSentAt[1] as number) + (quickPolicy.quietMs as number));
    expect(refusals()).toEqual([]);
  });
});

describe("handing over the successor", () => {
  it("R04: a claim whose answer was lost is made again, with the same secret, until that is used", async () => {
    const { keyId, consumer, consumerToken } = keyOf("careless");
    await begin("careless");
    const rotation = rotations.get("careless") as string;
    await phase("careless", "offered");
    await loseTheAnswer(`/v1/rotations/${rotation}/claim`, consumerToken);
    const claim = () => consumer.request("post", "/v1/rotations/{rotation}/claim", { params: { rotation }, body: {} });
    const first = await claim();
    expect(first).toMatchObject({ rotation, key: keyId, version: 2 });
    expect(await claim()).toEqual(first);

    for (const api of apis) expect((await ticker(api, first.secret)).status).toBe(200);
    await until(async () => (await rotationNow("careless")).usedAt, "the use to be reported");
    const late = await ask(`${authority.url}/v1/rotations/${rotation}/claim`, { token: consumerToken, body: {} });
    expect([late.status, late.body.code]).toEqual([410, "claim_ended"]);
  });

  it("R04: a consumer makes the secret itself and hands in only its hash", async () => {
    const { keyId, secret: old, consumer } = await issueKey(authority, "market", "maker");
    const own = makeKeyText("mkt", "live", randomBytes);
    const rotation = await consumer.request("post", "/v1/keys/{key}/rotations", {
      params: { key: keyId },
      body: { reason: "our own generator", sha256: sha256Text(own) },
    });
    expect(rotation.origin).toBe("consumer");
    await until(async () => (await rotationOf(authority, rotation.id)).offeredAt, "the offer");
    for (const api of apis) for (const secret of [old, own]) expect((await ticker(api, secret)).status).toBe(200);
    const changeover = await consumer.request("post", "/v1/changeover", { body: { sha256: sha256Text(old) } });
    expect(changeover).toMatchObject({ key: keyId, version: 1, target: 2, rotation: { claimable: false } });
  });

  it("R03: no successor before every verifier has applied it: a stopped one keeps it back, and is named", async () => {
    const known = new Set((await verifiers()).map(({ boot }) => boot));
    const dataDir = join(makeFolder("stopped"), "api-3");
    const third = await startMarketApi({ authorityUrl: authority.url, verifierToken, dataDir });
    const boot = await until(
      async () => (await verifiers()).find((each) => !known.has(each.boot)),
      "the third verifier",
    );
    const key = await issueKey(authority, "market", "patient");
    keys.set("patient", key);
    third.process().pause();
    try {
      await begin("patient");
      const rotation = rotations.get("patient") as string;
      const waiting = await until(async () => {
        const { waitingFor } = await evidenceOf("patient");
        return waitingFor.length === 1 ? waitingFor : undefined;
      }, "the stopped verifier to be the only one missing");
      expect(waiting).toMatchObject([{ boot: boot.boot, instance: boot.instance }]);
      expect((await rotationNow("patient")).phase).toBe("propagating");
      const early = await ask(`${authority.url}/v1/rotations/${rotation}/claim`, {
        token: key.consumerToken,
        body: {},
      });
      expect([early.status, early.body.code]).toEqual([409, "rotation_not_offered"]);
      const told = await key.consumer.request("post", "/v1/changeover", { body: { sha256: sha256Text(key.secret) } });
      expect(told).toMatchObject({ target: 1, rotation: null });
    } finally {
      third.process().resume();
    }
    await phase("patient", "offered");
    const claim = await key.consumer.request("post", "/v1/rotations/{rotation}/claim", {
      params: { rotation: rotations.get("patient") as string },
      body: {},
    });
    for (const api of [...apis, third]) expect((await ticker(api, claim.secret)).status).toBe(200);
    expect(await third.stop()).toBe(0);
  });
});

describe("going back, and the emergency", () => {
  it("R09: one call makes a retired version accepted again everywhere, and the bot goes back to it", async () => {
    const { secret: old } = keyOf("mover-3");
    const rolledBack = await authority.admin.request("post", "/v1/rotations/{rotation}/rollback", {
      params: { rotation: rotations.get("mover-3") as string },
      body: { reason: "an order was lost" },
    });
    expect(rolledBack.phase).toBe("rolled-back");
    for (const api of apis) {
      await until(async () => (await ticker(api, old)).status === 200, "the old version to be accepted again");
    }
    await until(() => botOf("mover-3").counts().version === 1, "the bot to be back on version 1");
    expect(refusals()).toEqual([]);
  });

  it("R27 R50: a killed version is refused everywhere within the bound; its owner moves on without one refused request", async () => {
    const { keyId, secret: leaked } = keyOf("victim");
    for (const api of apis) expect((await ticker(api, leaked)).status).toBe(200);
    const { id } = await authority.admin.request("post", "/v1/keys/{key}/emergency", {
      params: { key: keyId },
      body: { mode: "kill", reason: "found in a public repository" },
    });
    rotations.set("victim", id);
    for (const api of apis) {
      await until(async () => (await ticker(api, leaked)).status === 401, "the leaked version to be refused");
      expect((await ticker(api, leaked)).text).toBe((await ticker(api, "no key at all")).text);
    }
    await until(() => botOf("victim").counts().version === 2, "the owner to be on version 2");
    const thief = await ask(`${authority.url}/v1/rotations/${id}/claim`, { token: leaked, body: {} });
    expect(thief.status).toBe(401);
    expect(refusals()).toEqual([]);
  });

  it("R50: not one request of a bot was refused, in all of this", async () => {
    for (const bot of bots.values()) {
      await bot.stop();
      const counts = bot.counts();
      expect({ bot: bot.name, refused: counts.refused, refusals: counts.refusals }).toEqual({
        bot: bot.name,
        refused: 0,
        refusals: [],
      });
      expect(counts.accepted).toBe(counts.requests);
      expect(counts.accepted).toBeGreaterThan(100);
      expect(counts.unreachable).toBe(0);
    }
  });
});

async function verifiers() {
  return (await authority.admin.request("get", "/v1/apis/{api}/verifiers", { params: { api: "market" } })).items;
}

/** Sends a POST and hangs up before a byte of the answer is read. */
async function loseTheAnswer(path: string, token: string): Promise<void> {
  const { hostname, port } = new URL(authority.url);
  const head = `POST ${path} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(head));
    socket.once("readable", () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", reject);
  });
}
