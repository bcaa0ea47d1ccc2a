/**
 * Is the forecast true? Of the retirements for which `forecastRefusal` says 1 %, about 1 % must hurt somebody.
 *
 *     npm run sim -- --calibration           20,000 consumers (population.ts), one decision each
 *     npm run sim -- --calibration --seeds 2000
 *
 * Each consumer's calls up to a random moment are folded by the product's own code and the forecast is asked for; then it is looked up whether anybody
 * ever came with the old version afterwards. One decision for each consumer, so that the decisions are independent.
 */
import {
  foldSighting,
  forecastRefusal,
  judgeQuiet,
  type QuietRule,
  type Sighting,
  type SourceUse,
  type Watermark,
} from "@keyover/core";
import { Chance } from "./chance.ts";
import { type Call, type Consumer, DAY, HOUR, makeConsumer } from "./population.ts";

export interface Decision {
  forecast: number;
  /** Somebody came with the old version afterwards. */
  hurt: boolean;
  /** The evidence would have retired it by then, under each of `RULES`. */
  quiet: boolean[];
}

export interface Bin {
  from: number;
  to: number;
  decisions: number;
  /** The mean of what was forecast. */
  forecast: number;
  hurt: number;
  /** 95 % (Wilson). */
  low: number;
  high: number;
}

export interface Calibration {
  bins: Bin[];
  /** The mean square of forecast minus outcome; and that of a forecast that always says how many are hurt in all. */
  brier: number;
  brierBase: number;
  decisions: number;
  /** Under each of `RULES`: what the evidence would have retired. */
  quiet: { decisions: number; hurt: number }[];
}

const EDGES = [0, 0.005, 0.02, 0.05, 0.15, 0.4, 0.7, 1];

/** The default policy's, and with more patience for sources that were not known for long. */
const RULES: readonly QuietRule[] = [0, 8, 32].map((days) => ({
  quietMs: DAY,
  gapMargin: 1.5,
  youngQuietMs: days * DAY,
}));

export function calibrate(consumers: number, seed: string): Calibration {
  const decisions: Decision[] = [];
  for (let i = 0; i < consumers; i++) {
    const decision = decide(makeConsumer(new Chance(`${seed} ${i}`)));
    if (decision !== undefined) decisions.push(decision);
  }
  const bins = EDGES.slice(1).map((to, i) => binOf(decisions, EDGES[i] as number, to));
  const base = share(decisions, ({ hurt }) => hurt);
  const square = (of: (decision: Decision) => number) =>
    decisions.reduce((sum, each) => sum + (of(each) - Number(each.hurt)) ** 2, 0) / decisions.length;
  const quiet = RULES.map((_, i) => decisions.filter((decision) => decision.quiet[i]));
  return {
    bins: bins.filter((bin) => bin.decisions > 0),
    brier: square(({ forecast }) => forecast),
    brierBase: square(() => base),
    decisions: decisions.length,
    quiet: quiet.map((list) => ({ decisions: list.length, hurt: list.filter(({ hurt }) => hurt).length })),
  };
}

/** Undefined where nobody had used the old version. */
function decide({ offeredAt, decidedAt, calls }: Consumer): Decision | undefined {
  const past = calls.filter(({ at }) => at <= decidedAt);
  const uses = [...foldAll(past).values()];
  if (!uses.some(({ versions }) => versions[1] !== undefined)) return undefined;
  const mark: Watermark = { at: decidedAt, waitingFor: [], holes: [] };
  const { chance } = forecastRefusal({ version: 1, successor: 2, offeredAt }, uses, mark);
  const used = past.some(({ version }) => version === 2);
  const open = used && decidedAt - offeredAt >= HOUR;
  const quiet = RULES.map((rule) => open && judgeQuiet(1, uses, mark, offeredAt, rule).quiet);
  const hurt = calls.some(({ at, version }) => at > decidedAt && version === 1);
  return { forecast: chance, hurt, quiet };
}

/** As verifiers report: calls that follow each other closely come as one sighting. */
const RUN_GAP_MS = HOUR / 4;
const RUN_MS = 6 * HOUR;

function foldAll(calls: readonly Call[]): Map<string, SourceUse> {
  const uses = new Map<string, SourceUse>();
  const open = new Map<string, Sighting>();
  const fold = (sighting: Sighting) => {
    const { client } = sighting.source;
    uses.set(client, foldSighting(uses.get(client), sighting));
  };
  for (const { at, source, version } of calls) {
    const run = open.get(source);
    if (run?.version === version && at - run.last < RUN_GAP_MS && at - run.first < RUN_MS) {
      run.longestGapMs = Math.max(run.longestGapMs, at - run.last);
      run.last = at;
      run.accepted++;
      continue;
    }
    if (run !== undefined) fold(run);
    const from = { network: "203.0.113.0/24", client: source, instance: "" };
    const seen = { first: at, last: at, accepted: 1, refused: 0, longestGapMs: 0 };
    open.set(source, { key: "key_1", version, source: from, ...seen });
  }
  for (const run of open.values()) fold(run);
  return uses;
}

function binOf(all: readonly Decision[], from: number, to: number): Bin {
  const inside = all.filter(({ forecast }) => forecast >= from && (forecast < to || to === 1));
  const hurt = inside.filter((decision) => decision.hurt).length;
  const forecast = inside.reduce((sum, decision) => sum + decision.forecast, 0) / (inside.length || 1);
  return { from, to, decisions: inside.length, forecast, hurt, ...wilson(hurt, inside.length) };
}

function share(all: readonly Decision[], is: (decision: Decision) => boolean): number {
  return all.filter(is).length / all.length;
}

/** Between these lies the true share, 95 times of 100. */
export function wilson(hits: number, of: number, z = 1.96): { low: number; high: number } {
  if (of === 0) return { low: 0, high: 1 };
  const [p, zz] = [hits / of, z * z];
  const middle = (p + zz / (2 * of)) / (1 + zz / of);
  const half = (z / (1 + zz / of)) * Math.sqrt((p * (1 - p)) / of + zz / (4 * of * of));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

export function calibrationTable({ bins, brier, brierBase, decisions, quiet }: Calibration): string {
  const percent = (part: number) => `${(100 * part).toFixed(part < 0.1 ? 2 : 1)} %`;
  const rows = bins.map(
    (bin) =>
      `| ${percent(bin.from)} to ${percent(bin.to)} | ${bin.decisions} | ${percent(bin.forecast)} | ${percent(bin.hurt / bin.decisions)} | ${percent(bin.low)} to ${percent(bin.high)} |`,
  );
  const retired = quiet.map(
    (some, i) =>
      `- \`youngQuietMs\` ${(RULES[i]?.youngQuietMs ?? 0) / DAY} days: the evidence would have retired ${some.decisions}, of which ${some.hurt} hurt (${percent(some.hurt / (some.decisions || 1))})`,
  );
  return [
    "| forecast | retirements | mean forecast | hurt | 95 % interval |",
    "|---|---|---|---|---|",
    ...rows,
    "",
    `${decisions} retirements, Brier score ${brier.toFixed(4)} (always the mean: ${brierBase.toFixed(4)}).`,
    "",
    ...retired,
  ].join("\n");
}
