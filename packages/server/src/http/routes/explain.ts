/** Evidence in words and numbers. Pure. */
import type { Gate, QuietVerdict, Rotation, Watermark } from "@keyover/core";
import type { VersionShare } from "../../evidence/evidence.ts";
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
}

export function explainEvidence({ rotation, now, gates, needs, laggards, quiet, mark, shares }: EvidenceFacts) {
  return {
    rotation: rotation.id,
    phase: rotation.phase,
    now,
    gates: gates.map((gate) => ({ ...gate, explanation: explainGate(gate, rotation, quiet) })),
    waitingFor: laggards.map(({ boot, instance, applied, answersUntil }) => ({
      boot,
      instance,
      applied,
      needs,
      answersUntil,
    })),
    quiet: { ...quiet, watermarkHeldBy: mark.waitingFor, holes: mark.holes },
    shares,
  };
}

function explainGate(gate: Gate, rotation: Rotation, quiet: QuietVerdict): string {
  if (rotation.fromRefusedAt !== null)
    return `version ${rotation.from} was killed at ${iso(rotation.fromRefusedAt)}; nothing to wait for`;
  switch (gate.name) {
    case "minimum-overlap":
      if (rotation.offeredAt === null) return "begins when the successor is offered";
      return `both versions are accepted until ${iso(rotation.offeredAt + rotation.policy.overlapMinMs)} at least`;
    case "successor-used":
      return rotation.usedAt === null
        ? `version ${rotation.to} has not been used yet`
        : `version ${rotation.to} was first used at ${iso(rotation.usedAt)}`;
    case "old-version-quiet":
      return explainQuiet(rotation, quiet);
  }
}

function explainQuiet(rotation: Rotation, quiet: QuietVerdict): string {
  const loudest = quiet.sources.find((source) => !source.quiet);
  if (quiet.quiet) return `version ${quiet.version} has been quiet; reports are whole up to ${iso(quiet.watermark)}`;
  if (loudest === undefined)
    return `no source is known; silence counts from ${iso(quiet.countsFrom)}, quiet at ${iso(quiet.quietAt)}`;
  const { source, lastSeen, longestGapMs, quietAt } = loudest;
  const needed = Math.max(rotation.policy.quietMs, longestGapMs * rotation.policy.gapMargin);
  return `${source.network} ${source.client} ${source.instance}`
    .trim()
    .concat(
      ` used version ${quiet.version} at ${iso(lastSeen)}; its longest silence was ${inWords(longestGapMs)}, so it must be silent for ${inWords(needed)}: quiet at ${iso(quietAt)}; reports are whole up to ${iso(quiet.watermark)}`,
    );
}

function inWords(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 100) / 10} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 6_000) / 10} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 360_000) / 10} h` : `${Math.round(ms / 8_640_000) / 10} days`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
