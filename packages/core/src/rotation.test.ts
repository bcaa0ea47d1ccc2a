/**
 * The specification of a rotation: what each event does in each phase. A cell that is missing does not compile. Where the answer
 * depends on what happened before, a cell has several cases; each starts from a rotation that `decide` itself brought there.
 */
import { describe, expect, test } from "vitest";
import type { BrownoutSlot, Brownouts } from "./brownout.ts";
import { decide } from "./decide.ts";
import { gates, quietQuestion } from "./gates.ts";
import {
  type EventName,
  eventNamed,
  evidenceFor,
  harmless,
  planned,
  reach,
  type Sample,
  START,
  spoken,
  testPolicy,
} from "./rotation.test-world.ts";
import { type Phase, phases, type RefusalCode, type Rotation, type RotationEventType } from "./rotation.ts";

const DAY = 86_400_000;
const NOON = DAY / 2;

interface Case {
  /** What happened before, where that is not the phase's usual sample. */
  given?: Given;
  event?: EventName;
  afterMs?: number;
  /** The next phase, "=" for nothing at all, or the refusal. */
  gives: Phase | "=" | { refused: RefusalCode };
  effects?: string[];
  facts?: Partial<Rotation>;
}

type Expected = readonly [Case, ...Case[]];

const byConsumer = planned({ origin: "consumer" });
const strict = planned({ policy: { ...testPolicy, onDeadline: "retire" } });
const fenced = planned({
  policy: { ...testPolicy, fence: { from: "offered", afterMs: 10, without: ["*:withdraw"] } },
});
const fencedByUse = planned({
  policy: { ...testPolicy, fence: { from: "used", afterMs: 10, scopes: ["market:read"] } },
});
const browning = planned({ policy: { ...testPolicy, onDeadline: "brownout", claimMs: 10 * DAY } });
const strictlyBrowning = planned({
  policy: { ...browning.policy, brownout: { ...testPolicy.brownout, after: "retire" } },
});
const undoing = planned({
  policy: { ...testPolicy, automaticRollback: { refusals: 5, sources: 2, coolDownMs: 1_000 } },
});
/** At 12:00 on the first two days. */
const slots = [NOON, NOON + DAY] as const;
const toOffered = ["begin", "acknowledged"] as const;
const toClaimed = [...toOffered, "claim"] as const;
const toOverlapping = [...toClaimed, "used"] as const;
const toRetired = [...toOverlapping, 10, "quiet"] as const;

const announced = reach(browning, ...toOverlapping, 100, "noise");
/** Events go on at this time. */
const from = ({ rotation }: Sample, at: number, ...steps: (EventName | number)[]): Sample =>
  reach(rotation, at - START - 1, ...steps);
const inSlot = from(announced, slots[0], "noise");
const strictlyInSlot = from(reach(strictlyBrowning, ...toOverlapping, 100, "noise"), slots[0], "noise");

const givens = {
  planned: reach(planned()),
  "planned for later": reach(planned({ startsAt: START + 1_000 })),
  "planned, contained": reach(planned({ startsAt: START + 1_000 }), "contain"),
  "planned, killed": reach(planned({ startsAt: START + 1_000 }), "kill"),
  propagating: reach(planned(), "begin"),
  "propagating, contained": reach(planned(), "begin", "contain"),
  "propagating, killed": reach(planned(), "begin", "kill"),
  "propagating, a consumer's own": reach(byConsumer, "begin"),
  "propagating, a consumer's own, used": reach(byConsumer, "begin", "used"),
  "propagating, a consumer's own, used, killed": reach(byConsumer, "begin", "used", "kill"),
  offered: reach(planned(), ...toOffered),
  "offered, claimed": reach(planned(), ...toClaimed),
  "offered, claim over": reach(planned(), ...toClaimed, 400, "noise"),
  "offered, contained": reach(planned(), ...toClaimed, "contain"),
  "offered, killed": reach(planned(), ...toClaimed, "kill"),
  "offered, killed, strict": reach(strict, ...toClaimed, "kill"),
  "offered, strict": reach(strict, ...toOffered),
  overlapping: reach(planned(), ...toOverlapping),
  "overlapping, confirmed only": reach(planned(), ...toClaimed, "confirm"),
  "overlapping, minimum over": reach(planned(), ...toOverlapping, 10),
  "overlapping, confirmed only, minimum over": reach(planned(), ...toClaimed, "confirm", 10),
  "overlapping, contained": reach(planned(), ...toOverlapping, "contain"),
  "overlapping, killed before": reach(planned(), ...toClaimed, "kill", "used"),
  "overlapping, strict": reach(strict, ...toOverlapping),
  retired: reach(planned(), ...toRetired),
  "retired, never claimed": reach(planned(), ...toOffered, "retire"),
  "retired, claim over": reach(planned(), ...toClaimed, "confirm", "retire", 400, "noise"),
  "retired, confirmed only": reach(planned(), ...toClaimed, "confirm", "retire"),
  "retired, killed": reach(planned(), ...toOverlapping, "kill"),
  "retired, killed, confirmed only": reach(planned(), ...toClaimed, "confirm", "kill"),
  "retired, contained": reach(planned(), ...toOverlapping, "contain", 10, "quiet"),
  completed: reach(planned(), ...toRetired, 50, "noise"),
  cancelled: reach(planned(), "begin", "cancel"),
  "rolled-back": reach(planned(), ...toOverlapping, "rollback"),
  "rolled-back, claimed only": reach(planned(), ...toClaimed, "rollback"),
  "rolled-back, a consumer's own, not offered": reach(byConsumer, "begin", "rollback"),
  "rolled-back, ended": reach(planned(), ...toOffered, "rollback"),
  "planned, paused": reach(planned(), "pause"),
  "propagating, paused": reach(planned(), "begin", "pause"),
  "propagating, a consumer's own, paused": reach(byConsumer, "begin", "pause"),
  "offered, paused": reach(planned(), ...toOffered, "pause"),
  "offered, claimed, paused": reach(planned(), ...toClaimed, "pause"),
  "offered, resumed": reach(planned(), ...toOffered, "pause", 1_000, "resume"),
  "offered, strict, paused": reach(strict, ...toOffered, "pause"),
  "overlapping, paused": reach(planned(), ...toOverlapping, "pause"),
  "overlapping, strict, paused": reach(strict, ...toOverlapping, "pause"),
  "overlapping, strict, resumed": reach(strict, ...toOverlapping, "pause", 1_000, "resume"),
  "overlapping, extended": reach(planned(), ...toOverlapping, "extendOwn"),
  "offered, fence rule": reach(fenced, ...toOffered),
  "offered, fenced": reach(fenced, ...toClaimed, 9, "fence"),
  "offered, fenced, never claimed": reach(fenced, ...toOffered, 9, "fence"),
  "offered, fence rule, paused": reach(fenced, ...toOffered, "pause"),
  "offered, fence rule, contained": reach(fenced, ...toOffered, "contain"),
  "offered, browning": reach(browning, ...toOffered, 101),
  "offered, browning, killed": reach(browning, ...toOffered, "kill"),
  "offered, strictly browning, killed": reach(strictlyBrowning, ...toOffered, "kill"),
  "offered, in a brownout": reach(planned(), ...toClaimed, "brownout"),
  "overlapping, fence rule": reach(fencedByUse, ...toOverlapping),
  "overlapping, fenced": reach(fencedByUse, ...toOverlapping, 9, "fence"),
  "overlapping, fenced by nothing": reach(fencedByUse, ...toOverlapping, 9, "emptyFence"),
  "overlapping, fence lifted": reach(fencedByUse, ...toOverlapping, 9, "fence", "liftFence"),
  "overlapping, fenced, contained": reach(fencedByUse, ...toOverlapping, 9, "fence", "contain"),
  "overlapping, announced": announced,
  "overlapping, announced, paused": from(announced, slots[0] - 9, "pause"),
  "overlapping, in the first brownout": inSlot,
  "overlapping, after the first brownout": from(inSlot, slots[0] + 20, "noise"),
  "overlapping, brownouts stopped": from(inSlot, slots[0] + 9, "browned"),
  "overlapping, in a brownout": reach(planned(), ...toOverlapping, "brownout"),
  "overlapping, brownouts over": lived(browning, "noise"),
  "overlapping, strictly, brownouts over": lived(strictlyBrowning, "noise"),
  "overlapping, strictly, brownouts missed": lived(strictlyBrowning),
  "overlapping, strictly, brownouts stopped": from(strictlyInSlot, slots[0] + 9, "browned"),
  "retired, undoing": reach(undoing, ...toRetired),
  "retired, undoing, by force": reach(undoing, ...toOverlapping, "retire"),
  "retired, undoing, by the policy": reach(
    planned({ policy: { ...undoing.policy, onDeadline: "retire" } }),
    ...toOverlapping,
    100,
    "noise",
  ),
  "retired, undoing, contained": reach(undoing, ...toOverlapping, "contain", 10, "quiet"),
  "retired, fenced": reach(fencedByUse, ...toOverlapping, 9, "fence", 10, "quiet"),
  "rolled-back, fenced before": reach(fencedByUse, ...toOverlapping, 9, "fence", "rollback"),
} satisfies Record<string, Sample>;

