/**
 * The model's part on policies: what was committed of policies, attachments, labels and apis, and at what time in truth. What holds for a key is worked
 * out here from that, without core's policy-resolution.
 *
 *     default < api: attached, its own < environment < consumer's label < key: attached, its own
 */
import { defaultExpiry, defaultIdleness, defaultRotationPolicy, defaultSchedule, type Key } from "@keyover/core";
import type { Attachment, Policy } from "../packages/server/src/store/policy-entities.ts";
import type { Batch } from "../packages/server/src/store/store.ts";

/** What stood from `at` on. */
export interface RuleState {
  at: number;
  policies: ReadonlyMap<string, Policy>;
  attachments: ReadonlyMap<string, Attachment>;
  /** By consumer. */
  labels: ReadonlyMap<string, Record<string, string>>;
  /** What each api says of itself. */
  apis: ReadonlyMap<string, object>;
}

/** Members by name: `overlapMs`, `schedule.everyMs`; and since when a policy says when to rotate. */
export interface Resolved {
  values: Record<string, unknown>;
  scheduleSince: number;
}

const OF_RULES: ReadonlySet<string> = new Set(["policy", "attachment", "consumer", "api"]);

const NOTHING: RuleState = {
  at: 0,
  policies: new Map(),
  attachments: new Map(),
  labels: new Map(),
  apis: new Map(),
};

export class Rules {
  readonly #states: RuleState[] = [NOTHING];

  /** When dates of keys were last calculated anew after a change. */
  replannedAt = 0;

  get now(): RuleState {
    return this.#states.at(-1) as RuleState;
  }

  committed({ writes, audit }: Batch, at: number): void {
    // A look at a key that moves its date by what it was used says nothing of policies: such looks go on for ever.
    if (audit.some(({ action, details }) => action === "keys.replanned" && details.cause !== "use"))
      this.replannedAt = at;
    if (!writes.some((write) => OF_RULES.has("remove" in write ? write.remove : write.put))) return;
    const policies = new Map(this.now.policies);
    const attachments = new Map(this.now.attachments);
    const labels = new Map(this.now.labels);
    const apis = new Map(this.now.apis);
    for (const write of writes) {
      if ("remove" in write) {
        if (write.remove === "attachment") attachments.delete(write.id);
        if (write.remove === "policy") policies.delete(write.id);
      } else if (write.put === "policy") policies.set(write.value.id, write.value);
      else if (write.put === "attachment") attachments.set(write.value.id, write.value);
      else if (write.put === "consumer") labels.set(write.value.id, write.value.labels);
      else if (write.put === "api") apis.set(write.value.id, write.value.policy);
    }
    this.#states.push({ at, policies, attachments, labels, apis });
  }

  /** The database is an older copy from now on. */
  takeBack(state: RuleState, at: number): void {
    this.#states.push({ ...state, at });
  }

  /** All that stood at some moment from `from` on; the newest first. */
  since(from: number): RuleState[] {
    return since(this.#states, from);
  }
}

/** Of states in order of time, those that were in force at some moment from `from` on; the newest first. */
export function since<T extends { at: number }>(states: readonly T[], from: number): T[] {
  const first = states.findLastIndex(({ at }) => at <= from);
  return states.slice(Math.max(0, first)).reverse();
}

interface Layer {
  spec: object;
  since: number;
}

export function resolve(
  state: RuleState,
  key: Pick<Key, "id" | "apiId" | "environment" | "consumerId" | "policy">,
): Resolved {
  const labels = state.labels.get(key.consumerId) ?? {};
  const reaches = ({ target }: Attachment): number => {
    switch (target.kind) {
      case "api":
        return target.api === key.apiId ? 1 : 0;
      case "environment":
        return target.api === key.apiId && target.environment === key.environment ? 3 : 0;
      case "label":
        return labels[target.name] === target.value && (target.api ?? key.apiId) === key.apiId ? 4 : 0;
      case "key":
        return target.key === key.id ? 5 : 0;
    }
  };
  const attached = [...state.attachments.values()].sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  const on = (step: number): Layer[] =>
    attached.flatMap((attachment) => {
      const policy = reaches(attachment) === step ? state.policies.get(attachment.policyId) : undefined;
      if (policy === undefined) return [];
      return [{ spec: policy.spec, since: Math.max(policy.scheduleChangedAt, attachment.createdAt) }];
    });
  const own = (spec: object): Layer[] => [{ spec, since: 0 }];
  const layers = [...on(1), ...own(state.apis.get(key.apiId) ?? {}), ...on(3), ...on(4), ...on(5), ...own(key.policy)];
  const values: Record<string, unknown> = membersOf({
    ...defaultRotationPolicy,
    schedule: defaultSchedule,
    expiry: defaultExpiry,
    idle: defaultIdleness,
  });
  const sinceOf: Record<string, number> = {};
  for (const { spec, since } of layers)
    for (const [name, value] of Object.entries(membersOf(spec))) {
      values[name] = value;
      sinceOf[name] = since;
    }
  const clocks = ["schedule.everyMs", "schedule.cron", "schedule.maxAgeMs"];
  return { values, scheduleSince: Math.max(0, ...clocks.map((name) => sinceOf[name] ?? 0)) };
}

const GROUPS = ["schedule", "expiry", "idle"];

function membersOf(spec: object): Record<string, unknown> {
  const members = Object.entries(spec).flatMap(([name, value]) =>
    GROUPS.includes(name)
      ? Object.entries(value as object).map(([inner, each]) => [`${name}.${inner}`, each] as const)
      : [[name, value] as const],
  );
  return Object.fromEntries(members.filter(([, value]) => value !== undefined));
}
