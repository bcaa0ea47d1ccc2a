/**
 * What else a seed means: who is told by webhooks, which policies are attached to what, and what people do with the time of rotations. Each has a
 * stream of chance of its own, so that seeds without it stay what they were.
 */
import type { RotationPolicyPatch } from "@keyover/core";
import type { Chance } from "./chance.ts";
import { type Temper, tempers } from "./receiver.ts";

const SECOND = 1_000;

export interface QuietPlan {
  zone: string;
  from: string;
  to: string;
}

export interface ChannelPlan {
  temper: Temper;
  events: string[];
  severity: "info" | "warning" | "urgent";
  digestMs: number;
  quiet: QuietPlan | null;
  /** It belongs to a consumer, not to the operators. */
  ofConsumer: boolean;
  /** What nobody reacts to goes on to the channel before this one. */
  escalates: boolean;
}

/** What operators do about channels and notices. */
export const noticeDeeds = ["acknowledge", "resend", "disable", "wishes", "new-secret", "remove"] as const;
export type NoticeDeed = (typeof noticeDeeds)[number];

/** What people do with the time of a rotation. */
export const controls = [
  "pause",
  "resume",
  "later",
  "sooner",
  "extend",
  "brownout",
  "end-brownout",
  "lift-fence",
  "race",
] as const;
export type Control = (typeof controls)[number];

/** What people do about policies. */
export const policyDeeds = ["apply", "attach", "detach", "label", "expire"] as const;
export type PolicyDeed = (typeof policyDeeds)[number];

export interface ControlOptions {
  channels: ChannelPlan[];
  noticeDeeds: NoticeDeed[];
  noticeDeedEveryMs: number;
  controls: Control[];
  controlEveryMs: number;
  /** None: there are no policies but those of apis and keys. */
  policyDeeds: PolicyDeed[];
  policyDeedEveryMs: number;
  /** Nobody but policies starts rotations. */
  bySchedule: boolean;
  /** How long after a full minute everything begins: times of day are told in minutes. */
  offsetMs: number;
}

export function drawControls(chance: Chance): ControlOptions {
  const notices = chance.fork("notices");
  const people = chance.fork("controls");
  const told = notices.happens(0.4);
  const channels = told ? drawChannels(notices) : [];
  const busy = people.happens(0.35);
  const rules = chance.fork("policies");
  const ruled = rules.happens(0.3);
  return {
    channels,
    noticeDeeds: told ? noticeDeeds.filter(() => notices.happens(0.4)) : [],
    noticeDeedEveryMs: notices.pick([1, 3, 8]) * SECOND,
    controls: busy ? controls.filter(() => people.happens(0.6)) : [],
    controlEveryMs: people.pick([0.3, 1, 3]) * SECOND,
    policyDeeds: ruled
      ? (["apply", "attach", ...policyDeeds.slice(2).filter(() => rules.happens(0.6))] as PolicyDeed[])
      : [],
    policyDeedEveryMs: rules.pick([1, 3, 8]) * SECOND,
    bySchedule: ruled && rules.happens(0.6),
    offsetMs: ruled || channels.some(({ quiet }) => quiet !== null) ? notices.whole(30, 55) * SECOND : 0,
  };
}

/** Everything begins at eight in the morning, UTC. */
const QUIET: QuietPlan[] = [
  { zone: "UTC", from: "08:00", to: "08:01" },
  { zone: "Asia/Kolkata", from: "13:31", to: "13:33" },
  { zone: "UTC", from: "22:00", to: "08:02" },
];

const PLAIN: Omit<ChannelPlan, "temper"> = {
  events: ["*"],
  severity: "info",
  digestMs: 0,
  quiet: null,
  ofConsumer: false,
  escalates: false,
};

/** Now and then one that takes everything beside one that never answers. */
function drawChannels(chance: Chance): ChannelPlan[] {
  const pair: Temper[] = chance.happens(0.3) ? ["well", "hangs"] : [];
  const others = Array.from({ length: chance.whole(1, 3) }, () => drawChannel(chance));
  return [...pair.map((temper) => ({ ...PLAIN, temper })), ...others];
}

function drawChannel(chance: Chance): ChannelPlan {
  return {
    temper: chance.happens(0.35) ? "well" : chance.pick(tempers),
    events: chance.pick([
      ["*"],
      ["*"],
      ["rotation.*"],
      ["key.*", "rotation.retired"],
      ["rotation.offered", "rotation.completed"],
    ]),
    severity: chance.pick(["info", "info", "info", "warning", "urgent"]),
    digestMs: chance.pick([0, 0, 300, 2_000, 8_000, 300_000]),
    quiet: chance.happens(0.15) ? chance.pick(QUIET) : null,
    ofConsumer: chance.happens(0.2),
    escalates: chance.happens(0.3),
  };
}