/** After the last brownout's time; `begins`: each began. */
function lived(start: Rotation, ...begins: EventName[]): Sample {
  let sample = reach(start, ...toOverlapping, 100, "noise");
  for (const slot of slots) {
    if (begins.length > 0) sample = from(sample, slot, "noise");
    sample = from(sample, slot + 40, "noise");
  }
  return sample;
}

type Given = keyof typeof givens;

const refused = (code: RefusalCode) => ({ refused: code });
const activate = ["to active", "current to"];
const restore = ["from active", "current from"];
const drop = ["to destroyed", "erase to"];
/** A retired version does not come back; a new one replaces the killed successor. */
const replaced = ["mark to", "to retired", "erase to", "from destroyed", "current to", "replace to"];
const killTo = ["mark to", "to retired", "erase to"];

/** Slots of a plan, as they are kept. */
const running = (at: number, forMs: number, by: string) => ({
  from: at,
  until: at + forMs,
  by,
  begunAt: at,
  endedAt: null,
});
const done = (at: number, forMs: number, by: string, after: number) => ({
  ...running(at, forMs, by),
  endedAt: at + after,
});

const waiting = (at: number, forMs: number) => ({ ...running(at, forMs, "policy"), begunAt: null });
/** As the deadline announced it. */
const plan = (...slots: BrownoutSlot[]) => ({ brownouts: { announcedAt: START + 105, slots, stopped: null } });
const inSlotStopped = givens["overlapping, brownouts stopped"].rotation.brownouts as Brownouts;

/** Nothing that the world does changes an ended rotation; whatever a person asks of it is refused. */
const overEvents = (given: Given): Record<RotationEventType, Expected> => ({
  begin: [{ given, gives: "=" }],
  acknowledged: [{ given, gives: "=" }],
  used: [{ given, gives: "=" }],
  assessed: [
    { given, gives: "=" },
    { given, event: "quiet", afterMs: 10_000, gives: "=" },
  ],
  fence: [{ given, gives: "=" }],
  browned: [{ given, gives: "=" }],
  refused: [{ given, gives: "=" }],
  brownout: [{ given, gives: refused("rotation_ended") }],
  "end-brownout": [{ given, gives: refused("rotation_ended") }],
  "lift-fence": [{ given, gives: refused("rotation_ended") }],
  claim: [{ given, gives: refused("rotation_ended") }],
  confirm: [{ given, gives: refused("rotation_ended") }],
  extend: [{ given, gives: refused("rotation_ended") }],
  "move-deadline": [{ given, gives: refused("rotation_ended") }],
  pause: [{ given, gives: refused("rotation_ended") }],
  resume: [{ given, gives: refused("rotation_ended") }],
  retire: [{ given, gives: refused("rotation_ended") }],
  rollback: [{ given, gives: refused("rotation_ended") }],
  cancel: [{ given, gives: refused("rotation_ended") }],
  compromise: [
    { given, gives: refused("rotation_ended") },
    { given, event: "contain", gives: refused("rotation_ended") },
    { given, event: "killSuccessor", gives: refused("rotation_ended") },
  ],
  abandon: [{ given, gives: "=" }],
});

