/**
 * Which wave of a campaign each key is in, so that percents are exact shares however few keys there are.
 *
 * Each key has a *home*, the first wave that takes it by what it is (canary, environment, label, the rest), and a *draw*, its place in the
 * campaign's order of chance. A wave of percents takes keys whose home comes later, those with the lowest draws:
 *
 *     draws of the keys that are left:   |·· ·  ···|· ·· · ·· ··|··· · ·· ·      ·: a key
 *                                                  ↑ cut of the first percent wave
 *                                                               ↑ cut of the second
 *
 * Of N keys the waves up to the one of p percent hold round(N × p / 100), whatever earlier waves took; one of percents holds one key at least,
 * if any is left. That is known when the selection is whole. Until then keys are placed by where a cut would be likely, so that few have to move.
 *
 * A key's wave follows from its handle, the campaign's, and the numbers of keys alone: no page, crash or order changes it. Draws have 48 bits;
 * should two keys of a campaign have the same one, right at a cut, a wave has one key more.
 */
import type { Wave, WaveFacts } from "./campaign.ts";
import { sha256Ascii } from "./sha256.ts";

const DRAWS = 2 ** 48;
const digest = new Int32Array(8);

/** A whole number below 2^48, another one in each campaign. */
export function drawOf(campaignId: string, keyId: string): number {
  sha256Ascii(`${campaignId} ${keyId}`, digest);
  return ((digest[0] as number) >>> 0) * 2 ** 16 + ((digest[1] as number) >>> 16);
}

/** The wave that takes a key by what it is. */
export function homeOf(waves: readonly Wave[], facts: WaveFacts): number {
  const found = waves.findIndex(({ of }) => takes(of, facts));
  return found < 0 ? waves.length - 1 : found;
}

function takes(of: Wave["of"], { keyId, environment, consumerLabels }: WaveFacts): boolean {
  if ("keys" in of) return of.keys.includes(keyId);
  if ("percent" in of) return of.percent === 100;
  if ("environment" in of) return environment === of.environment;
  if ("consumerLabel" in of) return consumerLabels[of.consumerLabel.name] === of.consumerLabel.value;
  return true;
}

/** By wave: one of percents takes draws below this. 0 for the others. */
export type Cuts = readonly number[];

/** Undefined for waves that take keys by what they are. */
function percentOf({ of }: Wave): number | undefined {
  return "percent" in of && of.percent < 100 ? of.percent : undefined;
}

/** True if keys are drawn for some of the waves. */
export function drawsKeys(waves: readonly Wave[]): boolean {
  return waves.some((wave) => percentOf(wave) !== undefined);
}

export function likelyCuts(waves: readonly Wave[]): Cuts {
  return waves.map((wave) => ((percentOf(wave) ?? 0) / 100) * DRAWS);
}

export function waveAt(cuts: Cuts, home: number, draw: number): number {
  const drawn = cuts.findIndex((cut) => draw < cut);
  return drawn >= 0 && drawn < home ? drawn : home;
}

/** Keys of one home, in order of their draws. */
export interface DrawRun {
  home: number;
  draws: Float64Array;
}

/** Some of a campaign's keys, in any order. */
export function runsOf(keys: readonly { home: number; draw: number }[]): DrawRun[] {
  const homes = Map.groupBy(keys, ({ home }) => home);
  return [...homes].map(([home, own]) => ({ home, draws: Float64Array.from(own, ({ draw }) => draw).sort() }));
}

/** Where the cuts are for these keys, which are all of the campaign. Runs may be as many as pages were read. */
export function exactCuts(waves: readonly Wave[], runs: readonly DrawRun[]): Cuts {
  const all = runs.reduce((sum, { draws }) => sum + draws.length, 0);
  let last = 0;
  return waves.map((wave, i) => {
    const percent = percentOf(wave);
    if (percent === undefined) return 0;
    const later = runs.filter(({ home }) => home > i);
    const taken = countBelow(later, last);
    const left = later.reduce((sum, { draws }) => sum + draws.length, 0) - taken;
    const wanted = Math.max(1, Math.round((all * percent) / 100) - (all - left));
    last = left === 0 ? last : cutAfter(later, taken + Math.min(left, wanted), last);
    return last;
  });
}

/** The lowest place from `from` on with so many draws below it. */
function cutAfter(runs: readonly DrawRun[], count: number, from: number): number {
  let [low, high] = [from, DRAWS];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (countBelow(runs, middle) >= count) high = middle;
    else low = middle + 1;
  }
  return low;
}

function countBelow(runs: readonly DrawRun[], cut: number): number {
  let sum = 0;
  for (const { draws } of runs) sum += placeIn(draws, cut);
  return sum;
}

/** How many of them are below. */
function placeIn(draws: Float64Array, cut: number): number {
  let [low, high] = [0, draws.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((draws[middle] as number) < cut) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Keys in each wave. */
export function sharesOf(waves: readonly Wave[], runs: readonly DrawRun[], cuts: Cuts): number[] {
  const shares = waves.map(() => 0);
  for (const { home, draws } of runs) {
    let below = 0;
    for (let i = 0; i < home; i++) {
      const place = Math.max(below, placeIn(draws, cuts[i] as number));
      shares[i] = (shares[i] as number) + place - below;
      below = place;
    }
    shares[home] = (shares[home] as number) + draws.length - below;
  }
  return shares;
}