/** How far a deadline may be moved, and by whom; reminders. */
export function drawLimits(chance: Chance, overlapMs: number): RotationPolicyPatch {
  if (chance.happens(0.3)) return {};
  return {
    overlapMaxMs: overlapMs + chance.pick([0, 3, 20]) * SECOND,
    consumerMayExtendMs: chance.pick([0, 3, 8, 8]) * SECOND,
    remindMs: chance.pick([[], [500], [2_000, 500]]),
  };
}

/** What limits the old version, and what brings it back. */
export function drawRules(chance: Chance, overlapMs: number): RotationPolicyPatch {
  const some = <T>(probability: number, member: T): T | object => (chance.happens(probability) ? member : {});
  return {
    ...some(0.4, { fence: drawFence(chance) }),
    ...some(0.5, { onDeadline: "brownout", brownout: drawBrownout(chance, overlapMs) }),
    ...some(0.5, {
      automaticRollback: {
        refusals: chance.pick([1, 2, 5]),
        sources: chance.pick([1, 1, 2]),
        coolDownMs: chance.pick([0, 8, 60]) * SECOND,
      },
      rollbackMs: chance.pick([2, 5, 9]) * SECOND,
      ...some(0.5, { onDeadline: "retire" }),
    }),
  };
}

function drawFence(chance: Chance): RotationPolicyPatch["fence"] {
  const limit = chance.pick([
    { without: ["trade:*"] },
    { without: ["*:withdraw"] },
    { scopes: ["market:read"] },
    { networks: "seen" as const },
    { without: ["market:*"], networks: "seen" as const },
  ]);
  return { from: chance.pick(["offered", "used"] as const), afterMs: chance.pick([0, 1, 4]) * SECOND, ...limit };
}

function drawBrownout(chance: Chance, overlapMs: number): RotationPolicyPatch["brownout"] {
  const lengths = chance.pick([[1], [1, 1, 2], [8], [8]]).map((length) => Math.min(length * SECOND, overlapMs));
  return {
    zone: "UTC",
    at: "12:00",
    lengthsMs: lengths,
    announceMs: chance.pick([0, 1, 2]) * SECOND,
    errorBudget: chance.pick([null, 0, 0, 0, 3, 100]),
    after: chance.pick(["hold", "retire"] as const),
  };
}

/** Around the minute at which most of what happens lies; Kolkata is half an hour off, New York five hours behind. */
const BLACKOUTS = [
  { zone: "UTC", from: "08:00", to: "08:01" },
  { zone: "Asia/Kolkata", from: "13:31", to: "13:32" },
  { zone: "America/New_York", from: "21:30", to: "03:01" },
];
const HOLIDAYS = [{ zone: "UTC", dates: ["2027-01-15"] }];

/** What a policy says. By itself it is whole, as the API wants it. */
export function drawSpec(chance: Chance): object {
  const overlapMinMs = chance.pick([1, 2]) * SECOND;
  const overlap = { overlapMinMs, overlapMs: overlapMinMs + chance.pick([1, 4, 9]) * SECOND, claimMs: 60 * SECOND };
  const some = <T>(probability: number, member: T): T | object => (chance.happens(probability) ? member : {});
  return {
    ...some(0.6, overlap),
    ...some(0.3, { quietMs: chance.pick([1, 2, 3]) * SECOND, gapMargin: 1 }),
    ...some(0.3, { onDeadline: chance.pick(["hold", "retire"]), rollbackMs: chance.pick([0, 2]) * SECOND }),
    ...some(0.8, { schedule: drawSchedule(chance) }),
    ...some(0.5, {
      expiry: {
        ...some(0.8, { announceMs: chance.pick([[], [1_000], [8_000, 4_000, 1_000]]) }),
        ...some(0.7, { graceMs: chance.pick([0, 5, 8]) * SECOND }),
      },
    }),
  };
}

function drawSchedule(chance: Chance): object {
  const some = <T>(probability: number, member: T): T | object => (chance.happens(probability) ? member : {});
  return {
    ...some(0.6, { everyMs: chance.pick([null, 3_000, 5_000, 9_000]) }),
    ...some(0.5, { maxAgeMs: chance.pick([4_000, 8_000, 15_000]) }),
    ...some(0.25, { cron: { expression: "* * * * *", zone: chance.pick(["UTC", "Asia/Kolkata"]) } }),
    ...some(0.5, { jitterMs: chance.pick([null, 0, 1_000]) }),
    ...some(0.2, { maxAgeFirst: true }),
    ...some(0.35, { blackouts: chance.happens(0.3) ? [] : [chance.pick(BLACKOUTS)] }),
    ...some(0.04, { holidays: HOLIDAYS }),
  };
}