const table: Record<Phase, Record<RotationEventType, Expected>> = {
  planned: {
    fence: [{ gives: "=" }],
    browned: [{ gives: "=" }],
    refused: [{ gives: "=" }],
    brownout: [{ gives: refused("rotation_not_offered") }],
    "end-brownout": [{ gives: refused("no_brownout") }],
    "lift-fence": [
      { gives: refused("no_fence") },
      { given: "planned, contained", gives: refused("version_compromised") },
    ],
    begin: [
      { gives: "propagating", effects: ["create to"] },
      { given: "planned for later", gives: refused("rotation_not_due") },
      { given: "planned for later", afterMs: 1_000, gives: "propagating", effects: ["create to"] },
      { given: "planned, paused", afterMs: 9, gives: refused("rotation_paused") },
      { given: "planned, killed", gives: "propagating", effects: ["create to"] },
      { given: "planned, contained", gives: "propagating", effects: ["create to"] },
    ],
    acknowledged: [{ gives: "=" }],
    used: [{ gives: "=" }],
    assessed: [{ gives: "=" }, { event: "quiet", afterMs: 10_000, gives: "=" }],
    claim: [{ gives: refused("rotation_not_offered") }],
    confirm: [{ gives: refused("rotation_not_offered") }],
    extend: [{ gives: refused("rotation_not_offered") }],
    "move-deadline": [{ gives: refused("rotation_not_offered") }],
    pause: [
      { gives: "planned", facts: { paused: { at: START, by: "ana", reason: "wait" } } },
      { given: "planned, paused", gives: "=" },
      { given: "planned, contained", gives: refused("version_compromised") },
    ],
    resume: [{ gives: "=" }, { given: "planned, paused", gives: "planned", facts: { paused: null, pausedMs: 0 } }],
    retire: [{ gives: refused("rotation_not_offered") }],
    rollback: [{ gives: refused("rotation_not_offered") }],
    cancel: [
      { gives: "cancelled" },
      { given: "planned, contained", gives: refused("version_compromised") },
      { given: "planned, killed", gives: refused("version_compromised") },
    ],
    compromise: [
      {
        gives: "planned",
        effects: ["mark from", "from retired"],
        facts: { fromCompromised: true, fromRefusedAt: START },
      },
      { given: "planned, contained", gives: "planned", effects: ["mark from", "from retired"] },
      { given: "planned, killed", gives: "planned", effects: ["mark from"] },
      { event: "contain", gives: "planned", effects: ["mark from", "fence from"], facts: { fromRefusedAt: null } },
      {
        given: "planned for later",
        event: "contain",
        gives: "planned",
        effects: ["mark from", "fence from"],
        facts: { startsAt: START },
      },
      {
        given: "planned for later",
        gives: "planned",
        effects: ["mark from", "from retired"],
        facts: { startsAt: START },
      },
      { given: "planned, killed", event: "contain", gives: "planned", effects: ["mark from"] },
      { event: "killSuccessor", gives: refused("no_such_version") },
      { event: "containSuccessor", gives: refused("no_such_version") },
    ],
    abandon: [{ gives: "cancelled" }, { given: "planned, killed", gives: "cancelled" }],
  },

  propagating: {
    fence: [{ gives: "=" }],
    browned: [{ gives: "=" }],
    refused: [{ gives: "=" }],
    brownout: [{ gives: refused("rotation_not_offered") }],
    "end-brownout": [{ gives: refused("no_brownout") }],
    "lift-fence": [
      { gives: refused("no_fence") },
      { given: "propagating, contained", gives: refused("version_compromised") },
    ],
    begin: [{ gives: "=" }],
    acknowledged: [
      { gives: "offered", facts: { offeredAt: START + 1, overlapEndsAt: START + 101, usedAt: null } },
      { given: "propagating, killed", gives: "offered" },
      { given: "propagating, paused", gives: "=" },
      { given: "propagating, a consumer's own", gives: "offered" },
      { given: "propagating, a consumer's own, used", gives: "overlapping", effects: [...activate, "from retiring"] },
      { given: "propagating, a consumer's own, used, killed", gives: "overlapping", effects: activate },
    ],
    used: [
      { gives: "=" },
      { given: "propagating, a consumer's own", gives: "propagating", effects: ["erase to"] },
      { given: "propagating, a consumer's own, used", gives: "=" },
    ],
    assessed: [{ gives: "=" }, { event: "quiet", afterMs: 10_000, gives: "=" }],
    claim: [
      { gives: refused("rotation_not_offered") },
      { given: "propagating, a consumer's own", gives: refused("rotation_not_offered") },
    ],
    confirm: [{ gives: refused("rotation_not_offered") }],
    extend: [{ gives: refused("rotation_not_offered") }],
    "move-deadline": [{ gives: refused("rotation_not_offered") }],
    pause: [
      { gives: "propagating", facts: { paused: { at: START + 1, by: "ana", reason: "wait" } } },
      { given: "propagating, paused", afterMs: 5, gives: "=" },
      { given: "propagating, contained", gives: refused("version_compromised") },
      { given: "propagating, killed", gives: refused("version_compromised") },
    ],
    resume: [
      { gives: "=" },
      { given: "propagating, paused", afterMs: 50, gives: "propagating", facts: { paused: null, pausedMs: 0 } },
    ],
    retire: [
      { gives: refused("rotation_not_offered") },
      { given: "propagating, killed", gives: refused("rotation_not_offered") },
    ],
    rollback: [
      { gives: "rolled-back", effects: [...restore, ...drop], facts: { endedAt: START + 1 } },
      {
        given: "propagating, a consumer's own",
        gives: "rolled-back",
        effects: [...restore, "to retiring"],
        facts: { endedAt: null },
      },
      { given: "propagating, contained", gives: refused("version_compromised") },
      { given: "propagating, killed", gives: refused("version_compromised") },
    ],
    cancel: [
      { gives: "cancelled", effects: drop },
      { given: "propagating, a consumer's own, used", gives: refused("successor_in_use") },
      { given: "propagating, contained", gives: refused("version_compromised") },
      { given: "propagating, killed", gives: refused("version_compromised") },
    ],
    compromise: [
      { gives: "propagating", effects: ["mark from", "from retired"], facts: { fromRefusedAt: START + 1 } },
      { given: "propagating, contained", gives: "propagating", effects: ["mark from", "from retired"] },
      { given: "propagating, killed", gives: "propagating", effects: ["mark from"] },
      { event: "contain", gives: "propagating", effects: ["mark from", "fence from"] },
      { given: "propagating, killed", event: "contain", gives: "propagating", effects: ["mark from"] },
      { event: "killSuccessor", gives: "rolled-back", effects: [...killTo, ...restore], facts: { endedAt: START + 1 } },
      {
        given: "propagating, contained",
        event: "killSuccessor",
        gives: "cancelled",
        effects: [...killTo, ...restore, "replace from"],
      },
      {
        given: "propagating, killed",
        event: "killSuccessor",
        gives: "cancelled",
        effects: [...killTo, "current to", "replace to"],
      },
      { event: "containSuccessor", gives: refused("contain_needs_old_version") },
    ],
    abandon: [{ gives: "cancelled", effects: ["erase to"] }],
  },

  offered: {
    fence: [
      { gives: "=" },
      { given: "offered, fence rule", afterMs: 9, gives: "=" },
      {
        given: "offered, fence rule",
        afterMs: 10,
        gives: "offered",
        effects: ["fence from"],
        facts: { fenced: { at: START + 12, fence: harmless, lifted: null } },
      },
      { given: "offered, fenced", afterMs: 50, gives: "=" },
      { given: "offered, fence rule, paused", afterMs: 50, gives: "=" },
      { given: "offered, fence rule, contained", afterMs: 50, gives: "=" },
    ],
    browned: [
      { gives: "=" },
      {
        given: "offered, in a brownout",
        gives: "offered",
        effects: ["from accepted"],
        facts: { brownouts: { announcedAt: null, slots: [done(START + 4, 20, "ana", 0)], stopped: null } },
      },
    ],
    refused: [{ gives: "=" }],
    brownout: [
      {
        gives: "offered",
        effects: [`from out until ${START + 22}`],
        facts: { brownouts: { announcedAt: null, slots: [running(START + 2, 20, "ana")], stopped: null } },
      },
      { given: "offered, in a brownout", gives: refused("brownout_running") },
      { given: "offered, paused", gives: refused("rotation_paused") },
      { given: "offered, killed", gives: refused("already_retired") },
      { given: "offered, contained", gives: "offered", effects: [`from out until ${START + 24}`] },
    ],
    "end-brownout": [
      { gives: refused("no_brownout") },
      { given: "offered, in a brownout", gives: "offered", effects: ["from accepted"] },
    ],
    "lift-fence": [
      { gives: refused("no_fence") },
      {
        given: "offered, fenced",
        gives: "offered",
        effects: ["unfence from"],
        facts: {
          fenced: { at: START + 13, fence: harmless, lifted: { at: START + 13, by: "ana", reason: "too narrow" } },
        },
      },
      { given: "offered, contained", gives: refused("version_compromised") },
    ],
    begin: [{ gives: "=" }],
    acknowledged: [{ gives: "=" }],
    used: [
      {
        given: "offered, in a brownout",
        gives: "overlapping",
        effects: ["erase to", ...activate, "from retiring"],
        facts: { brownouts: { announcedAt: null, slots: [running(START + 4, 20, "ana")], stopped: null } },
      },
      { given: "offered, claimed", gives: "overlapping", effects: ["erase to", ...activate, "from retiring"] },
      {
        given: "offered, claimed, paused",
        gives: "overlapping",
        effects: ["erase to", ...activate, "from retiring"],
        facts: { paused: { at: START + 4, by: "ana", reason: "wait" } },
      },
      { given: "offered, contained", gives: "overlapping", effects: ["erase to", ...activate, "from retiring"] },
      { given: "offered, killed", gives: "overlapping", effects: ["erase to", ...activate] },
      { given: "offered, claim over", gives: "overlapping", effects: ["erase to", ...activate, "from retiring"] },
    ],
    assessed: [
      {
        given: "offered, browning",
        gives: "offered",
        facts: {
          brownouts: {
            announcedAt: START + 103,
            slots: [waiting(slots[0], 20), waiting(slots[1], 40)],
            stopped: null,
          },
        },
      },
      { given: "offered, browning, killed", afterMs: DAY, gives: "=" },
      {
        given: "offered, strictly browning, killed",
        afterMs: DAY,
        gives: "retired",
        effects: activate,
      },
      { gives: "=" },
      { event: "quiet", afterMs: 50, gives: "=" },
      { afterMs: 399, gives: "=" },
      { afterMs: 400, gives: "offered", effects: ["erase to"], facts: { claimEndedAt: START + 402 } },
      { given: "offered, claim over", afterMs: 10_000, gives: "=" },
      { given: "offered, strict, paused", afterMs: 10_000, gives: "=" },
      { given: "offered, resumed", afterMs: 398, gives: "=" },
      { given: "offered, resumed", afterMs: 400, gives: "offered", effects: ["erase to"] },
      { given: "offered, strict", afterMs: 99, gives: "=" },
      {
        given: "offered, strict",
        afterMs: 100,
        gives: "retired",
        effects: [...activate, "from retired"],
        facts: { forced: { by: "policy", reason: "the overlap's deadline passed", at: START + 102 } },
      },
      { given: "offered, killed", afterMs: 100, gives: "=" },
      {
        given: "offered, killed, strict",
        afterMs: 100,
        gives: "retired",
        effects: activate,
        facts: { forced: { by: "ana", reason: "leaked", at: START + 4 } },
      },
    ],
    claim: [
      { gives: "offered", facts: { claimedAt: START + 2 } },
      { given: "offered, claimed", afterMs: 20, gives: "offered", facts: { claimedAt: START + 3 } },
      { given: "offered, killed", gives: "offered" },
      { given: "offered, contained", gives: "offered" },
      { given: "offered, claim over", gives: refused("claim_ended") },
    ],
    confirm: [
      {
        given: "offered, claimed",
        gives: "overlapping",
        effects: [...activate, "from retiring"],
        facts: { usedAt: null, claimEndedAt: null },
      },
      { given: "offered, killed", gives: "overlapping", effects: activate },
    ],
    extend: [
      { gives: "offered", facts: { overlapEndsAt: START + 162, extendedMs: 60 } },
      { afterMs: 161, gives: refused("overlap_out_of_range") },
      { given: "offered, paused", gives: refused("rotation_paused") },
      { given: "offered, contained", gives: refused("version_compromised") },
      { given: "offered, killed", gives: refused("version_compromised") },
    ],
    "move-deadline": [
      { gives: "offered", facts: { overlapEndsAt: START + 62 } },
      { given: "offered, paused", gives: refused("rotation_paused") },
    ],
    pause: [
      { gives: "offered", facts: { paused: { at: START + 2, by: "ana", reason: "wait" } } },
      { given: "offered, paused", gives: "=" },
      { given: "offered, contained", gives: refused("version_compromised") },
    ],
    resume: [
      { gives: "=" },
      {
        given: "offered, paused",
        afterMs: 1_000,
        gives: "offered",
        facts: { paused: null, pausedMs: 1_000, overlapEndsAt: START + 1_102 },
      },
    ],
    retire: [
      {
        gives: "retired",
        effects: [...activate, "from retired"],
        facts: { forced: { by: "ana", reason: "late", at: START + 2 } },
      },
      {
        given: "offered, killed",
        gives: "retired",
        effects: activate,
        facts: { forced: { by: "ana", reason: "leaked", at: START + 4 } },
      },
    ],
    rollback: [
      { gives: "rolled-back", effects: [...restore, ...drop], facts: { endedAt: START + 2 } },
      {
        given: "offered, claimed",
        gives: "rolled-back",
        effects: [...restore, "to retiring"],
        facts: { endedAt: null, overlapEndsAt: null },
      },
      { given: "offered, contained", gives: refused("version_compromised") },
      { given: "offered, killed", gives: refused("version_compromised") },
    ],
    cancel: [
      {
        given: "offered, fenced, never claimed",
        gives: "cancelled",
        effects: [...drop, "unfence from"],
        facts: { fenced: null },
      },
      { gives: "cancelled", effects: drop },
      { given: "offered, claimed", gives: refused("successor_claimed") },
    ],
    compromise: [
      { gives: "offered", effects: ["mark from", "from retired"], facts: { fromRefusedAt: START + 2 } },
      { given: "offered, killed", gives: "offered", effects: ["mark from"], facts: { fromRefusedAt: START + 4 } },
      { given: "offered, contained", gives: "offered", effects: ["mark from", "from retired"] },
      { event: "contain", gives: "offered", effects: ["mark from", "fence from"] },
      { given: "offered, killed", event: "contain", gives: "offered", effects: ["mark from"] },
      { event: "killSuccessor", gives: "rolled-back", effects: [...killTo, ...restore], facts: { endedAt: START + 2 } },
      {
        given: "offered, contained",
        event: "killSuccessor",
        gives: "cancelled",
        effects: [...killTo, ...restore, "replace from"],
      },
      {
        given: "offered, killed",
        event: "killSuccessor",
        gives: "cancelled",
        effects: [...killTo, "current to", "replace to"],
      },
      { event: "containSuccessor", gives: refused("contain_needs_old_version") },
    ],
    abandon: [{ gives: "cancelled", effects: ["erase to"] }],
  },

  overlapping: {
    fence: [
      { gives: "=" },
      { given: "overlapping, fence rule", afterMs: 9, gives: "=" },
      { given: "overlapping, fence rule", afterMs: 10, gives: "overlapping", effects: ["fence from"] },
      {
        given: "overlapping, fence rule",
        event: "emptyFence",
        afterMs: 10,
        gives: "overlapping",
        facts: { fenced: { at: START + 14, fence: {}, lifted: null } },
      },
      { given: "overlapping, fenced", gives: "=" },
      { given: "overlapping, fence lifted", afterMs: 1_000, gives: "=" },
    ],
    browned: [
      { gives: "=" },
      {
        given: "overlapping, in the first brownout",
        afterMs: 5,
        gives: "overlapping",
        effects: ["from accepted"],
        facts: {
          brownouts: {
            announcedAt: START + 105,
            slots: [done(slots[0], 20, "policy", 5)],
            stopped: {
              at: slots[0] + 5,
              by: "policy",
              reason: "4 requests of sources that have not used version 2 were refused; the error budget is 3",
            },
          },
        },
      },
      { given: "overlapping, announced", gives: "=" },
    ],
    refused: [{ gives: "=" }],
    brownout: [
      { gives: "overlapping", effects: [`from out until ${START + 24}`] },
      { given: "overlapping, announced", gives: "overlapping", effects: [`from out until ${START + 125}`] },
      {
        given: "overlapping, announced",
        afterMs: slots[0] - START - 110,
        gives: refused("brownout_out_of_range"),
      },
      { given: "overlapping, in the first brownout", gives: refused("brownout_running") },
      { given: "overlapping, paused", gives: refused("rotation_paused") },
      { given: "overlapping, killed before", gives: refused("already_retired") },
    ],
    "end-brownout": [
      { gives: refused("no_brownout") },
      {
        given: "overlapping, in the first brownout",
        afterMs: 7,
        gives: "overlapping",
        effects: ["from accepted"],
        facts: {
          brownouts: {
            announcedAt: START + 105,
            slots: [done(slots[0], 20, "policy", 7)],
            stopped: { at: slots[0] + 7, by: "ana", reason: "enough" },
          },
        },
      },
      {
        given: "overlapping, announced",
        gives: "overlapping",
        facts: {
          brownouts: {
            announcedAt: START + 105,
            slots: [],
            stopped: { at: START + 105, by: "ana", reason: "enough" },
          },
        },
      },
      { given: "overlapping, brownouts stopped", gives: refused("no_brownout") },
    ],
    "lift-fence": [
      { gives: refused("no_fence") },
      { given: "overlapping, fenced", gives: "overlapping", effects: ["unfence from"] },
      { given: "overlapping, fence lifted", gives: refused("no_fence") },
      { given: "overlapping, fenced by nothing", gives: refused("no_fence") },
      { given: "overlapping, fenced, contained", gives: refused("version_compromised") },
    ],
    begin: [{ gives: "=" }],
    acknowledged: [{ gives: "=" }],
    used: [
      { gives: "=" },
      {
        given: "overlapping, confirmed only",
        gives: "overlapping",
        effects: ["erase to"],
        facts: { usedAt: START + 4 },
      },
    ],
    assessed: [
      {
        given: "overlapping, announced",
        afterMs: 1_000,
        gives: "=",
      },
      {
        given: "overlapping, announced",
        afterMs: slots[0] - START - 105,
        gives: "overlapping",
        effects: [`from out until ${slots[0] + 20}`],
        facts: plan(running(slots[0], 20, "policy"), waiting(slots[1], 40)),
      },
      {
        given: "overlapping, announced",
        afterMs: slots[0] - START - 105 + 19,
        gives: "overlapping",
        effects: [`from out until ${slots[0] + 20}`],
        facts: plan({ ...running(slots[0], 20, "policy"), begunAt: slots[0] + 19 }, waiting(slots[1], 40)),
      },
      {
        given: "overlapping, announced",
        afterMs: slots[0] - START - 105 + 20,
        gives: "overlapping",
        facts: plan({ ...done(slots[0], 20, "policy", 20), begunAt: null }, waiting(slots[1], 40)),
      },
      { given: "overlapping, in the first brownout", afterMs: 19, gives: "=" },
      {
        given: "overlapping, in the first brownout",
        afterMs: 500,
        gives: "overlapping",
        effects: ["from accepted"],
        facts: plan(done(slots[0], 20, "policy", 20), waiting(slots[1], 40)),
      },
      {
        given: "overlapping, in the first brownout",
        event: "quiet",
        gives: "retired",
        effects: ["from retired", "from accepted"],
        facts: plan(done(slots[0], 20, "policy", 0)),
      },
      { given: "overlapping, after the first brownout", afterMs: 1_000, gives: "=" },
      { given: "overlapping, brownouts stopped", afterMs: 10 * DAY, gives: "=" },
      { given: "overlapping, brownouts over", afterMs: 10 * DAY, gives: "=" },
      {
        given: "overlapping, strictly, brownouts over",
        gives: "retired",
        effects: ["from retired"],
        facts: { forced: { by: "policy", reason: "the last brownout is over", at: slots[1] + 40 } },
      },
      { given: "overlapping, strictly, brownouts missed", afterMs: 10 * DAY, gives: "=" },
      { given: "overlapping, strictly, brownouts stopped", afterMs: 10 * DAY, gives: "=" },
      {
        given: "overlapping, in a brownout",
        afterMs: 20,
        gives: "overlapping",
        effects: ["from accepted"],
        facts: { brownouts: { announcedAt: null, slots: [done(START + 5, 20, "ana", 20)], stopped: null } },
      },
      { gives: "=" },
      { event: "quiet", gives: "=" },
      { given: "overlapping, minimum over", gives: "=" },
      {
        given: "overlapping, minimum over",
        event: "quiet",
        gives: "retired",
        effects: ["from retired"],
        facts: { forced: null },
      },
      { given: "overlapping, confirmed only, minimum over", event: "quiet", gives: "=" },
      { given: "overlapping, paused", event: "quiet", afterMs: 500, gives: "=" },
      { given: "overlapping, strict, paused", afterMs: 500, gives: "=" },
      { given: "overlapping, strict, resumed", afterMs: 96, gives: "=" },
      {
        given: "overlapping, strict, resumed",
        afterMs: 97,
        gives: "retired",
        effects: ["from retired"],
        facts: { paused: null },
      },
      { given: "overlapping, contained", event: "quiet", gives: "=" },
      { given: "overlapping, contained", event: "quiet", afterMs: 10, gives: "retired", effects: ["from retired"] },
      {
        given: "overlapping, killed before",
        gives: "retired",
        facts: { forced: { by: "ana", reason: "leaked", at: START + 4 } },
      },
      { given: "overlapping, confirmed only", afterMs: 400, gives: "overlapping", effects: ["erase to"] },
      { afterMs: 10_000, gives: "=" },
      { given: "overlapping, strict", afterMs: 97, gives: "=" },
      {
        given: "overlapping, strict",
        afterMs: 98,
        gives: "retired",
        effects: ["from retired"],
        facts: { forced: { by: "policy", reason: "the overlap's deadline passed", at: START + 102 } },
      },
    ],
    claim: [{ gives: refused("claim_ended") }, { given: "overlapping, confirmed only", gives: "overlapping" }],
    confirm: [
      { gives: "overlapping", facts: { confirmedAt: START + 4 } },
      { given: "overlapping, confirmed only", gives: "=" },
    ],
    extend: [
      {
        given: "overlapping, announced",
        gives: "overlapping",
        facts: { brownouts: { announcedAt: null, slots: [], stopped: null } },
      },
      { gives: "overlapping", facts: { overlapEndsAt: START + 162, extendedMs: 60 } },
      { given: "overlapping, extended", gives: refused("extension_not_allowed") },
      { given: "overlapping, paused", gives: refused("rotation_paused") },
      { given: "overlapping, contained", gives: refused("version_compromised") },
    ],
    "move-deadline": [
      {
        given: "overlapping, in the first brownout",
        afterMs: 3,
        gives: "overlapping",
        effects: ["from accepted"],
        facts: { brownouts: { announcedAt: null, slots: [done(slots[0], 20, "policy", 3)], stopped: null } },
      },
      {
        given: "overlapping, brownouts stopped",
        gives: "overlapping",
        facts: { brownouts: { ...inSlotStopped, announcedAt: null, stopped: null } },
      },
      { gives: "overlapping", facts: { overlapEndsAt: START + 64 } },
      { given: "overlapping, paused", gives: refused("rotation_paused") },
    ],
    pause: [
      {
        given: "overlapping, in the first brownout",
        afterMs: 3,
        gives: "overlapping",
        effects: ["from accepted"],
        facts: { brownouts: { announcedAt: null, slots: [done(slots[0], 20, "policy", 3)], stopped: null } },
      },
      {
        given: "overlapping, brownouts stopped",
        gives: "overlapping",
        facts: { brownouts: inSlotStopped },
      },
      { gives: "overlapping", facts: { paused: { at: START + 4, by: "ana", reason: "wait" } } },
      { given: "overlapping, paused", gives: "=" },
      { given: "overlapping, contained", gives: refused("version_compromised") },
      { given: "overlapping, killed before", gives: refused("version_compromised") },
    ],
    resume: [
      { gives: "=" },
      {
        given: "overlapping, paused",
        afterMs: 1_000,
        gives: "overlapping",
        facts: { paused: null, pausedMs: 1_000, overlapEndsAt: START + 1_102 },
      },
    ],
    retire: [
      {
        given: "overlapping, in the first brownout",
        afterMs: 3,
        gives: "retired",
        effects: ["from retired", "from accepted"],
        facts: plan(done(slots[0], 20, "policy", 3)),
      },
      { given: "overlapping, fenced", gives: "retired", effects: ["from retired"] },
      { gives: "retired", effects: ["from retired"], facts: { forced: { by: "ana", reason: "late", at: START + 4 } } },
      {
        given: "overlapping, killed before",
        gives: "retired",
        facts: { forced: { by: "ana", reason: "leaked", at: START + 4 } },
      },
    ],
    rollback: [
      {
        given: "overlapping, in the first brownout",
        gives: "rolled-back",
        effects: [...restore, "to retiring", "from accepted"],
        facts: { brownouts: null },
      },
      {
        given: "overlapping, fenced",
        gives: "rolled-back",
        effects: [...restore, "to retiring", "unfence from"],
        facts: { fenced: null },
      },
      {
        given: "overlapping, fence lifted",
        gives: "rolled-back",
        effects: [...restore, "to retiring"],
        facts: { fenced: null },
      },
      { gives: "rolled-back", effects: [...restore, "to retiring"], facts: { endedAt: null, overlapEndsAt: null } },
      { given: "overlapping, confirmed only", gives: "rolled-back", effects: [...restore, "to retiring"] },
      { given: "overlapping, contained", gives: refused("version_compromised") },
      { given: "overlapping, killed before", gives: refused("version_compromised") },
    ],
    cancel: [
      { gives: refused("successor_in_use") },
      { given: "overlapping, confirmed only", gives: refused("successor_in_use") },
    ],
    compromise: [
      {
        given: "overlapping, in the first brownout",
        gives: "retired",
        effects: ["mark from", "from retired", "from accepted"],
      },
      {
        given: "overlapping, in the first brownout",
        event: "contain",
        gives: "overlapping",
        effects: ["mark from", "fence from"],
        facts: plan(running(slots[0], 20, "policy"), waiting(slots[1], 40)),
      },
      {
        given: "overlapping, in the first brownout",
        event: "killSuccessor",
        gives: "rolled-back",
        effects: [...killTo, ...restore, "from accepted"],
      },
      {
        given: "overlapping, fenced",
        event: "killSuccessor",
        gives: "rolled-back",
        effects: [...killTo, ...restore, "unfence from"],
      },
      {
        given: "overlapping, fenced",
        event: "contain",
        gives: "overlapping",
        effects: ["mark from", "fence from"],
        facts: { fenced: null },
      },
      {
        gives: "retired",
        effects: ["mark from", "from retired"],
        facts: { forced: { by: "ana", reason: "leaked", at: START + 4 } },
      },
      { given: "overlapping, contained", gives: "retired", effects: ["mark from", "from retired"] },
      {
        given: "overlapping, paused",
        gives: "retired",
        effects: ["mark from", "from retired"],
        facts: { paused: null },
      },
      {
        given: "overlapping, paused",
        event: "contain",
        afterMs: 1_000,
        gives: "overlapping",
        effects: ["mark from", "fence from"],
        facts: { paused: null, overlapEndsAt: START + 1_102 },
      },
      { given: "overlapping, killed before", gives: "overlapping", effects: ["mark from"] },
      { event: "contain", gives: "overlapping", effects: ["mark from", "fence from"] },
      { given: "overlapping, killed before", event: "contain", gives: "overlapping", effects: ["mark from"] },
      { event: "killSuccessor", gives: "rolled-back", effects: [...killTo, ...restore], facts: { endedAt: START + 4 } },
      {
        given: "overlapping, contained",
        event: "killSuccessor",
        gives: "cancelled",
        effects: [...killTo, ...restore, "replace from"],
      },
      {
        given: "overlapping, killed before",
        event: "killSuccessor",
        gives: "cancelled",
        effects: [...killTo, "current to", "replace to"],
      },
      { event: "containSuccessor", gives: refused("contain_needs_old_version") },
    ],
    abandon: [{ gives: "cancelled", effects: ["erase to"] }],
  },

  retired: {
    fence: [{ gives: "=" }],
    browned: [{ gives: "=" }],
    refused: [
      { gives: "=" },
      {
        given: "retired, undoing",
        gives: "rolled-back",
        effects: [...restore, "to retiring"],
        facts: {
          rollbackReason: "5 requests of 2 sources that had used version 1 before were refused since it retired",
        },
      },
      { given: "retired, undoing", event: "fewRefused", gives: "=" },
      { given: "retired, undoing", event: "refusedByOne", gives: "=" },
      { given: "retired, undoing", event: "refusedAgain", gives: "=" },
      { given: "retired, undoing", event: "refusedAgain", afterMs: 49, gives: "=" },
      { given: "retired, undoing", afterMs: 50, gives: "=" },
      { given: "retired, undoing, by force", gives: "=" },
      { given: "retired, undoing, by the policy", gives: "rolled-back", effects: [...restore, "to retiring"] },
      { given: "retired, undoing, contained", gives: "=" },
    ],
    brownout: [{ gives: refused("already_retired") }],
    "end-brownout": [{ gives: refused("no_brownout") }],
    "lift-fence": [
      { gives: refused("already_retired") },
      { given: "retired, fenced", gives: refused("already_retired") },
      { given: "retired, contained", gives: refused("version_compromised") },
    ],
    begin: [{ gives: "=" }],
    acknowledged: [{ gives: "=" }],
    used: [{ gives: "=" }, { given: "retired, never claimed", gives: "retired", effects: ["erase to"] }],
    assessed: [
      { gives: "=" },
      { event: "quiet", afterMs: 49, gives: "=" },
      { afterMs: 50, gives: "completed", effects: ["from destroyed", "erase to"] },
      { given: "retired, killed", gives: "completed", effects: ["from destroyed", "erase to"] },
      { given: "retired, contained", gives: "completed", effects: ["from destroyed", "erase to"] },
      { given: "retired, killed, confirmed only", gives: "=" },
      { given: "retired, killed, confirmed only", afterMs: 400, gives: "retired", effects: ["erase to"] },
      { given: "retired, never claimed", afterMs: 50, gives: "=" },
      { given: "retired, never claimed", afterMs: 400, gives: "retired", effects: ["erase to"] },
      { given: "retired, claim over", gives: "completed", effects: ["from destroyed", "erase to"] },
    ],
    claim: [
      { gives: refused("claim_ended") },
      { given: "retired, never claimed", gives: "retired", facts: { claimedAt: START + 3 } },
      { given: "retired, killed, confirmed only", gives: "retired" },
      { given: "retired, claim over", gives: refused("claim_ended") },
    ],
    confirm: [
      { gives: "retired", facts: { confirmedAt: START + 15 } },
      { given: "retired, confirmed only", gives: "=" },
    ],
    extend: [{ gives: refused("already_retired") }],
    "move-deadline": [{ gives: refused("already_retired") }],
    pause: [{ gives: refused("already_retired") }],
    resume: [{ gives: "=" }],
    retire: [{ gives: refused("already_retired") }],
    rollback: [
      {
        given: "retired, fenced",
        gives: "rolled-back",
        effects: [...restore, "to retiring", "unfence from"],
        facts: { fenced: null },
      },
      { gives: "rolled-back", effects: [...restore, "to retiring"], facts: { retiredAt: null, endedAt: null } },
      { afterMs: 49, gives: "rolled-back", effects: [...restore, "to retiring"] },
      { afterMs: 50, gives: refused("rotation_ended") },
      {
        given: "retired, never claimed",
        gives: "rolled-back",
        effects: [...restore, ...drop],
        facts: { forced: null, endedAt: START + 3 },
      },
      { given: "retired, killed", gives: refused("version_compromised") },
      { given: "retired, contained", gives: refused("version_compromised") },
    ],
    cancel: [
      { gives: refused("successor_in_use") },
      { given: "retired, never claimed", gives: refused("successor_in_use") },
    ],
    compromise: [
      { gives: "retired", effects: ["mark from"], facts: { fromCompromised: true } },
      { given: "retired, killed", gives: "retired", effects: ["mark from"] },
      { event: "contain", gives: "retired", effects: ["mark from"], facts: { fromCompromised: true } },
      { event: "killSuccessor", gives: "completed", effects: replaced, facts: { endedAt: START + 15 } },
      { given: "retired, killed", event: "killSuccessor", gives: "completed", effects: replaced },
      { given: "retired, contained", event: "killSuccessor", gives: "completed", effects: replaced },
      { event: "containSuccessor", gives: refused("contain_needs_old_version") },
    ],
    abandon: [{ gives: "completed", effects: ["erase to"] }],
  },

  completed: overEvents("completed"),
  cancelled: overEvents("cancelled"),

  "rolled-back": {
    fence: [{ gives: "=" }],
    browned: [{ gives: "=" }],
    refused: [{ gives: "=" }],
    brownout: [
      { gives: refused("already_rolled_back") },
      { given: "rolled-back, ended", gives: refused("rotation_ended") },
    ],
    "end-brownout": [
      { gives: refused("no_brownout") },
      { given: "rolled-back, ended", gives: refused("rotation_ended") },
    ],
    "lift-fence": [
      { gives: refused("no_fence") },
      { given: "rolled-back, fenced before", gives: refused("no_fence") },
      { given: "rolled-back, ended", gives: refused("rotation_ended") },
    ],
    begin: [{ gives: "=" }, { given: "rolled-back, ended", gives: "=" }],
    acknowledged: [{ gives: "=" }, { given: "rolled-back, a consumer's own, not offered", gives: "=" }],
    used: [
      { gives: "=" },
      { given: "rolled-back, claimed only", gives: "rolled-back", effects: ["erase to"] },
      { given: "rolled-back, ended", gives: "=" },
    ],
    assessed: [
      { afterMs: 10_000, gives: "=" },
      { event: "quiet", gives: "rolled-back", effects: drop, facts: { endedAt: START + 5 } },
      {
        given: "rolled-back, claimed only",
        afterMs: 400,
        gives: "rolled-back",
        effects: ["erase to"],
        facts: { endedAt: null },
      },
      { given: "rolled-back, a consumer's own, not offered", afterMs: 10_000, gives: "=" },
      { given: "rolled-back, ended", event: "quiet", gives: "=" },
    ],
    claim: [
      { gives: refused("already_rolled_back") },
      { given: "rolled-back, ended", gives: refused("rotation_ended") },
    ],
    confirm: [{ gives: refused("already_rolled_back") }],
    extend: [{ gives: refused("already_retired") }, { given: "rolled-back, ended", gives: refused("rotation_ended") }],
    "move-deadline": [{ gives: refused("already_retired") }],
    pause: [
      { gives: refused("already_rolled_back") },
      { given: "rolled-back, ended", gives: refused("rotation_ended") },
    ],
    resume: [{ gives: "=" }, { given: "rolled-back, ended", gives: refused("rotation_ended") }],
    retire: [
      {
        gives: "rolled-back",
        effects: drop,
        facts: { endedAt: START + 5, forced: { by: "ana", reason: "late", at: START + 5 } },
      },
    ],
    rollback: [
      { gives: refused("already_rolled_back") },
      { given: "rolled-back, ended", gives: refused("rotation_ended") },
    ],
    cancel: [{ gives: refused("already_rolled_back") }],
    compromise: [
      {
        gives: "retired",
        effects: ["mark from", "from retired", ...activate],
        facts: { forced: { by: "ana", reason: "leaked", at: START + 5 }, rolledBackAt: null, offeredAt: START + 5 },
      },
      {
        given: "rolled-back, a consumer's own, not offered",
        gives: "retired",
        effects: ["mark from", "from retired", ...activate],
      },
      {
        event: "contain",
        gives: "overlapping",
        effects: ["mark from", "fence from", ...activate, "from retiring"],
        facts: { offeredAt: START + 5, overlapEndsAt: START + 105, rolledBackAt: null, rollbackReason: null },
      },
      {
        given: "rolled-back, a consumer's own, not offered",
        event: "contain",
        gives: "overlapping",
        effects: ["mark from", "fence from", ...activate, "from retiring"],
      },
      { event: "killSuccessor", gives: "rolled-back", effects: [...killTo, ...restore], facts: { endedAt: START + 5 } },
      { event: "containSuccessor", gives: refused("contain_needs_old_version") },
      { given: "rolled-back, ended", gives: refused("rotation_ended") },
    ],
    abandon: [
      { gives: "rolled-back", effects: ["erase to"] },
      { given: "rolled-back, ended", gives: "=" },
    ],
  },
};

