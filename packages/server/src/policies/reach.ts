/** Which keys a policy reaches, and what is known of their callers that whoever attaches it should hear: bounded looks, never a refusal. */
import {
  countText,
  type PolicySpec,
  type RotationPolicy,
  resolvePolicy,
  type SourceUse,
  type Target,
  usualGap,
} from "@keyover/core";
import type { Store } from "../store/store.ts";
import { lengthText } from "./warnings.ts";

export function keysReached(target: Exclude<Target, { kind: "key" }>) {
  if (target.kind === "api") return { equals: { api_id: target.api } };
  if (target.kind === "environment") return { equals: { api_id: target.api, environment: target.environment } };
  const { name, value, api } = target;
  return { equals: { api_id: api ?? undefined }, ofKeys: { consumerLabel: { name, value } } };
}

type Overlap = Pick<RotationPolicy, "overlapMs" | "gapMargin" | "onDeadline">;

/** Callers that are usually silent for so long that the deadline comes before it can be known that they are done. */
export function overlapWarnings(
  uses: readonly SourceUse[],
  { overlapMs, gapMargin, onDeadline }: Overlap,
  of = "",
): string[] {
  return uses.flatMap((use) => {
    const { network, client, instance } = use.source;
    const { lengthMs } = usualGap(use);
    if (lengthMs * gapMargin <= overlapMs) return [];
    const named = [network, client, instance].filter((part) => part !== "").join(" ");
    const must = `is usually silent for up to ${lengthText(lengthMs)} and must be silent for ${lengthText(lengthMs * gapMargin)}`;
    return [
      `${named}${of} ${must}, which is longer than the overlap of ${lengthText(overlapMs)}: ${AT_DEADLINE[onDeadline]}`,
    ];
  });
}

const AT_DEADLINE: Record<RotationPolicy["onDeadline"], string> = {
  hold: "the old version will be held past its deadline",
  brownout: "the brownouts may come before its next use",
  retire: "the old version may retire before its next use, which is then refused",
};

const KEYS_MAX = 50;
const WARNINGS_MAX = 5;

/** Of a policy that says how long the overlap is: whom of its keys' callers that is too short for. */
export async function reachedWarnings(store: Store, spec: PolicySpec, targets: readonly Target[]): Promise<string[]> {
  if (spec.overlapMs === undefined && spec.gapMargin === undefined) return [];
  const { rotation } = resolvePolicy([{ rule: { kind: "start" }, spec }]);
  const keyIds = new Set<string>();
  for (const target of targets)
    for (const id of await idsReached(store, target, KEYS_MAX - keyIds.size)) keyIds.add(id);
  const warnings: string[] = [];
  for (const id of keyIds) warnings.push(...overlapWarnings(await store.uses(id), rotation, ` of ${id}`));
  const more = warnings.length - WARNINGS_MAX;
  if (more <= 0) return warnings;
  return [
    ...warnings.slice(0, WARNINGS_MAX),
    `the same holds for ${countText(more, "more caller")} of the ${countText(keyIds.size, "key")} looked at`,
  ];
}

async function idsReached(store: Store, target: Target, limit: number): Promise<string[]> {
  if (limit <= 0) return [];
  if (target.kind === "key") return [target.key];
  return (await store.list("key", keysReached(target), { limit })).map(({ value }) => value.id);
}
