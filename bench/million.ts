/**
 * What the authority does by itself, with a million keys under policy and ten thousand rotations in flight: what a tick costs, beside the same
 * with a thousand keys and ten rotations. And how SQLite finds what it is asked, statement by statement.
 */
import { TICK_MS } from "../packages/server/src/authority.ts";
import { type Crowd, DAY_MS, openCrowd } from "./crowd.ts";
import { type Mark, percentile, type Row, rowOf } from "./report.ts";
import type { Asked } from "./watched-sqlite.ts";

/** Three sweeps. */
const MEASURED_MS = 190_000;
const MINUTE_MS = 60_000;
const MARK = { valueMax: 50 };

interface Size {
  keys: number;
  /** Of them, those that nobody has used yet: their secret still lies sealed. */
  unused: number;
  /** Of each kind: on their way, on offer, in overlap. */
  inFlight: { propagating: number; offered: number; overlapping: number };
}

const MANY: Size = {
  keys: 1_000_000,
  unused: 100_000,
  inFlight: { propagating: 1_000, offered: 4_500, overlapping: 4_500 },
};
const FEW: Size = { keys: 1_000, unused: 100, inFlight: { propagating: 1, offered: 5, overlapping: 4 } };
const QUICK: Size = { keys: 10_000, unused: 1_000, inFlight: { propagating: 10, offered: 50, overlapping: 40 } };

/** By what is due, the most first: each comes on top of those below it. */
const kinds = [
  { name: "sweep", everyMs: MINUTE_MS },
  { name: "patrol", everyMs: 10_000 },
  { name: "reconcile", everyMs: 5_000 },
  { name: "beat", everyMs: 1_000 },
  { name: "engine alone", everyMs: TICK_MS },
] as const;

export async function million(quick: boolean): Promise<Row[]> {
  const size = quick ? QUICK : MANY;
  const few = await measure(FEW);
  const many = await measure(size);
  process.stdout.write(`\n${plansOf(many)}\n${worstOf(many)}`);
  const named = (count: number) => count.toLocaleString("en");
  const flying = Object.values(size.inFlight).reduce((sum, count) => sum + count, 0);
  const beside = "1,000 keys, 10 in flight";
  const of = ({ ticks }: Measured, name: string) => ticks.filter(({ kind }) => kind === name).map(({ ms }) => ms);
  const what = `${named(size.keys)} keys, ${named(flying)} in flight`;
  const row = (of: string, unit: string, figure: (measured: Measured) => number[], mark?: Mark) =>
    rowOf(
      { name: `${what}, ${of}`, unit, rounds: figure(many), baselineName: beside, baselineRounds: figure(few) },
      mark,
    );
  const p99 = ({ ticks }: Measured) => [
    percentile(
      ticks.map(({ ms }) => ms),
      0.99,
    ),
  ];
  const still = ({ ticks }: Measured) => [Math.max(...ticks.map(({ stillMs }) => stillMs))];
  return [
    ...[...kinds].reverse().map(({ name }) => row(`tick: ${name}`, "ms", (measured) => of(measured, name), MARK)),
    row("ticks, p99", "ms", p99, MARK),
    row("longest that anything else waited", "ms", still),
    row("all ticks of a second", "ms", perSecond),
    row("scrape of the metrics", "ms", ({ scrapes }) => scrapes),
  ];
}

interface Measured {
  /** `stillMs`: for how long nothing else could be done meanwhile, at the longest. */
  ticks: { kind: string; ms: number; stillMs: number }[];
  /** A scrape of the metrics. */
  scrapes: number[];
  asked: Asked[];
  /** The tick during which anything else waited longest, and what was asked in it. */
  worst: { kind: string; stillMs: number; asked: Asked[] };
  plans: Map<string, string[]>;
}

function perSecond({ ticks }: Measured): number[] {
  return [(ticks.reduce((sum, { ms }) => sum + ms, 0) * 1_000) / (ticks.length * TICK_MS)];
}

async function measure({ keys, unused, inFlight }: Size): Promise<Measured> {
  const crowd = await openCrowd();
  const made = await templates(crowd);
  crowd.watched.sqlite.pragma("synchronous = OFF");
  for (const phase of ["propagating", "offered", "overlapping"] as const) crowd.copy(made[phase], inFlight[phase] - 1);
  crowd.copy(made.unused, unused);
  for (let left = keys - unused; left > 0; left -= 50_000) crowd.copy(made.used, Math.min(left, 50_000));
  crowd.clock.step(MINUTE_MS - (crowd.clock.elapsed() % MINUTE_MS));
  await crowd.restart();
  // Whatever is looked at once after a start is not what a tick costs from then on.
  for (let i = 0; i < 2 * MINUTE_MS; i += TICK_MS) await crowd.tick();
  crowd.watched.taken();
  const ticks: Measured["ticks"] = [];
  const all = new Map<string, Asked>();
  let worst: Measured["worst"] = { kind: "", stillMs: 0, asked: [] };
  for (let i = 0; i < MEASURED_MS; i += TICK_MS) {
    const kind = kinds.find(({ everyMs }) => crowd.clock.elapsed() % everyMs === 0)?.name as string;
    const took = await crowd.tick();
    ticks.push({ kind, ...took });
    const asked = crowd.watched.taken();
    if (took.stillMs > worst.stillMs) worst = { kind, stillMs: took.stillMs, asked };
    for (const { sql, calls, ms } of asked) {
      const sum = all.get(sql) ?? { sql, calls: 0, ms: 0 };
      all.set(sql, { sql, calls: sum.calls + calls, ms: sum.ms + ms });
    }
  }
  const scrapes: number[] = [];
  for (let i = 0; i < 5; i++) {
    const from = performance.now();
    await crowd.call("GET", "/metrics");
    scrapes.push(performance.now() - from);
    await crowd.tick();
  }
  const asked = [...all.values()].sort((a, b) => b.ms - a.ms);
  const plans = new Map(asked.map(({ sql }) => [sql, crowd.watched.plan(sql)]));
  await crowd.close();
  return { ticks, scrapes, asked, worst, plans };
}

