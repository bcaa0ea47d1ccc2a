/** What the provider's engineer does in the demo, by the authority's API. */
import { writeFileSync } from "node:fs";
import { type Api, createApi } from "@keyover/client/api";
import { type Authority, patientFetch } from "./authority.ts";
import type { Bot } from "./cast.ts";

/** Short enough for a demo of this length; a real one counts in days. */
export function demoPolicy(seconds: number) {
  return {
    overlapMinMs: 2_000,
    overlapMs: Math.max(4_000, Math.round(seconds * 250)),
    quietMs: 2_500,
    gapMargin: 1.2,
    rollbackMs: 600_000,
    claimMs: 600_000,
    onDeadline: "hold" as const,
  };
}

export async function prepareApi(admin: Api, policy: ReturnType<typeof demoPolicy>) {
  const api = await admin.request("post", "/v1/apis", {
    body: {
      name: "market",
      prefix: "mkt",
      environments: ["live"],
      scopes: ["market:read", "trade:write", "account:withdraw"],
      policy,
      staleness: { leaseMs: 3_000, onStale: "static", staticMs: 10_000 },
    },
  });
  const token = await admin.request("post", "/v1/tokens", {
    body: { name: "market apis", role: "verifier", apis: ["market"] },
  });
  return { api: api.id, verifierToken: token.secret as string };
}

export interface IssuedKey {
  keyId: string;
  secret: string;
  consumerToken: string;
}

export async function issueKeys(admin: Api, api: string, count: number): Promise<IssuedKey[]> {
  const issued: IssuedKey[] = [];
  for (let i = 1; i <= count; i++) {
    const consumer = await admin.request("post", "/v1/consumers", { body: { name: `desk ${i}` } });
    const token = await admin.request("post", "/v1/tokens", {
      body: { name: `desk ${i}`, role: "consumer", consumer: consumer.id },
    });
    const key = await admin.request("post", "/v1/keys", {
      body: { api, environment: "live", consumer: consumer.id, scopes: ["market:read", "trade:write"] },
    });
    issued.push({ keyId: key.id, secret: key.secret as string, consumerToken: token.secret as string });
  }
  return issued;
}

export interface Rotations {
  refresh(): Promise<void>;
  phaseOf(bot: Bot): string | undefined;
  idOf(bot: Bot): string;
  forced(bot: Bot): boolean;
  /** How many rotations are in each phase. */
  phases(): Record<string, number>;
  rollBack(bot: Bot): Promise<boolean>;
}

/** Starts a rotation of each bot's key, all at the same time. */
export async function beginRotations(admin: Api, bots: readonly Bot[]): Promise<Rotations> {
  const known = new Map<string, { id: string; phase: string; forced: boolean }>();
  await Promise.all(
    bots.map(async (bot) => {
      const rotation = await admin.request("post", "/v1/keys/{key}/rotations", {
        params: { key: bot.keyId },
        body: { reason: "demo" },
      });
      known.set(bot.keyId, { id: rotation.id, phase: rotation.phase, forced: false });
    }),
  );
  const of = (bot: Bot) => known.get(bot.keyId) as { id: string; phase: string; forced: boolean };
  return {
    async refresh() {
      const byId = new Map([...known.values()].map((rotation) => [rotation.id, rotation]));
      let cursor: string | undefined;
      do {
        const page = await admin.request("get", "/v1/rotations", {
          query: { limit: 500, ...(cursor === undefined ? {} : { cursor }) },
        });
        for (const { id, phase, forced } of page.items)
          Object.assign(byId.get(id) ?? {}, { phase, forced: forced !== null });
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
    },
    phaseOf: (bot) => of(bot).phase,
    idOf: (bot) => of(bot).id,
    forced: (bot) => of(bot).forced,
    phases() {
      const counts: Record<string, number> = {};
      for (const { phase } of known.values()) counts[phase] = (counts[phase] ?? 0) + 1;
      return counts;
    },
    async rollBack(bot) {
      const rotation = await admin.request("post", "/v1/rotations/{rotation}/rollback", {
        params: { rotation: of(bot).id },
        body: { reason: "demo: a change of mind" },
      });
      return rotation.phase === "rolled-back";
    },
  };
}

/** What the straggler's owner does by hand, late: take the successor and put it in the file. */
export async function moveStraggler({ urls, fetch }: Authority, bot: Bot, rotations: Rotations): Promise<void> {
  const consumer = createApi({ url: urls[0] as string, token: bot.consumerToken, fetch });
  const claim = await consumer.request("post", "/v1/rotations/{rotation}/claim", {
    params: { rotation: rotations.idOf(bot) },
    body: {},
  });
  writeFileSync(bot.keyFile, `${claim.secret}\n`, { mode: 0o600 });
}

/** True if the API tells the holder of the bot's first key that it is retired, and nobody had to force it. */
export async function endOf(api: string, bot: Bot, rotations: Rotations): Promise<boolean> {
  const response = await patientFetch([api])(`${api}/v1/ticker/BTC-USD`, {
    headers: { authorization: `Bearer ${bot.firstSecret}` },
  });
  const body = (await response.json()) as { code?: string };
  return response.status === 401 && body.code === "key_retired" && !rotations.forced(bot);
}