/** What a cell's type of event means where the case does not say. */
const usual: Record<RotationEventType, EventName> = {
  begin: "begin",
  acknowledged: "acknowledged",
  used: "used",
  assessed: "noise",
  claim: "claim",
  confirm: "confirm",
  extend: "extendOwn",
  "move-deadline": "extend",
  pause: "pause",
  resume: "resume",
  fence: "fence",
  browned: "browned",
  refused: "refused",
  brownout: "brownout",
  "end-brownout": "endBrownout",
  "lift-fence": "liftFence",
  retire: "retire",
  rollback: "rollback",
  cancel: "cancel",
  compromise: "kill",
  abandon: "abandon",
};

for (const phase of phases) {
  describe(`in ${phase}`, () => {
    for (const [type, cases] of Object.entries(table[phase]) as [RotationEventType, Expected][]) {
      for (const each of cases) {
        const given = each.given ?? phase;
        const name = each.event ?? usual[type];
        const wait = each.afterMs === undefined ? "" : ` after ${each.afterMs} ms`;
        const outcome =
          typeof each.gives === "string"
            ? each.gives === "="
              ? "changes nothing"
              : `gives ${each.gives}`
            : `is refused: ${each.gives.refused}`;
        test(`${name}${wait} (${given}) ${outcome}`, () => {
          const { rotation, now: reachedAt } = givens[given];
          const now = reachedAt + (each.afterMs ?? 0);
          expect(rotation.phase).toBe(phase);
          const event = eventNamed(name, rotation, now);
          expect(event.type).toBe(type);
          const decision = decide(rotation, event, now);
          if (typeof each.gives !== "string") {
            expect(decision).toMatchObject({ ok: false, code: each.gives.refused });
            return;
          }
          if (!decision.ok) throw new Error(`refused: ${decision.code}`);
          expect(decision.effects.map((effect) => spoken(effect, rotation))).toEqual(each.effects ?? []);
          if (each.gives === "=") {
            expect(decision.next).toBe(rotation);
            return;
          }
          expect(decision.next.phase).toBe(each.gives);
          expect(decision.next).toMatchObject(each.facts ?? {});
          const ends = decision.next.phase === "completed" || decision.next.phase === "cancelled";
          if (ends) expect(decision.next.endedAt).toBe(now);
        });
      }
    }
  });
}

