/**
 * What the authority does by itself, with a million keys under policy and ten thousand rotations in flight: what a tick costs, beside the same
 * with a thousand keys and ten rotations. And how SQLite finds what it is asked, statement by statement.
 */
import { TICK_MS } from "../packages/server/src/authority.ts";
import { type Crowd, DAY_MS, openCrowd, type Tick } from "./crowd.ts";
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
  const longest = (member: keyof Tick) => (measured: Measured) => [
    Math.max(...measured.ticks.map((tick) => tick[member])),
  ];
  return [
    ...[...kinds].reverse().map(({ name }) => row(`tick: ${name}`, "ms", (measured) => of(measured, name), MARK)),
    row("ticks, p99", "ms", p99, MARK),
    row("longest tick", "ms", longest("ms"), MARK),
    row("longest tick, processor", "ms", longest("cpuMs"), MARK),
    row("longest that anything else waited", "ms", longest("stillMs"), MARK),
    row("longest that anything else waited, processor", "ms", longest("stillCpuMs"), MARK),
    row("longest until all that was due was done", "ms", longest("wholeMs")),
    row("all held up are offered: their tick, processor", "ms", ({ offers }) => [offers.cpuMs], MARK),
    row("longest that anything else waited for that, processor", "ms", ({ offers }) => [offers.stillCpuMs], MARK),
    row("until all of them were", "ms", ({ offers }) => [offers.wholeMs]),
    row("all ticks of a second", "ms", perSecond),
    row("scrape of the metrics", "ms", ({ scrapes }) => scrapes.map(({ ms }) => ms)),
    row("longest that anything else waited for a scrape", "ms", ({ scrapes }) => scrapes.map(({ stillMs }) => stillMs)),
  ];
}

const SILENT = `boo_${"0".repeat(22)}`;

interface Measured {
  ticks: (Tick & { kind: string })[];
  /** Scrapes of the metrics, and the longest turn of the event loop in each. */
  scrapes: { ms: number; stillMs: number }[];
  /** The tick in which all that were held up are offered. */
  offers: Tick;
  asked: Asked[];
  /** The tick during which anything else waited longest, and the longest one, by the processor; what was asked in each. */
  worst: Record<"stillCpuMs" | "cpuMs", { kind: string; took: Tick; asked: Asked[] } | undefined>;
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
  const worst: Measured["worst"] = { stillCpuMs: undefined, cpuMs: undefined };
  for (let i = 0; i < MEASURED_MS; i += TICK_MS) {
    const kind = kinds.find(({ everyMs }) => crowd.clock.elapsed() % everyMs === 0)?.name as string;
    const took = await crowd.tick();
    ticks.push({ kind, ...took });
    const asked = crowd.watched.taken();
    for (const by of ["stillCpuMs", "cpuMs"] as const)
      if (took[by] > (worst[by]?.took[by] ?? 0)) worst[by] = { kind, took, asked };
    for (const { sql, calls, ms } of asked) {
      const sum = all.get(sql) ?? { sql, calls: 0, ms: 0 };
      all.set(sql, { sql, calls: sum.calls + calls, ms: sum.ms + ms });
    }
  }
  const scrapes: Measured["scrapes"] = [];
  for (let i = 0; i < 5; i++) {
    scrapes.push(await crowd.watch(() => crowd.call("GET", "/metrics")));
    for (let ms = 0; ms < MINUTE_MS; ms += TICK_MS) await crowd.tick();
  }
  // The verifier that was waited for is gone: a thousand successors are offered at once.
  const [api] = (await crowd.call("GET", "/v1/apis")).items;
  await crowd.call("DELETE", `/v1/apis/${api.id}/verifiers/${SILENT}`);
  const offers = await crowd.tick();
  const asked = [...all.values()].sort((a, b) => b.ms - a.ms);
  const plans = new Map(asked.map(({ sql }) => [sql, crowd.watched.plan(sql)]));
  await crowd.close();
  return { ticks, scrapes, offers, asked, worst, plans };
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
  // It collects until long after the end: nothing is sent.
  const target = { kind: "webhook", url: "https://hooks.example.com/" };
  await call("POST", "/v1/channels", { name: "ops", target, digestMs: 7 * DAY_MS });
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
  await call(
    "POST",
    `/v1/apis/${api.id}/verifiers`,
    { boot: SILENT, instance: "web-1", software: "bench" },
    token.secret,
  );
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

function worstOf({ worst }: Measured): string {
  return Object.entries(worst)
    .map(([by, tick]) => {
      const lines = (tick?.asked ?? [])
        .slice(0, 5)
        .map(({ sql, calls, ms }) => `    ${ms.toFixed(1)} ms in ${calls} of ${shortly(sql)}\n`);
      const took = Object.entries(tick?.took ?? {}).map(([name, ms]) => `${name} ${ms.toFixed(1)}`);
      return `the tick with the most ${by} (${tick?.kind}): ${took.join(", ")}; dearest in it\n${lines.join("")}\n`;
    })
    .join("");
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
