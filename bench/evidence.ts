/**
 * What the evidence of one key costs: a year of use by the minute, with nights, weekends and outages, from five hundred sources. How long its
 * questions take, beside those about a key with an hour of one source; and the room that it takes, beside a row for each minute.
 */
import type { Answer, Crowd } from "./crowd.ts";
import { DAY_MS, openCrowd } from "./crowd.ts";
import { type Row, rowOf } from "./report.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const ROUNDS = 5;
const CALLS = 20;

export async function evidence(quick: boolean): Promise<Row[]> {
  const crowd = await openCrowd();
  crowd.watched.sqlite.pragma("synchronous = OFF");
  const [days, sources] = quick ? [10, 20] : [365, 500];
  const holder = await setUp(crowd);
  const small = await rotating(crowd, holder);
  await use(crowd, small, 1, HOUR_MS);
  const before = bytesOf(crowd, TABLES);
  const one = await rotating(crowd, holder);
  await use(crowd, one, 1, days * DAY_MS);
  const bytesOfOne = bytesOf(crowd, TABLES) - before;
  const large = await rotating(crowd, holder);
  await use(crowd, large, sources, days * DAY_MS);
  const bytesOfMany = bytesOf(crowd, TABLES) - before - bytesOfOne;
  const raw = rawBytes(crowd, days);
  crowd.watched.taken();
  await look(crowd, large);
  const asked = crowd.watched.taken();

  const [answer, cpu, reading] = [pair(), pair(), pair()];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [key, which] of [
      [large, "rounds"],
      [small, "baselineRounds"],
    ] as const) {
      const found = await timed(() => look(crowd, key));
      answer[which].push(found.ms);
      cpu[which].push(found.cpuMs);
      reading[which].push((await timed(() => crowd.store.uses(key.key))).ms);
    }
  }
  for (const { sql } of asked) {
    const plan = crowd.watched.plan(sql);
    process.stdout.write(
      `${sql.replace(/\s+/g, " ").slice(0, 150)}\n${plan.map((each) => `        ${each}\n`).join("")}`,
    );
  }
  await crowd.close();
  const what = `${days} days by the minute, ${sources} sources`;
  const few = { unit: "ms", baselineName: "an hour, one source" };
  return [
    rowOf({ name: `${what}: GET /v1/rotations/{rotation}/evidence`, ...few, ...answer }, { valueMax: 20 }),
    rowOf({ name: `${what}: the same, in time of the processor`, ...few, ...cpu }),
    rowOf({ name: `${what}: its uses read`, ...few, ...reading }, { valueMax: 20 }),
    rowOf({
      name: `state of ${days} days by the minute, one source`,
      unit: "KB",
      rounds: [bytesOfOne / 1_000],
      baselineName: "a row for each minute",
      baselineRounds: [raw / 1_000],
    }),
    rowOf({
      name: `state of ${what}`,
      unit: "KB",
      rounds: [bytesOfMany / 1_000],
      baselineName: "a row for each minute and source",
      baselineRounds: [(raw * sources) / 1_000],
    }),
  ];
}

/** Of one call, in milliseconds: on the wall, and of the processor alone, which others on this machine don't lengthen. */
async function timed(work: () => Promise<unknown>): Promise<{ ms: number; cpuMs: number }> {
  const [from, used] = [performance.now(), process.cpuUsage()];
  for (let i = 0; i < CALLS; i++) await work();
  const { user, system } = process.cpuUsage(used);
  return { ms: (performance.now() - from) / CALLS, cpuMs: (user + system) / 1_000 / CALLS };
}

function pair(): { rounds: number[]; baselineRounds: number[] } {
  return { rounds: [], baselineRounds: [] };
}

interface Rotating {
  key: string;
  rotation: string;
}

const look = ({ call }: Crowd, { rotation }: Rotating): Promise<Answer> =>
  call("GET", `/v1/rotations/${rotation}/evidence`);

async function setUp({ call }: Crowd): Promise<{ api: string; consumer: string; token: string }> {
  const api = await call("POST", "/v1/apis", { name: "market", prefix: "mkt", scopes: ["market:read"] });
  const consumer = await call("POST", "/v1/consumers", { name: "desk" });
  const token = await call("POST", "/v1/tokens", { name: "desk", role: "consumer", consumer: consumer.id });
  return { api: api.id, consumer: consumer.id, token: token.secret };
}

