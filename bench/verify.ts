/**
 * One decision in the API's own process, whole: form, checksum, hash, look-up, status, environment, scope, network, counting.
 * Beside it one bare `crypto.hash` over the same texts in the same order, and the naive check. The same of keys with limits, beside keys without.
 */
import { hash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Limit, PlanRecord } from "@keyover/core";
import type { Verifier } from "@keyover/verifier";
import { addressOf, CALLERS, type HeldKey, makeKeys, verifierOf } from "./keyring.ts";
import { type NaiveCheck, naiveCheckOf } from "./naive-check.ts";
import { type Row, rowOf } from "./report.ts";

const ROUNDS = 5;
const CALLS = 1_000_000;
/** One key in so many is bound to a network. */
const BOUND_EVERY = 8;
/** Between two passes: the reports and the collector get their turn, outside of what is timed. */
const PAUSE_MS = 50;

export async function verify(quick: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  // The few first: they bring the code to full speed, and the first use of each of the many is measured at that.
  const [few, many] = quick ? [1_000, 10_000] : [1_000, 1_000_000];
  rows.push(...(await measure(few, quick, false)), ...(await limited(few, quick)));
  rows.push(...(await measure(many, quick, true)));
  return rows;
}

/** As wide as they can be: no call is refused. */
const RATE: Limit = {
  kind: "rate",
  name: "sustained",
  per: "key",
  units: 1_000_000_000,
  windowMs: 1_000,
  burst: 1_000_000,
};
const QUOTA: Limit = {
  kind: "quota",
  name: "monthly",
  per: "key",
  units: 1_000_000_000_000,
  period: "month",
  zone: "Europe/Zurich",
};

/** What limits add: a verifier whose keys have them, beside one whose keys have none. */
async function limited(count: number, quick: boolean): Promise<Row[]> {
  const kinds = { none: [], rate: [RATE], both: [RATE, QUOTA] };
  const names = Object.keys(kinds) as (keyof typeof kinds)[];
  const verifiers: Verifier[] = [];
  const passes = [];
  for (const name of names) {
    const keys = makeKeys(count, BOUND_EVERY);
    const plan: PlanRecord = { seq: 1, plan: "pln_1", name: "pro", limits: kinds[name], default: true };
    const verifier = await verifierOf(keys, [plan]);
    const calls = callsOf(keys, quick ? 50_000 : CALLS);
    verifiers.push(verifier);
    passes.push({ name, pass: () => verifyAll(verifier, calls), size: calls.texts.length, took: [] as number[] });
  }
  for (let round = -1; round < ROUNDS; round++) {
    for (const { pass, size, took } of passes) {
      const ns = perCallNs(pass, size);
      if (round >= 0) took.push(ns);
      await sleep(PAUSE_MS);
    }
  }
  for (const verifier of verifiers) await verifier.close();
  const [none, rate, both] = passes.map(({ took }) => took) as [number[], number[], number[]];
  const shared = { unit: "ns", baselineName: "without limits", baselineRounds: none };
  const text = `verify, ${count.toLocaleString("en")} keys`;
  return [
    rowOf({ ...shared, name: `${text}, with a rate`, rounds: rate }, { ratioMax: 1.25 }),
    rowOf({ ...shared, name: `${text}, with a rate and a quota`, rounds: both }, { ratioMax: 1.25 }),
  ];
}

async function measure(count: number, quick: boolean, withFirstUse: boolean): Promise<Row[]> {
  const keys = makeKeys(count, BOUND_EVERY);
  const verifier = await verifierOf(keys);
  const name = `verify, ${count.toLocaleString("en")} keys`;
  const first = withFirstUse ? [await firstUse(verifier, keys, `${name}, each for the first time`)] : [];
  const calls = callsOf(keys, quick ? 50_000 : CALLS);
  const naive = naiveCheckOf(keys);
  const passes = {
    verify: () => verifyAll(verifier, calls),
    bare: () => hashAll(calls),
    naive: () => checkAll(naive, calls),
  };
  const took: Record<keyof typeof passes, number[]> = { verify: [], bare: [], naive: [] };
  const names = Object.keys(passes) as (keyof typeof passes)[];
  for (let round = -1; round < ROUNDS; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      // Another one begins each round. Round -1 is for the compiler.
      const name = names[(turn + round + names.length) % names.length] as keyof typeof passes;
      const ns = perCallNs(passes[name], calls.texts.length);
      if (round >= 0) took[name].push(ns);
      await sleep(PAUSE_MS);
    }
  }
  await verifier.close();
  const shared = { unit: "ns", name, rounds: took.verify };
  return [
    ...first,
    rowOf({ ...shared, baselineName: "crypto.hash", baselineRounds: took.bare }, { ratioMax: 5 }),
    rowOf({ ...shared, baselineName: "naive check", baselineRounds: took.naive }),
  ];
}

/** Each key once, in as many parts as there are rounds, so that every decision meets a key that nothing has touched since it came. */
async function firstUse(verifier: Verifier, keys: readonly HeldKey[], name: string): Promise<Row> {
  const all = callsOf(keys, keys.length);
  const size = keys.length / ROUNDS;
  const rounds: number[] = [];
  const baselineRounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [from, to] = [round * size, (round + 1) * size];
    const part = { ...all, texts: all.texts.slice(from, to), callers: all.callers.slice(from, to) };
    baselineRounds.push(perCallNs(() => hashAll(part), size));
    rounds.push(perCallNs(() => verifyAll(verifier, part), size));
    await sleep(PAUSE_MS);
  }
  return rowOf({ name, unit: "ns", rounds, baselineName: "crypto.hash", baselineRounds }, { ratioMax: 5 });
}

interface Calls {
  texts: string[];
  /** What call `i` asks: `asks[caller[i]]`. */
  asks: { environment: string; scope: string; network: string; client: string }[];
  callers: Uint8Array;
}

/** Each key as often as any other, in an order that no cache can guess. */
function callsOf(keys: readonly HeldKey[], count: number): Calls {
  const order = Array.from({ length: count }, (_, i) => i % keys.length);
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  const asks = Array.from({ length: CALLERS }, (_, i) => ({
    environment: "live",
    scope: "market:read",
    network: addressOf(i),
    client: `bot-${i}/1.0`,
  }));
  const texts = order.map((i) => (keys[i] as HeldKey).text);
  return { texts, asks, callers: Uint8Array.from(order, (i) => i % CALLERS) };
}

function perCallNs(pass: () => number, calls: number): number {
  const began = process.hrtime.bigint();
  const good = pass();
  const ns = Number(process.hrtime.bigint() - began) / calls;
  if (good !== calls) throw new Error(`${calls - good} of ${calls} calls were not answered as they should be`);
  return ns;
}

function verifyAll(verifier: Verifier, { texts, asks, callers }: Calls): number {
  let good = 0;
  for (let i = 0; i < texts.length; i++) {
    const ask = asks[callers[i] as number] as Calls["asks"][number];
    if (verifier.verifyNow(texts[i] as string, ask)?.valid === true) good++;
  }
  return good;
}

function hashAll({ texts }: Calls): number {
  let good = 0;
  for (let i = 0; i < texts.length; i++) if (hash("sha256", texts[i] as string).length === 64) good++;
  return good;
}

function checkAll(check: NaiveCheck, { texts, asks, callers }: Calls): number {
  let good = 0;
  for (let i = 0; i < texts.length; i++) {
    const ask = asks[callers[i] as number] as Calls["asks"][number];
    if (check(texts[i] as string, ask).valid) good++;
  }
  return good;
}
