import { expect, test } from "vitest";
import type { EvidenceAnswer } from "./entity-tables.ts";
import { evidenceText } from "./evidence-text.ts";

const NOW = 1_800_000_000_000;
const DAY = 86_400_000;

const source = {
  source: { network: "203.0.113.0/24", client: "job/1.0", instance: "" },
  lastSeen: NOW - DAY,
  longestGapMs: 30 * DAY,
  usual: { lengthMs: 30 * DAY, rank: 1, of: 1 },
  historyMs: 31 * DAY,
  young: true,
  turnedAway: false,
  neededMs: 45 * DAY,
  quietAt: NOW + 44 * DAY,
  quiet: false,
  moved: false,
};

const evidence: EvidenceAnswer = {
  rotation: "rot_1",
  phase: "overlapping",
  now: NOW,
  gates: [],
  waitingFor: [],
  moved: { moved: 1, silent: 0, of: 2, explanation: "1 of 2 moved; job/1.0 last used version 1 yesterday" },
  forecast: { chance: 0.38, how: "38 %: most of it by job/1.0", movesPerDay: 0.5, sources: [] },
  refused: null,
  quiet: {
    quiet: false,
    version: 1,
    watermark: NOW,
    watermarkHeldBy: [],
    holes: [],
    countsFrom: 0,
    quietAt: NOW + 44 * DAY,
    sources: [source],
  },
  shares: [],
  sharesOverTime: [],
};

test("it says who has moved, how sure the usual gap is, and what retiring now would risk", () => {
  const shown = evidenceText(evidence, 120);
  expect(shown).toMatch(/job\/1\.0 +1d ago +30d\? +in 44d +no/);
  expect(shown).toContain("1 of 2 moved; job/1.0 last used version 1 yesterday.");
  expect(shown).toContain("?: known for less time than it must be silent");
  expect(shown).toContain("Retiring now would refuse a genuine request with a chance of 38 %: most of it by job/1.0.");
  expect(shown).not.toContain("Refused since");
});

test("and after the retirement who was refused", () => {
  const refused = { total: 9, known: 7, sources: [] };
  const shown = evidenceText({ ...evidence, phase: "retired", forecast: null, refused }, 120);
  expect(shown).toContain("Refused since it retired: 9 uses, 7 of them by sources that had used it before.");
  expect(shown).not.toContain("Retiring now");
});

test("where nobody was seen there is no chance to speak of, and one is one", () => {
  const nobody = { chance: 0, how: "nobody was ever seen on version 1", sources: [], movesPerDay: 0 };
  expect(evidenceText({ ...evidence, forecast: nobody }, 120)).toContain(
    "Retiring now: nobody was ever seen on version 1.",
  );
  const refused = { total: 1, known: 1, sources: [] };
  expect(evidenceText({ ...evidence, refused }, 120)).toContain("Refused since it retired: 1 use, 1 of them");
});
