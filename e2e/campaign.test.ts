/**
 * Many keys at once, with real processes: a campaign with a canary whose authority is killed with SIGKILL again and again, and an emergency
 * under load. Bots use their keys at two APIs all the while; who is refused, and when, is what counts.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { paths } from "@keyover/client/api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Authority, ask, protectApi, startAuthority } from "./authority.test-support.ts";
import { endAll, until } from "./processes.test-support.ts";
import { type VerifyingApi, verifyingApi } from "./verifying-api.test-support.ts";

const KEYS = 300;
const KILLS = 5;
const CALLERS = 6;

type Standing = paths["/v1/campaigns/{campaign}"]["get"]["responses"]["200"]["content"]["application/json"];

interface Held {
  id: string;
  secret: string;
  consumer: string;
}

/** One request of a bot, by the machine's clock. */
interface Use {
  key: Held;
  sentAt: number;
  status: number;
}

/** As a failure may show it. */
const withoutSecret = ({ key: { id }, sentAt, status }: Use) => ({ key: id, sentAt, status });

let authority: Authority;
const apis: VerifyingApi[] = [];
const keys: Held[] = [];
let acme: string;

beforeAll(async () => {
  authority = await startAuthority();
  const { verifierToken } = await protectApi(authority, "market", "mkt", {
    // On a busy machine the authority is away for longer than it is there, five times in a row.
    staleness: { leaseMs: 3_000, onStale: "static", staticMs: 300_000 },
  });
  const consumers = await Promise.all(
    ["acme", "other"].map(async (partner) => {
      const body = { name: partner, labels: { partner } };
      return (await authority.admin.request("post", "/v1/consumers", { body })).id;
    }),
  );
  acme = consumers[0] as string;
  for (let i = 0; i < KEYS; i += 20) {
    const made = Array.from({ length: 20 }, async (_, n) => {
      const consumer = consumers[(i + n) % 2] as string;
      const body = { api: "market", environment: "live", consumer, scopes: ["market:read"], name: `bot ${i + n}` };
      const { id, secret } = await authority.admin.request("post", "/v1/keys", { body });
      return { id, secret: secret as string, consumer };
    });
    keys.push(...(await Promise.all(made)));
  }
  for (const instance of ["api-1", "api-2"]) {
    const settings = { authorityUrl: authority.url, token: verifierToken, apis: ["market"], instance };
    const api = await verifyingApi(settings);
    await api.start();
    apis.push(api);
  }
}, 120_000);
afterAll(() => endAll());

/** Bots that use all keys in turn, until they are told to stop. */
function traffic(): { uses: Use[]; stop(): Promise<Use[]> } {
  const uses: Use[] = [];
  let stopped = false;
  let next = 0;
  const caller = async (n: number) => {
    const url = `${(apis[n % apis.length] as VerifyingApi).url}/market`;
    while (!stopped) {
      const key = keys[next++ % keys.length] as Held;
      const sentAt = Date.now();
      const { status } = await ask(url, { token: key.secret });
      uses.push({ key, sentAt, status });
    }
  };
  const callers = Promise.all(Array.from({ length: CALLERS }, (_, n) => caller(n)));
  return {
    uses,
    async stop() {
      stopped = true;
      await callers;
      return uses;
    },
  };
}

const show = async (campaign: string): Promise<Standing | undefined> => {
  try {
    return await authority.admin.request("get", "/v1/campaigns/{campaign}", { params: { campaign } });
  } catch {
    return undefined;
  }
};
const ended = (id: string) =>
  until(
    async () => {
      const now = await show(id);
      if (now?.state === "held") throw new Error(`the campaign is held: ${now.why?.reason}`);
      return now?.state === "ended" ? now : undefined;
    },
    `the campaign ${id} to end`,
    { waitMs: 60_000, everyMs: 100 },
  );

async function rotations(): Promise<{ key: string; phase: string }[]> {
  const { items, next } = await authority.admin.request("get", "/v1/rotations", { query: { limit: 500 } });
  expect(next).toBeNull();
  return items;
}