/** A key in overlap. */
async function rotating(crowd: Crowd, { api, consumer, token }: Awaited<ReturnType<typeof setUp>>): Promise<Rotating> {
  const { call } = crowd;
  const key = await call("POST", "/v1/keys", { api, environment: "live", consumer, scopes: ["market:read"] });
  const rotation = await call("POST", `/v1/keys/${key.id}/rotations`, { reason: "bench" });
  for (let i = 0; i < 8; i++) await crowd.tick();
  await call("POST", `/v1/rotations/${rotation.id}/confirm`, undefined, token);
  return { key: key.id, rotation: rotation.id };
}

/**
 * Uses up to now: each minute of working hours, and about once a week an outage of any length. Every source is seen once, and the store keeps as many
 * of them apart as it does; one goes on through the store, and what became of it is copied for the others.
 */
async function use(
  { store, watched, clock, tick }: Crowd,
  { key }: Rotating,
  sources: number,
  spanMs: number,
): Promise<void> {
  const until = clock.now();
  const sourceOf = (i: number) => ({ network: `10.${i >> 8}.${i & 255}.0/24`, client: "bot", instance: "" });
  const idOf = (i: number) => `${sourceOf(i).network}|bot|`;
  let rows: Parameters<typeof store.record>[0]["rows"] = [];
  const write = async () => {
    await store.record({ rows, reports: [] });
    rows = [];
  };
  for (let at = until - spanMs; at <= until; at += MINUTE_MS) {
    const open = spanMs <= HOUR_MS || ((at / DAY_MS) % 7 < 5 && (at / HOUR_MS) % 24 >= 9 && (at / HOUR_MS) % 24 < 17);
    if (!open) continue;
    // From minutes to days.
    if (spanMs > HOUR_MS && Math.random() < 0.0004) at += MINUTE_MS * Math.exp(Math.random() * Math.log(5_000));
    const seen = { first: Math.floor(at), last: Math.floor(at), accepted: 3, refused: 0, longestGapMs: 20_000 };
    rows.push({ keyId: key, version: 1, sourceId: idOf(0), source: sourceOf(0), ...seen });
    if (rows.length === 2_000) await write();
  }
  const once = { keyId: key, version: 1, first: until, last: until, accepted: 1, refused: 0, longestGapMs: 0 };
  for (let i = 0; i < sources; i++) rows.push({ ...once, sourceId: idOf(i), source: sourceOf(i) });
  await write();
  const { sqlite } = watched;
  sqlite.transaction(() => {
    for (const table of ["version_use", "source_gap"]) {
      const found = sqlite
        .prepare(`select * from ${table} where key_id = ? and source_id = ?`)
        .all(key, idOf(0)) as Cells[];
      const names = Object.keys(found[0] ?? {});
      if (names.length === 0) continue;
      const insert = sqlite.prepare(
        `insert or replace into ${table} (${names.join(", ")}) values (${names.map(() => "?").join(", ")})`,
      );
      const others = sqlite
        .prepare("select source_id from source_use where key_id = ? and source_id <> ?")
        .all(key, idOf(0));
      for (const { source_id } of others as Cells[])
        for (const row of found) insert.run(names.map((name) => ({ ...row, source_id })[name]));
    }
    sqlite
      .prepare(
        "update source_use set gaps_since = (select min(gaps_since) from source_use where key_id = ?), gaps_to = last_seen where key_id = ?",
      )
      .run(key, key);
  })();
  // What is past keeping is swept away.
  clock.step(MINUTE_MS);
  await tick();
}

type Cells = Record<string, unknown>;

const TABLES = ["source_use", "version_use", "source_gap", "usage_bucket"];

/** With their indexes. */
function bytesOf({ watched }: Crowd, tables: readonly string[]): number {
  const sums = tables.map((table) =>
    watched.sqlite
      .prepare(
        "select sum(pgsize) as bytes from dbstat where name in (select name from sqlite_master where tbl_name = ?)",
      )
      .get(table),
  ) as { bytes: number | null }[];
  return sums.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
}

/** What a year would take as one narrow row for each minute, with the index that finds it. */
function rawBytes(crowd: Crowd, days: number): number {
  const { sqlite } = crowd.watched;
  sqlite.exec(
    "create table raw_use (key_id text, source_id text, minute bigint, accepted bigint, primary key (key_id, source_id, minute))",
  );
  const insert = sqlite.prepare("insert into raw_use values (?, ?, ?, ?)");
  sqlite.transaction(() => {
    for (let i = 0; i < days * 1_440; i++)
      insert.run("key_0000000000000000000000", "10.0.0.0/24|bot|", i * MINUTE_MS, 3);
  })();
  const bytes = bytesOf(crowd, ["raw_use"]);
  sqlite.exec("drop table raw_use");
  return bytes;
}
