/** Evidence in words and numbers. Pure. */
import {
  countText,
  type Forecast,
  type Gate,
  type QuietSource,
  type QuietVerdict,
  type Refused,
  type Rotation,
  type Watermark,
} from "@keyover/core";
import type { ShareStep, VersionShare } from "../../evidence/evidence.ts";
import type { FleetMember } from "../../feed/fleet.ts";

export interface EvidenceFacts {
  rotation: Rotation;
  now: number;
  gates: Gate[];
  needs: number;
  laggards: FleetMember[];
  quiet: QuietVerdict;
  mark: Watermark;
  shares: VersionShare[];
  sharesOverTime: ShareStep[];
  forecast: Forecast | undefined;
  refused: Refused | undefined;
}

export function explainEvidence({ rotation, now, gates, needs, laggards, quiet, mark, ...facts }: EvidenceFacts) {
  const { forecast, refused, shares, sharesOverTime } = facts;
  return {
    rotation: rotation.id,
    phase: rotation.phase,
    now,
    gates: gates.map((gate) => ({ ...gate, explanation: explainGate(gate, rotation, quiet, mark) })),
    waitingFor: laggards.map(({ boot, instance, applied, answersUntil }) => ({
      boot,
      instance,
      applied,
      needs,
      answersUntil,
    })),
    quiet: { ...quiet, watermarkHeldBy: mark.waitingFor, holes: mark.holes },
    moved: explainMoved(quiet),
    forecast: forecast === undefined ? null : { ...forecast, how: explainForecast(forecast, quiet.version) },
    refused: refused ?? null,
    shares,
    sharesOverTime,
  };
}

function explainGate(gate: Gate, rotation: Rotation, quiet: QuietVerdict, mark: Watermark): string {
  if (rotation.fromRefusedAt !== null)
    return `version ${rotation.from} was killed at ${iso(rotation.fromRefusedAt)}; nothing to wait for`;
  switch (gate.name) {
    case "minimum-overlap":
      if (rotation.offeredAt === null) return "begins when the successor is offered";
      return `both versions are accepted until ${iso(rotation.offeredAt + rotation.policy.overlapMinMs)} at least`;
    case "successor-used":
      return explainUse(rotation);
    case "old-version-quiet":
      return explainQuiet(gate, rotation, quiet, mark);
  }
}

function explainUse({ usedAt, claimedAt, to }: Rotation): string {
  if (usedAt !== null) return `version ${to} was first used at ${iso(usedAt)}`;
  const had = claimedAt === null ? "nobody has fetched it" : `it was fetched at ${iso(claimedAt)}`;
  return `version ${to} has not been used yet, ${had}; the consumer meets this by using it`;
}

function explainQuiet(gate: Gate, rotation: Rotation, quiet: QuietVerdict, mark: Watermark): string {
  const whole = `reports are whole up to ${iso(quiet.watermark)}`;
  if (gate.met) return `version ${quiet.version} has been quiet; ${whole}`;
  const parts = [explainSilence(rotation, quiet), ...explainHoles(quiet, mark), whole];
  switch (gate.waitsFor) {
    case "operator":
      parts.push(
        "the key is not accepted at present, so its silence says nothing; an operator restores or prolongs it",
      );
      break;
    case "verifiers":
      parts.push(
        `it is for verifiers to report up to then: ${mark.waitingFor.map(({ instance, coveredTo }) => `${instance} has up to ${iso(coveredTo)}`).join(", ")}`,
      );
      break;
    default:
      parts.push(`met at ${iso(quiet.quietAt)} at the earliest, if nobody uses version ${quiet.version} until then`);
  }
  return parts.join("; ");
}

function explainSilence(rotation: Rotation, quiet: QuietVerdict): string {
  const loudest = quiet.sources.find((source) => !source.quiet);
  if (loudest === undefined)
    return `no source is waited for; silence counts from ${iso(quiet.countsFrom)}, quiet at ${iso(quiet.quietAt)}`;
  const { lastSeen, neededMs, quietAt, historyMs, young, turnedAway } = loudest;
  const known = young ? `, and is known for only ${inWords(historyMs)}` : "";
  const byPolicy = neededMs > loudest.usual.lengthMs * rotation.policy.gapMargin;
  const why = turnedAway ? ", twice as long as else, because it was refused last" : byPolicy ? " by the policy" : "";
  return `${nameOf(loudest)} used version ${quiet.version} at ${iso(lastSeen)}; ${explainUsual(loudest)}${known}, so it must be silent for ${inWords(neededMs)}${why}: quiet at ${iso(quietAt)}`;
}

function explainUsual({ usual }: QuietSource): string {
  const { lengthMs, rank, of } = usual;
  if (of === 0) return "it has been seen once";
  const which = rank === 1 ? "its longest silence" : `its second longest silence of ${of}`;
  return `its usual gap is ${inWords(lengthMs)} (${which})`;
}

/** Those that silence counts anew from. */
function explainHoles({ countsFrom }: QuietVerdict, { holes }: Watermark): string[] {
  const last = holes.filter(({ to }) => to === countsFrom);
  return last.map(
    ({ instance, from, to }) =>
      `what ${instance} saw from ${iso(from)} to ${iso(to)} was never reported, so silence counts from the end of that`,
  );
}

/** As many as one reads. */
const NAMED_MAX = 3;

function explainMoved({ sources, version }: QuietVerdict) {
  const moved = sources.filter((source) => source.moved).length;
  const still = sources.filter((source) => !source.moved && !source.quiet).sort((a, b) => b.lastSeen - a.lastSeen);
  const silent = sources.length - moved - still.length;
  const named = still
    .slice(0, NAMED_MAX)
    .map((source) => `${nameOf(source)} last used version ${version} at ${iso(source.lastSeen)}`);
  const more = still.length > NAMED_MAX ? [`and ${still.length - NAMED_MAX} more`] : [];
  const gone = silent === 0 ? [] : [`${silent} silent for long enough`];
  const explanation = [`${moved} of ${sources.length} moved`, ...gone, ...named, ...more].join("; ");
  return { moved, silent, of: sources.length, explanation };
}

function explainForecast({ chance, sources, moved, movesPerDay }: Forecast, version: number): string {
  const [first] = sources;
  if (first === undefined) return `nobody was ever seen on version ${version}`;
  const { silentMs, longerGaps, gaps, historyMs, shared } = first;
  const seen =
    gaps === 0
      ? "of which no silence is known"
      : `${longerGaps} of its ${gaps} silences in ${inWords(historyMs)} were longer`;
  const how = first.moved
    ? `seen on the successor since, and ${shared ? "several programs have this name" : "another program may have its name"}`
    : seen;
  return `${percent(chance)}: most of it by ${nameOf(first)} (${percent(first.chance)}), silent for ${inWords(silentMs)}, ${how}; ${moved} of ${countText(sources.length, "source")} ${moved === 1 ? "has" : "have"} moved, ${Number(movesPerDay.toPrecision(2))} a day each`;
}

function percent(part: number): string {
  return `${Number((100 * part).toPrecision(2))} %`;
}

function nameOf({ source }: { source: QuietSource["source"] }): string {
  return `${source.network} ${source.client} ${source.instance}`.trim();
}

function inWords(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 100) / 10} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 6_000) / 10} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 360_000) / 10} h` : `${Math.round(ms / 8_640_000) / 10} days`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
