/**
 * A whole fleet of keys rotated at once: from the first call that starts a rotation until the last successor is on offer, with real
 * verifiers following. Beside it what the disk alone would ask for: as many bare durable transactions as there are commits, two for
 * each rotation, one after the other.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Fleet, startFleet } from "./fleet.ts";
import { type Row, rowOf } from "./report.ts";

const VERIFIERS = 5;
const ROUNDS = 3;
const KEYS = 10_000;
/** Requests under way at a time, as a script or a campaign would have them. */
const CALLERS = 32;

export async function fleetRotation(quick: boolean): Promise<Row[]> {
  const count = quick ? 200 : KEYS;
  const fleet = await startFleet(VERIFIERS);
  const began = new Map<string, number>();
  let offered = 0;
  let heard = () => {};
  fleet.onEntry(({ record }) => {
    if (record === undefined || record.rotation?.phase !== "offered" || !began.delete(record.key)) return;
    offered++;
    heard();
  });
  const allOffered = (total: number) =>
    new Promise<void>((resolve) => {
      heard = () => {
        if (offered >= total) resolve();
      };
      heard();
    });

  const whole: number[] = [];
  const calls: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const keys = await issue(fleet, count, round);
    bare.push(bareCommits(2 * count));
    const from = performance.now();
    const done = allOffered((round + 1) * count);
    await inTurn(keys, async (key) => {
      began.set(key, performance.now());
      await fleet.admin.request("post", "/v1/keys/{key}/rotations", {
        params: { key },
        body: { reason: "bench" },
      });
    });
    calls.push((performance.now() - from) / 1_000);
    await done;
    whole.push((performance.now() - from) / 1_000);
  }
  await fleet.stop();
  const beside = { baselineName: `${(2 * count).toLocaleString("en")} bare commits`, baselineRounds: bare };
  const name = `${count.toLocaleString("en")} rotations, ${VERIFIERS} verifiers`;
  return [
    rowOf({ name: `${name}, first call to last offered`, unit: "s", rounds: whole, ...beside }, { valueMax: 60 }),
    rowOf({ name: `${name}, first call to last answer`, unit: "s", rounds: calls, ...beside }),
  ];
}

async function issue({ admin, api }: Fleet, count: number, round: number): Promise<string[]> {
  const consumer = await admin.request("post", "/v1/consumers", { body: { name: `desk ${round}` } });
  const ids: string[] = [];
  await inTurn([...Array(count).keys()], async () => {
    const body = { api, environment: "live", consumer: consumer.id, scopes: ["market:read"] };
    ids.push((await admin.request("post", "/v1/keys", { body })).id);
  });
  return ids;
}

/** All of them, so many at a time. */
async function inTurn<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const caller = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

/** Seconds for so many transactions of one row each, every one of them synced to the disk on which the authority's folder lies. */
function bareCommits(count: number): number {
  const folder = mkdtempSync(join(tmpdir(), "keyover-bench-"));
  const sqlite = new DatabaseSync(join(folder, "bare.sqlite"));
  sqlite.exec("pragma journal_mode = WAL; pragma synchronous = FULL");
  sqlite.exec("create table entry (id integer primary key, body text not null)");
  const insert = sqlite.prepare("insert into entry (body) values (?)");
  const body = "x".repeat(1_000);
  const from = performance.now();
  for (let i = 0; i < count; i++) insert.run(body);
  const took = (performance.now() - from) / 1_000;
  sqlite.close();
  rmSync(folder, { recursive: true });
  return took;
}
