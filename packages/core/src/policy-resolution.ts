/**
 * From what a policy can say to what holds for one key. Each thing that says something is a *layer*; the layers lie from the farthest to
 * the nearest, and each member comes from the nearest layer that gives it:
 *
 *     default < api < api and environment < consumer's label < key < what the start of a rotation says
 *
 * On each step an attached policy lies under what the api or key says of itself, and of two attached policies the one attached later
 * lies above. `schedule`, `expiry` and `idle` are resolved member by member too, so that one policy may give the blackouts and another the age.
 */
import { defaultExpiry, type Expiry } from "./expiry.ts";
import { defaultIdleness, type Idleness } from "./idle.ts";
import { defaultRotationPolicy, type RotationPolicy, type RotationPolicyPatch } from "./policy.ts";
import { defaultSchedule, type Schedule } from "./schedule.ts";

type Patch<T> = { [K in keyof T]?: T[K] | undefined };

/** What a policy may say; all else is inherited. `fence`, `brownout` and `automaticRollback` are taken whole. */
export interface PolicySpec extends RotationPolicyPatch {
  schedule?: Patch<Schedule> | undefined;
  expiry?: Patch<Expiry> | undefined;
  idle?: Patch<Idleness> | undefined;
  /** Names of the channels by which its notices go out. */
  channels?: string[] | undefined;
}

export type Target =
  | { kind: "api"; api: string }
  | { kind: "environment"; api: string; environment: string }
  /** Keys of consumers that carry the label; of one api, or of all. */
  | { kind: "label"; name: string; value: string; api: string | null }
  | { kind: "key"; key: string };

/** Where a value comes from. */
export type Rule =
  | { kind: "default" }
  /** What the api says of itself. */
  | { kind: "api" }
  /** What the key says of itself. */
  | { kind: "key" }
  /** Given when the rotation was started. */
  | { kind: "start" }
  | {
      kind: "policy";
      policy: string;
      name: string;
      version: number;
      attachment: string;
      target: Target;
      attachedAt: number;
      /** When its schedule, or the way in which it reaches the key, last changed. */
      scheduleSince: number;
    };

export interface Layer {
  rule: Rule;
  spec: PolicySpec;
}

export interface ResolvedMember {
  value: unknown;
  rule: Rule;
  /** What farther layers said; the nearest of them first. */
  overrode: { value: unknown; rule: Rule }[];
}

export interface ResolvedPolicy {
  rotation: RotationPolicy;
  schedule: Schedule;
  expiry: Expiry;
  idle: Idleness;
  channels: string[];
  /** By name: `overlapMs`, `schedule.maxAgeMs`, `expiry.graceMs`. */
  members: Record<string, ResolvedMember>;
}

/** What a rotation remembers of where its policy came from. */
export interface PolicySource {
  kind: Rule["kind"];
  policy?: string | undefined;
  name?: string | undefined;
  version?: number | undefined;
  members: string[];
}

const steps = { default: 0, api: 1, environment: 2, label: 3, key: 4, start: 5 } as const;

function nearness(rule: Rule): [step: number, own: number, attachedAt: number, id: string] {
  if (rule.kind !== "policy") return [steps[rule.kind], 1, 0, ""];
  return [steps[rule.target.kind], 0, rule.attachedAt, rule.attachment];
}

/** The farthest first. */
export function inOrder(layers: readonly Layer[]): Layer[] {
  return [...layers].sort((a, b) => {
    const [left, right] = [nearness(a.rule), nearness(b.rule)];
    for (const [i, value] of left.entries()) {
      const other = right[i] as typeof value;
      if (value !== other) return value < other ? -1 : 1;
    }
    return 0;
  });
}

const whole = {
  ...defaultRotationPolicy,
  channels: [] as string[],
};

const defaults: Record<string, unknown> = {
  ...whole,
  ...prefixed("schedule", defaultSchedule),
  ...prefixed("expiry", defaultExpiry),
  ...prefixed("idle", defaultIdleness),
};