/** A key of each kind. */
async function templates(
  crowd: Crowd,
): Promise<Record<"used" | "unused" | "propagating" | "offered" | "overlapping", string>> {
  const { call } = crowd;
  const api = await call("POST", "/v1/apis", { name: "market", prefix: "mkt", scopes: ["market:read"] });
  const quarterly = { spec: { schedule: { everyMs: 90 * DAY_MS, jitterMs: 0 } } };
  await call("PUT", "/v1/policies/quarterly", quarterly);
  await call("POST", "/v1/policies/quarterly/attachments", { target: { kind: "api", api: api.id } });
  const consumer = await call("POST", "/v1/consumers", { name: "desk" });
  const holder = (await call("POST", "/v1/tokens", { name: "desk", role: "consumer", consumer: consumer.id })).secret;
  const wanted = { api: api.id, environment: "live", consumer: consumer.id, scopes: ["market:read"] };
  const used = (key: string) =>
    call("POST", "/v1/verify", { api: api.id, key, environment: "live", network: "203.0.113.7" });
  const make = () => call("POST", "/v1/keys", wanted);
  const rotate = async (key: { id: string }) => call("POST", `/v1/keys/${key.id}/rotations`, { reason: "bench" });
  const [idle, unused, offered, overlapping] = [await make(), await make(), await make(), await make()];
  const propagating = await make();
  for (const { secret } of [idle, offered, overlapping, propagating]) await used(secret);
  await rotate(offered);
  const rotation = await rotate(overlapping);
  for (let i = 0; i < 8; i++) await crowd.tick();
  const claimed = await call("POST", `/v1/rotations/${rotation.id}/claim`, undefined, holder);
  await used(claimed.secret);
  const token = await call("POST", "/v1/tokens", { name: "apis", role: "verifier", apis: [api.id] });
  // It holds its rotation's successor back, and says nothing more.
  const boot = `boo_${"0".repeat(22)}`;
  await call("POST", `/v1/apis/${api.id}/verifiers`, { boot, instance: "web-1", software: "bench" }, token.secret);
  await rotate(propagating);
  for (let i = 0; i < 8; i++) await crowd.tick();
  for (const [phase, { id }] of Object.entries({ offered, overlapping, propagating })) {
    const [found] = (await call("GET", `/v1/rotations?key=${id}`)).items;
    if (found.phase !== phase) throw new Error(`the key that should be ${phase} is ${found.phase}`);
  }
  return {
    used: idle.id,
    unused: unused.id,
    offered: offered.id,
    overlapping: overlapping.id,
    propagating: propagating.id,
  };
}

/** What grows with keys and with time: nothing of it may be gone through from one end to the other. */
const GROWING =
  /\bSCAN (key|version|rotation|sealed|feed_entry|feed_record|audit|audit_subject|idempotency|source_use|source_gap|version_use|usage_bucket|notice|notice_event)\b/;

function worstOf({ worst: { kind, stillMs, asked } }: Measured): string {
  const lines = asked
    .slice(0, 5)
    .map(({ sql, calls, ms }) => `    ${ms.toFixed(1)} ms in ${calls} of ${shortly(sql)}\n`);
  return `the longest that anything else waited: ${stillMs.toFixed(1)} ms (${kind}); dearest in that tick\n${lines.join("")}\n`;
}

const shortly = (sql: string) => sql.replace(/\s+/g, " ").slice(0, 160);

function plansOf({ asked, plans, ticks }: Measured): string {
  const lines = asked.map(({ sql, calls, ms }) => {
    const plan = plans.get(sql) ?? [];
    const scans = plan.some((detail) => GROWING.test(detail));
    const head = `${(calls / ticks.length).toFixed(2).padStart(8)} a tick  ${(ms / ticks.length).toFixed(3).padStart(8)} ms a tick`;
    return `${head}${scans ? "  SCANS" : ""}  ${shortly(sql)}\n${plan.map((detail) => `${" ".repeat(40)}${detail}\n`).join("")}`;
  });
  return lines.join("");
}
