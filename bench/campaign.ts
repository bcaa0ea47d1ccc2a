/**
 * Many keys at once, with live verifiers: a campaign from its start until the last successor is on offer, and an emergency in one call until
 * every verifier refuses the last version. Beside each the same done key by key: a call for each, sixteen under way at a time, on a
 * twentieth of the keys and counted up.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Fleet, startFleet } from "./fleet.ts";
import { type Row, rowOf } from "./report.ts";

const KEYS = 10_000;
const VERIFIERS = 10;
const CALLERS = 16;
const LOOK_MS = 200;

export async function campaign(quick: boolean): Promise<Row[]> {
  const keys = quick ? 300 : KEYS;
  const fleet = await startFleet(VERIFIERS);
  const part = await issue(fleet, Math.ceil(keys / 20));
  const all = await issue(fleet, keys);
  const countedUp = (seconds: number) => (seconds * keys) / part.ids.length;
  const name = `${keys.toLocaleString("en")} keys, ${VERIFIERS} verifiers`;
  const offered = {
    name: `${name}, campaign's start to all offered`,
    unit: "s",
    baselineName: "key by key",
    baselineRounds: [countedUp(await timed(() => offerSingly(fleet, part.ids)))],
    rounds: [await timed(() => offerAll(fleet, all))],
  };
  const refused = {
    name: `${name}, killed in one call until all refuse`,
    unit: "s",
    baselineName: "key by key",
    baselineRounds: [countedUp(await timed(() => killSingly(fleet, part.ids)))],
    rounds: [await timed(() => killAll(fleet, all))],
  };
  await fleet.stop();
  return [rowOf(offered, quick ? undefined : { valueMax: 60 }), rowOf(refused)];
}

interface Issued {
  consumer: string;
  ids: string[];
}

async function issue({ admin, api }: Fleet, count: number): Promise<Issued> {
  const consumer = await admin.request("post", "/v1/consumers", { body: { name: `desk ${performance.now()}` } });
  const body = { api, environment: "live", consumer: consumer.id, scopes: ["market:read"] };
  const ids: string[] = [];
  await each(Array.from({ length: count }), async () => {
    ids.push((await admin.request("post", "/v1/keys", { body })).id);
  });
  return { consumer: consumer.id, ids };
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values();
  const caller = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

/** Seconds. */
async function timed(work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1_000;
}

async function offerAll({ admin }: Fleet, { consumer, ids }: Issued): Promise<void> {
  const body = { name: "bench", reason: "bench", select: { consumers: [consumer] } };
  await ended(admin, await admin.request("post", "/v1/campaigns", { body }), ids.length);
}

async function killAll({ admin }: Fleet, { consumer, ids }: Issued): Promise<void> {
  const body = { mode: "kill" as const, reason: "bench", select: { consumers: [consumer] } };
  await ended(admin, await admin.request("post", "/v1/emergencies", { body }), ids.length);
}

async function ended(admin: Fleet["admin"], begun: { id: string } | { dryRun: true }, keys: number): Promise<void> {
  if ("dryRun" in begun) throw new Error("it was meant");
  for (;;) {
    const now = await admin.request("get", "/v1/campaigns/{campaign}", { params: { campaign: begun.id } });
    const { state, why } = now;
    if (state === "held" || now.keys.failed > 0) throw new Error(`the campaign is ${state}: ${why?.reason}`);
    if (state === "ended" && now.keys.started !== keys) throw new Error(`${now.keys.started} of ${keys} were started`);
    if (state === "ended") return;
    await sleep(LOOK_MS);
  }
}

async function offerSingly({ admin }: Fleet, ids: readonly string[]): Promise<void> {
  const rotations: string[] = [];
  await each(ids, async (key) => {
    const body = { reason: "bench" };
    rotations.push((await admin.request("post", "/v1/keys/{key}/rotations", { params: { key }, body })).id);
  });
  for (const rotation of rotations)
    while ((await admin.request("get", "/v1/rotations/{rotation}", { params: { rotation } })).phase === "propagating")
      await sleep(LOOK_MS);
}

async function killSingly({ admin, api }: Fleet, ids: readonly string[]): Promise<void> {
  const body = { mode: "kill", reason: "bench", version: 1 } as const;
  await each(ids, (key) => admin.request("post", "/v1/keys/{key}/emergency", { params: { key }, body }));
  for (;;) {
    const { head, items } = await admin.request("get", "/v1/apis/{api}/verifiers", { params: { api } });
    if (items.every(({ state, applied }) => state !== "live" || applied >= head)) return;
    await sleep(LOOK_MS);
  }
}