function prefixed(name: string, members: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).map(([member, value]) => [`${name}.${member}`, value]));
}

/** The members that a spec gives, by their full names. */
export function membersOf(spec: PolicySpec): Record<string, unknown> {
  const { schedule = {}, expiry = {}, idle = {}, ...own } = spec;
  const groups = { ...prefixed("schedule", schedule), ...prefixed("expiry", expiry), ...prefixed("idle", idle) };
  const all = { ...own, ...groups };
  return Object.fromEntries(Object.entries(all).filter(([name, value]) => value !== undefined && name in defaults));
}

export function resolvePolicy(layers: readonly Layer[]): ResolvedPolicy {
  const members: Record<string, ResolvedMember> = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [name, { value, rule: { kind: "default" }, overrode: [] }]),
  );
  for (const { rule, spec } of inOrder(layers)) {
    for (const [name, value] of Object.entries(membersOf(spec))) {
      const before = members[name] as ResolvedMember;
      members[name] = { value, rule, overrode: [{ value: before.value, rule: before.rule }, ...before.overrode] };
    }
  }
  const values = (prefix: string) =>
    Object.fromEntries(
      Object.entries(members).flatMap(([name, { value }]) => {
        const own = prefix === "" ? !name.includes(".") : name.startsWith(`${prefix}.`);
        return own ? [[name.slice(prefix === "" ? 0 : prefix.length + 1), value]] : [];
      }),
    );
  const { channels, ...rotation } = values("");
  return {
    rotation: rotation as unknown as RotationPolicy,
    schedule: values("schedule") as unknown as Schedule,
    expiry: values("expiry") as unknown as Expiry,
    idle: values("idle") as unknown as Idleness,
    channels: channels as string[],
    members,
  };
}

/** Of what a rotation keeps, the part that is not the default, by where it came from. */
export function policySources({ members }: ResolvedPolicy): PolicySource[] {
  const sources: PolicySource[] = [];
  for (const [name, { rule }] of Object.entries(members)) {
    if (rule.kind === "default" || !(name in defaultRotationPolicy)) continue;
    const named = rule.kind === "policy" ? { policy: rule.policy, name: rule.name, version: rule.version } : {};
    const known = sources.find((each) => each.kind === rule.kind && each.policy === named.policy);
    if (known === undefined) sources.push({ kind: rule.kind, ...named, members: [name] });
    else known.members.push(name);
  }
  return sources;
}

/** The targets by which a key can be reached. */
export function targetsOf(
  key: { id: string; apiId: string; environment: string },
  labels: Record<string, string>,
): Target[] {
  const api = key.apiId;
  const byLabel = Object.entries(labels).flatMap(([name, value]): Target[] => [
    { kind: "label", name, value, api: null },
    { kind: "label", name, value, api },
  ]);
  return [
    { kind: "api", api },
    { kind: "environment", api, environment: key.environment },
    ...byLabel,
    { kind: "key", key: key.id },
  ];
}

/** One text for one target: they are searched by it. A label's value comes last, because it may contain anything. */
export function targetText(target: Target): string {
  switch (target.kind) {
    case "api":
      return `api ${target.api}`;
    case "environment":
      return `environment ${target.api} ${target.environment}`;
    case "label":
      return `label ${target.api ?? "*"} ${target.name}=${target.value}`;
    case "key":
      return `key ${target.key}`;
  }
}

/** When the rule that says when to rotate began to hold; 0 for one that always did. */
export function scheduleSince({ members }: ResolvedPolicy, defaultSince: number): number {
  const rules = ["schedule.everyMs", "schedule.cron", "schedule.maxAgeMs"].map((name) => members[name]?.rule);
  return Math.max(
    ...rules.map((rule) => {
      if (rule?.kind === "default") return defaultSince;
      return rule?.kind === "policy" ? rule.scheduleSince : 0;
    }),
  );
}