test("every sample stands in the phase that its name says", () => {
  for (const [name, sample] of Object.entries(givens)) expect(name.split(",")[0]).toMatch(sample.rotation.phase);
});

describe("the deadline", () => {
  const { rotation, now } = givens.overlapping;
  const offeredAt = rotation.offeredAt as number;
  const move = (overlapEndsAt: number, at = now) => decide(rotation, { type: "move-deadline", overlapEndsAt }, at);

  test("R02: it moves between the minimum overlap and 366 days after the offer", () => {
    expect(move(offeredAt + 10)).toMatchObject({ ok: true, next: { overlapEndsAt: offeredAt + 10 } });
    expect(move(offeredAt + 366 * 86_400_000)).toMatchObject({ ok: true });
    expect(move(offeredAt + 9)).toMatchObject({ ok: false, code: "overlap_out_of_range" });
    expect(move(offeredAt + 366 * 86_400_000 + 1)).toMatchObject({ ok: false, code: "overlap_out_of_range" });
  });

  test("it can't be moved into the past", () => {
    expect(move(now + 499, now + 500)).toMatchObject({ ok: false, code: "overlap_out_of_range" });
    expect(move(now + 500, now + 500)).toMatchObject({ ok: true });
  });
});

describe("what `overlapping → retired` waits for", () => {
  const { rotation, now } = givens.overlapping;

  test("the gates say when each can be met, and which is the consumer's to meet", () => {
    const confirmed = givens["overlapping, confirmed only"].rotation;
    const offeredAt = confirmed.offeredAt as number;
    expect(gates(confirmed, evidenceFor(confirmed, false, now), now)).toEqual([
      { name: "minimum-overlap", met: false, earliestAt: offeredAt + 10, waitsFor: "time" },
      { name: "successor-used", met: false, earliestAt: null, waitsFor: "consumer" },
      {
        name: "old-version-quiet",
        met: false,
        earliestAt: evidenceFor(confirmed, false, now).quietAt,
        waitsFor: "time",
      },
    ]);
    expect(gates(rotation, evidenceFor(rotation, true, now + 10), now + 10).every((gate) => gate.met)).toBe(true);
  });

  test("and who could meet it: somebody who still uses the old version, verifiers that lag, an operator, or time", () => {
    const source = { network: "203.0.113.0/24", client: "bot/1", instance: "" };
    const usual = { lengthMs: 0, rank: 1, of: 0 } as const;
    const seen = {
      source,
      lastSeen: now,
      longestGapMs: 0,
      usual,
      historyMs: 0,
      young: true,
      neededMs: 5,
      quietAt: now + 5,
    };
    const evidence = { ...evidenceFor(rotation, false, now), quietAt: now + 5, watermark: now };
    const waitsFor = (change: object, at = now) => gates(rotation, { ...evidence, ...change }, at).at(-1)?.waitsFor;
    expect(waitsFor({ sources: [{ ...seen, quiet: false, moved: false }] })).toBe("consumer");
    expect(waitsFor({ sources: [{ ...seen, quiet: false, moved: true }] })).toBe("time");
    expect(waitsFor({ sources: [{ ...seen, quiet: true, moved: false }] })).toBe("time");
    expect(waitsFor({}, now + 5)).toBe("verifiers");
    expect(waitsFor({ watermark: now + 5 }, now + 5)).toBe("operator");
    expect(waitsFor({ watermark: now + 5, quiet: true }, now + 5)).toBe(null);
  });

  test("I13: evidence about the other version retires nothing", () => {
    const at = now + 10;
    const evidence = evidenceFor(rotation, true, at);
    const assess = (change: object) => decide(rotation, { type: "assessed", evidence: { ...evidence, ...change } }, at);
    expect(assess({ version: rotation.to })).toMatchObject({ next: rotation, effects: [] });
    expect(assess({})).toMatchObject({ next: { phase: "retired" } });
  });

  test("I13: evidence of a quiet old version that arrives after the rollback does not end the successor", () => {
    const late = evidenceFor(rotation, true, now + 10);
    const back = givens["rolled-back"];
    const decision = decide(back.rotation, { type: "assessed", evidence: late }, now + 10);
    expect(decision).toMatchObject({ ok: true, next: back.rotation, effects: [] });
  });

  test("I13: silence of the successor from before the rollback does not end it", () => {
    const { rotation, now } = givens["rolled-back"];
    const evidence = evidenceFor(rotation, true, now);
    const assess = (countsFrom: number) =>
      decide(rotation, { type: "assessed", evidence: { ...evidence, countsFrom } }, now);
    expect(assess(evidence.countsFrom - 1)).toMatchObject({ ok: true, next: rotation, effects: [] });
    expect(assess(evidence.countsFrom)).toMatchObject({ ok: true, next: { endedAt: now } });
  });

  test("the question is asked only where the answer matters", () => {
    expect(quietQuestion(givens.planned.rotation)).toBeUndefined();
    expect(quietQuestion(givens.propagating.rotation)).toBeUndefined();
    expect(quietQuestion(rotation)).toEqual({ version: 1, countsFrom: rotation.offeredAt });
    expect(quietQuestion(givens["rolled-back"].rotation)).toEqual({ version: 2, countsFrom: START + 5 });
    expect(quietQuestion(givens["rolled-back, ended"].rotation)).toBeUndefined();
    expect(quietQuestion(givens.completed.rotation)).toBeUndefined();
  });
});

describe("a fence", () => {
  const { rotation, now } = givens.overlapping;

  test("a second contain without a fence leaves the first one standing", () => {
    const decision = decide(
      rotation,
      { type: "compromise", version: "from", mode: "contain", by: "ana", reason: "again" },
      now,
    );
    expect(decision).toMatchObject({ ok: true, effects: [{ do: "mark-compromised", version: 1 }] });
  });

  test("it is set as given", () => {
    const decision = decide(rotation, eventNamed("contain", rotation, now), now);
    expect(decision).toMatchObject({ effects: [{}, { do: "set-fence", version: 1, fence: harmless }] });
  });
});

test("a key whose version is refused does not wait for its rotation's date, and has no way back", () => {
  const rotation = planned({ startsAt: START + 1_000, fromRefused: true });
  expect(rotation).toMatchObject({ startsAt: START, fromRefusedAt: START, fromCompromised: true });
  expect(decide(rotation, { type: "begin" }, START)).toMatchObject({ ok: true, next: { phase: "propagating" } });
});
