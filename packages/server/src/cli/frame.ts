/** One picture of a rotation, for `keyover watch`. Pure: the same answers give the same lines. */
import { type EvidenceAnswer, named, type RotationRow, sourceName } from "./entity-tables.ts";
import { quietText } from "./evidence-text.ts";
import { limitLines } from "./limits-text.ts";
import { bar, clean, count, cut, formatDuration, formatTime, relative, roughly, table, widthOfText } from "./render.ts";

const SOURCES_SHOWN = 8;
const BAR_MAX = 40;
const TRACK = ["planned", "propagating", "offered", "overlapping", "retired", "completed"] as const;

/** `key`: what people call the key. */
export function frameOf(rotation: RotationRow, evidence: EvidenceAnswer, width: number, key?: string): string[] {
  const change = `version ${rotation.from} → ${rotation.to}`;
  return [
    `${rotation.id}  ${change}  of ${named(key, rotation.key)}`,
    ...track(rotation, width),
    "",
    ...shareLines(rotation, evidence, width),
    "",
    ...sourceLines(evidence, width),
    ...waitLines(rotation, evidence),
  ].map((line) => cut(line, width));
}

/** The same in one line, where there is no screen to draw on. */
export function summaryOf(rotation: RotationRow, evidence: EvidenceAnswer): string {
  const shares = [rotation.from, rotation.to].map(
    (version) => `version ${version} ${percent(shareOf(evidence, version).share)}`,
  );
  const open = openSources(evidence);
  const steps = nextStep(rotation, evidence);
  const waitsFor = steps.find((step) => !step.startsWith("✓")) ?? steps[0];
  return [
    formatTime(evidence.now),
    rotation.phase,
    ...shares,
    `${count(open.length, "source")} still on version ${evidence.quiet.version}`,
    waitsFor ?? "",
  ].join("  ");
}

function track(rotation: RotationRow, width: number): string[] {
  const { phase } = rotation;
  const steps = TRACK.some((step) => step === phase) ? TRACK : [...TRACK.slice(0, 4), phase];
  const line = steps.map((step) => (step === phase ? `[${step}]` : step)).join(" ─ ");
  return widthOfText(line) <= width ? [line] : [`phase: ${phase}`];
}

