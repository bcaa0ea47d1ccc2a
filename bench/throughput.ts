/**
 * How many rotations a minute are carried from their start to the retirement of the old version: keys that rotate again as soon as they
 * can, each successor used once at a verifier, everything by evidence. Three processes on PostgreSQL, beside one on SQLite. And
 * how evenly the three share the engine's work.
 */

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createApi } from "@keyover/client/api";
import { makeKeyText, sha256Text } from "@keyover/core";
import { type BenchAuthority, startAuthority } from "./authority.ts";
import { followFeed } from "./fleet.ts";
import { issueKeys } from "./issue.ts";
import { startPeer } from "./processes.ts";
import { type Row, rowOf } from "./report.ts";

const REPLICAS = 3;
/** Nothing waits longer than evidence takes: a report a second, and a second of silence. */
const POLICY = {
  overlapMinMs: 1_000,
  overlapMs: 60_000,
  quietMs: 1_000,
  gapMargin: 1,
  rollbackMs: 0,
  claimMs: 60_000,
};

export async function throughput(quick: boolean): Promise<Row[]> {
  const many = await carry(REPLICAS, quick);
  const one = await carry(undefined, quick);
  const least = Math.min(...many.steps) / many.steps.reduce((sum, steps) => sum + steps, 0);
  return [
    rowOf(
      {
        name: `rotations from start to retired, ${REPLICAS} processes on PostgreSQL`,
        unit: "/min",
        rounds: many.perMinute,
        baselineName: "one process on SQLite",
        baselineRounds: one.perMinute,
      },
      { valueMin: 2_000 },
    ),
    rowOf({
      name: `engine steps of the least busy of ${REPLICAS}`,
      unit: "%",
      rounds: [100 * least],
      baselineName: "an even share",
      baselineRounds: [100 / REPLICAS],
    }),
  ];
}

async function carry(replicas: number | undefined, quick: boolean): Promise<{ perMinute: number[]; steps: number[] }> {
  const authority = await startAuthority(replicas);
  const { admin, urls } = authority;
  const api = await admin.request("post", "/v1/apis", {
    body: { name: "market", prefix: "mkt", environments: ["live"], scopes: ["market:read"], policy: POLICY },
  });
  const verifierToken = await admin.request("post", "/v1/tokens", {
    body: { name: "apis", role: "verifier", apis: ["market"] },
  });
  const token = verifierToken.secret as string;
  const peers = await Promise.all(
    Array.from({ length: quick ? 1 : 5 }, async () => {
      const peer = startPeer<{ said: string }>("./using-verifiers.ts", { urls, token });
      await peer.next(({ said }) => said === "ready");
      return peer;
    }),
  );
  const keys = await issueKeys({ admin, api: api.id }, quick ? 20 : 300);
  const apis = urls.map((url) => createApi({ url, token: authority.adminToken }));
  const successors = new Map<string, string>();
  let retired = 0;
  let failure: unknown;

  const rotate = (key: string, turn: number) => {
    const text = makeKeyText("mkt", "live", (length) => randomBytes(length));
    successors.set(key, text);
    const asked = (apis[turn % apis.length] as (typeof apis)[number]).request("post", "/v1/keys/{key}/rotations", {
      params: { key },
      body: { reason: "bench", sha256: sha256Text(text) },
    });
    asked.catch((error: unknown) => {
      failure ??= error;
    });
  };
  let turn = 0;
  const hangUp = await followFeed(`${urls[0]}/v1/apis/market/feed?after=0`, token, ({ record }) => {
    if (record === undefined) return;
    const text = successors.get(record.key);
    if (record.rotation?.phase === "offered" && text !== undefined) {
      peers[turn % peers.length]?.send(text);
    } else if (
      record.rotation === undefined &&
      record.current > 1 &&
      record.versions.length === 1 &&
      text !== undefined
    ) {
      // The old version's hash is erased: retired, and its rollback window of no length is over.
      successors.delete(record.key);
      retired++;
      rotate(record.key, ++turn);
    }
  });
  for (const { id } of keys) rotate(id, ++turn);

  await sleep(quick ? 1_000 : 15_000);
  const before = await stepsOf(authority);
  const perMinute: number[] = [];
  for (let round = 0; round < 5; round++) {
    const [from, begun] = [retired, performance.now()];
    await sleep(quick ? 1_000 : 10_000);
    perMinute.push(((retired - from) * 60_000) / (performance.now() - begun));
  }
  const steps = (await stepsOf(authority)).map((after, i) => after - (before[i] as number));
  hangUp();
  await Promise.all(peers.map((peer) => peer.stop()));
  await authority.stop();
  if (failure !== undefined) throw failure;
  return { perMinute, steps };
}

/** Of each process since its start. */
async function stepsOf(authority: BenchAuthority): Promise<number[]> {
  return (await authority.metrics()).map((text) =>
    [...text.matchAll(/^keyover_rotation_steps_total\{[^}]*\} (\d+)/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    ),
  );
}
