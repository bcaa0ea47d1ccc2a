import { defaultRotationPolicy } from "@keyover/core";
import { describe, expect, it } from "vitest";
import type { EvidenceAnswer, RotationRow } from "./entity-tables.ts";
import { frameOf, summaryOf } from "./frame.ts";
import { widthOfText } from "./render.ts";

const NOW = Date.parse("2026-10-04T07:12:33Z");

const rotation: RotationRow = {
  id: "rot_1",
  key: "key_1",
  api: "api_1",
  from: 1,
  to: 2,
  phase: "overlapping",
  campaign: null,
  policySources: [],
  paused: null,
  pausedMs: 0,
  extendedMs: 0,
  policy: { ...defaultRotationPolicy, fence: null, overlapMinMs: 3_600_000, quietMs: 86_400_000 },
  reason: "routine",
  startedBy: "tok_1",
  origin: "authority",
  scopes: null,
  createdAt: NOW - 7_200_000,
  startsAt: NOW - 7_200_000,
  offeredAt: NOW - 7_100_000,
  claimedAt: NOW - 7_000_000,
  claimEndedAt: NOW - 6_900_000,
  confirmedAt: null,
  usedAt: NOW - 6_900_000,
  overlappingAt: NOW - 6_900_000,
  overlapEndsAt: NOW + 2 * 86_400_000,
  fenced: null,
  brownouts: null,
  retiredAt: null,
  forced: null,
  fromCompromised: false,
  fromRefusedAt: null,
  rolledBackAt: null,
  rollbackReason: null,
  endedAt: null,
};

const source = (instance: string, quietAt: number, quiet = false) => ({
  source: { network: "203.0.113.0/24", client: "bot/1.0", instance },
  lastSeen: NOW - 5_000,
  longestGapMs: 1_000,
  usual: { lengthMs: 1_000, rank: 1, of: 5 },
  historyMs: 90_000_000,
  young: false,
  turnedAway: false,
  neededMs: 86_400_000,
  quietAt,
  quiet,
  moved: false,
});

const evidence: EvidenceAnswer = {
  rotation: "rot_1",
  phase: "overlapping",
  now: NOW,
  gates: [
    { name: "minimum-overlap", met: true, earliestAt: NOW - 1, waitsFor: null, explanation: "" },
    { name: "successor-used", met: true, earliestAt: NOW - 1, waitsFor: null, explanation: "" },
    { name: "old-version-quiet", met: false, earliestAt: NOW + 86_395_000, waitsFor: "time", explanation: "" },
  ],
  waitingFor: [],
  moved: { moved: 0, silent: 1, of: 2, explanation: "" },
  forecast: null,
  refused: null,
  sharesOverTime: [],
  quiet: {
    quiet: false,
    version: 1,
    watermark: NOW - 1_000,
    watermarkHeldBy: [],
    holes: [],
    countsFrom: 0,
    quietAt: NOW + 86_395_000,
    sources: [source("pod-1", NOW + 86_395_000), source("pod-2", NOW - 1, true)],
  },
  shares: [
    { version: 1, accepted: 25, refused: 0, share: 0.25 },
    { version: 2, accepted: 75, refused: 1, share: 0.75 },
  ],
};

const text = (change: Partial<RotationRow> = {}, seen: Partial<EvidenceAnswer> = {}, width = 100) =>
  frameOf({ ...rotation, ...change }, { ...evidence, ...seen }, width).join("\n");

describe("the picture of a rotation", () => {
  it("shows the phase, both shares, who is still on the old version, and what is waited for", () => {
    const shown = text();
    expect(shown).toContain("planned ─ propagating ─ offered ─ [overlapping] ─ retired ─ completed");
    expect(shown).toMatch(/old, version 1 {2}█{10}░{30} {3}25 % {2}25 in the last minute/);
    expect(shown).toMatch(/new, version 2 {2}█{30}░{10} {3}75 % {2}75 in the last minute, 1 refused/);
    expect(shown).toMatch(/203\.0\.113\.0\/24 bot\/1\.0 pod-1 {2}5s ago {5}in 23h 59m {2}no/);
    expect(shown).toContain("✓ minimum overlap of 1h");
    expect(shown).toContain("· version 1 quiet for 1d or longer, by whole reports, in 23h 59m at the earliest");
    expect(shown).toContain("Deadline in 2d, then hold");
  });

  it("leaves out a source that is quiet", () => expect(text()).not.toContain("pod-2"));

  it("names the verifiers that a propagating rotation waits for", () => {
    const shown = text(
      { phase: "propagating", offeredAt: null, overlapEndsAt: null },
      { waitingFor: [{ boot: "boo_1", instance: "edge-7", applied: 3, needs: 5, answersUntil: NOW + 60_000 }] },
    );
    expect(shown).toContain("edge-7 must apply 5; it is at 3");
  });

  it("says that a deadline has passed and the policy holds", () =>
    expect(text({ overlapEndsAt: NOW - 60_000 })).toContain("Deadline 1m ago is past; policy: hold"));

  it("says whose reports are late", () => {
    const quiet = {
      ...evidence.quiet,
      watermark: NOW - 60_000,
      watermarkHeldBy: [{ boot: "boo_1", instance: "edge-7", coveredTo: 0 }],
    };
    expect(text({}, { quiet })).toContain("Reports are whole up to 1m ago, held up by edge-7");
  });

  it("shows the way back while there is one, and the end", () => {
    expect(text({ phase: "retired", retiredAt: NOW })).toContain(
      "version 1 is erased in 7d; until then it can be rolled back",
    );
    expect(text({ phase: "completed", endedAt: NOW })).toContain("The rotation has ended: completed");
    expect(text({ phase: "rolled-back" })).toContain("[rolled-back]");
  });

  it.each([200, 100, 80, 40, 20])("never leaves %d columns", (width) => {
    const long = Array.from({ length: 30 }, (_, i) => source(`a-pod-with-a-rather-long-name-${i}`, NOW + i));
    const lines = frameOf(rotation, { ...evidence, quiet: { ...evidence.quiet, sources: long } }, width);
    for (const line of lines) expect(widthOfText(line)).toBeLessThanOrEqual(width);
    if (width >= 80) expect(lines.some((line) => line.startsWith("and 22 more"))).toBe(true);
  });

  it("in one line says what is missing, not what is done", () =>
    expect(summaryOf(rotation, evidence)).toMatch(
      /overlapping {2}version 1 25 % {2}version 2 75 % {2}1 source still on version 1 {2}· version 1 quiet/,
    ));
});