function shareOf(evidence: EvidenceAnswer, version: number) {
  return evidence.shares.find((share) => share.version === version) ?? { version, accepted: 0, refused: 0, share: 0 };
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function shareLines(rotation: RotationRow, evidence: EvidenceAnswer, width: number): string[] {
  const heads = [`old, version ${rotation.from}`, `new, version ${rotation.to}`];
  const headWidth = Math.max(...heads.map((head) => head.length));
  const barWidth = Math.max(4, Math.min(BAR_MAX, width - headWidth - 36));
  return [rotation.from, rotation.to].map((version, i) => {
    const { share, accepted, refused } = shareOf(evidence, version);
    const counts = `${accepted} in the last minute${refused === 0 ? "" : `, ${refused} refused`}`;
    return `${(heads[i] as string).padEnd(headWidth)}  ${bar(share, barWidth)}  ${percent(share).padStart(5)}  ${counts}`;
  });
}

/** Those that still have to leave the version that is to be retired. */
function openSources(evidence: EvidenceAnswer) {
  return evidence.quiet.sources.filter((source) => !source.quiet);
}

function sourceLines(evidence: EvidenceAnswer, width: number): string[] {
  const { quiet, now } = evidence;
  const open = openSources(evidence).sort((a, b) => b.quietAt - a.quietAt);
  if (open.length === 0) return [];
  const rows = table(
    open.slice(0, SOURCES_SHOWN),
    [
      { title: `STILL ON VERSION ${quiet.version}`, of: ({ source }) => sourceName(source), flexible: true },
      { title: "LAST SEEN", of: ({ lastSeen }) => relative(lastSeen, now) },
      { title: "QUIET", of: (source) => quietText(source, now) },
      { title: "MOVED", of: ({ moved }) => (moved ? "yes" : "no") },
    ],
    width,
  );
  const more =
    open.length > SOURCES_SHOWN
      ? [`and ${open.length - SOURCES_SHOWN} more; keyover rotation evidence lists them`]
      : [];
  return [...rows.split("\n"), ...more, ""];
}

function waitLines(rotation: RotationRow, evidence: EvidenceAnswer): string[] {
  const steps = nextStep(rotation, evidence);
  const { now, quiet } = evidence;
  const lines = rotation.endedAt === null ? ["Next:", ...steps.map((step) => `  ${step}`)] : steps;
  if (rotation.overlapEndsAt !== null && (rotation.phase === "offered" || rotation.phase === "overlapping")) {
    const past = rotation.overlapEndsAt <= now;
    lines.push(
      `Deadline ${relative(rotation.overlapEndsAt, now)}${past ? ` is past; policy: ${rotation.policy.onDeadline}` : `, then ${rotation.policy.onDeadline}`} (${formatTime(rotation.overlapEndsAt)})`,
    );
  }
  for (const [name, text] of rotation.endedAt === null ? limitLines(rotation, now) : []) lines.push(`${name}: ${text}`);
  if (rotation.fromCompromised) lines.push(`Version ${rotation.from} is compromised; there is no way back to it.`);
  if (now - quiet.watermark > LATE_MS && rotation.endedAt === null) {
    const held = quiet.watermarkHeldBy.map(({ instance }) => clean(instance)).slice(0, 3);
    lines.push(
      `Reports are whole up to ${relative(quiet.watermark, now)}${held.length === 0 ? "" : `, held up by ${held.join(", ")}`}`,
    );
  }
  return lines;
}

const LATE_MS = 10_000;

/** What has to happen before the rotation moves on, in a sentence each. */
function nextStep(rotation: RotationRow, evidence: EvidenceAnswer): string[] {
  const { now } = evidence;
  const { policy } = rotation;
  if (rotation.endedAt !== null) return [`The rotation has ended: ${rotation.phase}, ${formatTime(rotation.endedAt)}.`];
  switch (rotation.phase) {
    case "planned":
      return [
        rotation.startsAt <= now
          ? "it starts at once"
          : `it starts ${relative(rotation.startsAt, now)} (${formatTime(rotation.startsAt)})`,
      ];
    case "propagating":
      if (evidence.waitingFor.length === 0) return ["every verifier holds the successor; it is offered at once"];
      return evidence.waitingFor
        .slice(0, SOURCES_SHOWN)
        .map(
          ({ instance, applied, needs, boot, answersUntil }) =>
            `${clean(instance)} must apply ${needs}; it is at ${applied}, and may answer until ${formatTime(answersUntil)}. If it is gone for good: keyover api remove-verifier (${boot})`,
        );
    case "offered":
      return [
        `first use of version ${rotation.to}, or its consumer's word (${rotation.claimedAt === null ? "not claimed yet" : "claimed"})`,
      ];
    case "overlapping":
      return gateSteps(rotation, evidence);
    case "retired":
      return [
        `version ${rotation.from} is erased ${relative((rotation.retiredAt ?? now) + policy.rollbackMs, now)}; until then it can be rolled back`,
      ];
    case "rolled-back":
      return [
        `version ${rotation.to} is quiet ${relative(evidence.quiet.quietAt, now)} at the earliest; then it is destroyed`,
      ];
    case "completed":
    case "cancelled":
      return [];
  }
}

function gateSteps(rotation: RotationRow, evidence: EvidenceAnswer): string[] {
  const { now } = evidence;
  return evidence.gates.map(({ name, met, earliestAt }) => {
    const when =
      met || earliestAt === null || earliestAt <= now ? "" : `, ${relative(earliestAt, now)} at the earliest`;
    const about = {
      "minimum-overlap": `minimum overlap of ${formatDuration(rotation.policy.overlapMinMs)}`,
      "successor-used": `version ${rotation.to} in use`,
      "old-version-quiet": `version ${rotation.from} quiet for ${roughly(rotation.policy.quietMs)} or longer, by whole reports`,
    }[name];
    return `${met ? "✓" : "·"} ${about}${when}`;
  });
}