describe(`a campaign over ${KEYS} keys`, () => {
  let standing: Standing;
  let uses: Use[];
  const seen: number[] = [];

  beforeAll(async () => {
    const bots = traffic();
    const body = {
      name: "spring",
      reason: "yearly",
      select: { apis: ["market"] },
      waves: [{ keys: [keys[0]?.id as string] }, { percent: 30 }],
      // Slow enough for all kills to fall into its midst on a machine with other work.
      pace: 20,
      expect: { keys: KEYS },
    };
    const begun = await authority.admin.request("post", "/v1/campaigns", { body });
    if ("dryRun" in begun) throw new Error("it was meant");
    for (let kill = 0; kill < KILLS; kill++) {
      const before = seen.at(-1) ?? 0;
      const now = await until(async () => {
        const found = await show(begun.id);
        return found !== undefined && found.keys.started > before ? found : undefined;
      }, "the campaign to go on");
      seen.push(now.keys.started);
      await sleep(150 + kill * 70);
      await authority.kill();
      authority.launch();
      await authority.ready();
    }
    standing = await ended(begun.id);
    uses = await bots.stop();
  }, 120_000);

  it("R14: goes on after each kill of the authority, and begins each key once", async () => {
    expect(seen.at(-1)).toBeLessThan(KEYS);
    expect(new Set(seen).size).toBe(KILLS);
    expect(standing).toMatchObject({ outcome: "done", keys: { started: KEYS, failed: 0, skipped: 0, waiting: 0 } });
    const all = await rotations();
    expect(all).toHaveLength(KEYS);
    expect(new Set(all.map(({ key }) => key)).size).toBe(KEYS);
    for (const { phase } of all) expect(phase).toBe("offered");
  });

  it("R12: began with the canary, and each wave only when the last one was offered", () => {
    expect(standing.waves.map(({ name }) => name)).toEqual(["1 canary", "up to 30 %", "the rest"]);
    expect(standing.waves.map(({ rotations: { rotations: count, offered } }) => count === offered)).toEqual([
      true,
      true,
      true,
    ]);
    expect(standing.waves[0]?.rotations.rotations).toBe(1);
    // With the canary it is 30 % of all.
    expect(standing.waves[1]?.rotations.rotations).toBe(KEYS * 0.3 - 1);
  });

  it("refuses nobody, while the authority is killed and keys rotate", () => {
    expect(uses.length).toBeGreaterThan(KEYS * 2);
    expect(uses.filter(({ status }) => status !== 200).map(withoutSecret)).toEqual([]);
  });
});

describe("an emergency under load", () => {
  it("R27: one call refuses every key of a partner at both APIs, and says since when; nobody else notices", async () => {
    const bots = traffic();
    await until(() => bots.uses.length > 300, "traffic");
    const select = { consumerLabels: { partner: "acme" } };
    const preview = await authority.admin.request("post", "/v1/emergencies", {
      body: { mode: "kill", select, reason: "acme was broken into", dryRun: true },
    });
    expect(preview).toMatchObject({ dryRun: true, selection: { keys: KEYS / 2 }, inRotation: KEYS / 2 });
    const begun = await authority.admin.request("post", "/v1/emergencies", {
      body: { mode: "kill", select, reason: "acme was broken into" },
    });
    if ("dryRun" in begun) throw new Error("it was meant");
    const done = await ended(begun.id);
    expect(done.keys).toMatchObject({ started: KEYS / 2, failed: 0, skipped: 0 });
    expect(done.receipts).toMatchObject([{ verifiers: 2, applied: 2, behind: [], at: expect.any(Number) }]);
    const refusedSince = done.receipts[0]?.at as number;
    const before = bots.uses.length;
    await until(() => bots.uses.length > before + 2 * KEYS, "more traffic");
    const uses = await bots.stop();
    const late = uses.filter(
      ({ key, sentAt, status }) => key.consumer === acme && sentAt > refusedSince && status !== 401,
    );
    expect(late.map(withoutSecret)).toEqual([]);
    expect(uses.filter(({ key, status }) => key.consumer === acme && status === 401).length).toBeGreaterThan(KEYS / 2);
    const others = uses.filter(({ key, status }) => key.consumer !== acme && status !== 200);
    expect(others.map(withoutSecret)).toEqual([]);
    console.log(
      `emergency: ${KEYS / 2} keys refused on 2 of 2 APIs ${refusedSince - begun.createdAt} ms after the call`,
    );
    for (const key of keys.filter(({ consumer }) => consumer === acme).slice(0, 20)) {
      const shown = await authority.admin.request("get", "/v1/keys/{key}", { params: { key: key.id } });
      expect(shown.versions).toMatchObject([{ state: "retired", compromised: true }, { compromised: false }]);
    }
  }, 90_000);
});
