/**
 * The policy's fence: some time into a rotation the old version may do less, so that what would hurt most in the wrong hands moves first
 * (`without: ["*:withdraw"]`). What it comes to for one version is calculated from the facts, once, when it is due; the feed brings it to
 * every verifier, and a rollback lifts it in its own commit (sub-states.ts).
 *
 * A fence narrows, and never by accident refuses everything: what of a rule would leave a version nothing at all, because it fits none of
 * its grants or nothing is known of its networks, is left out and said.
 */
import type { SourceUse } from "./evidence.ts";
import type { Fence } from "./key.ts";
import { refuse, unchanged } from "./moves.ts";
import type { FenceRule } from "./policy.ts";
import type { Decision, Effect, Rotation } from "./rotation.ts";
import { commonGrants, covers, matchesPattern } from "./scopes.ts";

/** When the policy's fence goes up; null: it does not, or is up, or was lifted. */
export function fenceDueAt(rotation: Rotation): number | null {
  const { policy, phase, fenced, offeredAt, usedAt, pausedMs } = rotation;
  const open = phase === "offered" || phase === "overlapping";
  if (policy.fence === null || fenced !== null || !open || rotation.endedAt !== null) return null;
  if (rotation.paused !== null || rotation.fromCompromised) return null;
  const since = policy.fence.from === "offered" ? offeredAt : usedAt;
  return since === null ? null : since + policy.fence.afterMs + pausedMs;
}

export interface FenceFacts {
  /** What the old version may do: its own grants, and the key's. */
  grants: readonly string[];
  /** Every scope of the api. */
  scopes: readonly string[];
  uses: readonly SourceUse[];
}

export interface PlannedFence {
  fence: Fence;
  notes: string[];
}

export function planFence(rule: FenceRule, rotation: Rotation, facts: FenceFacts): PlannedFence {
  const notes: string[] = [];
  const scopes = fencedScopes(rule, facts, notes);
  const networks = rule.networks === "seen" ? seenNetworks(rotation, facts.uses, notes) : undefined;
  return {
    fence: { ...(scopes === undefined ? {} : { scopes }), ...(networks === undefined ? {} : { networks }) },
    notes,
  };
}

/** Undefined: all that the version may do. */
function fencedScopes(rule: FenceRule, { grants, scopes }: FenceFacts, notes: string[]): string[] | undefined {
  const { without = [] } = rule;
  let left = rule.scopes === undefined ? undefined : commonGrants(grants, rule.scopes);
  if (left?.length === 0) {
    notes.push("the version has none of the rule's scopes, so its scopes are not fenced");
    left = undefined;
  }
  const whole = left ?? grants;
  const named = scopes.filter((name) => covers(whole, [name]));
  const kept = named.filter((name) => !without.some((pattern) => matchesPattern(pattern, name)));
  if (kept.length < named.length) return kept;
  if (without.length > 0) notes.push("the version has no scope that `without` names");
  return left !== undefined && scopes.some((name) => covers(grants, [name]) && !covers(left, [name]))
    ? left
    : undefined;
}

/** Where the version was accepted from before the rotation. Undefined where that is not known for sure. */
function seenNetworks(
  { from, createdAt }: Rotation,
  uses: readonly SourceUse[],
  notes: string[],
): string[] | undefined {
  const before = uses.filter(({ versions }) => {
    const use = versions[from];
    return use !== undefined && use.accepted > 0 && use.first < createdAt;
  });
  const networks = [...new Set(before.map(({ source }) => source.network))];
  const unknown = networks.filter((network) => !network.includes("/"));
  if (networks.length === 0)
    notes.push("the version was never seen before the rotation, so its networks are not fenced");
  else if (unknown.length > 0)
    notes.push(
      `the version was also used from places that are not known (${unknown.join(", ")}), so its networks are not fenced`,
    );
  else return networks;
  return undefined;
}

export function limits({ scopes, networks }: Fence): boolean {
  return scopes !== undefined || networks !== undefined;
}

/** The rule's fence is on the version, and not a contain's. */
export function isFenced({ fenced }: Pick<Rotation, "fenced">): boolean {
  return fenced !== null && fenced.lifted === null && limits(fenced.fence);
}

export function putUpFence(rotation: Rotation, fence: Fence, now: number): Decision {
  const dueAt = fenceDueAt(rotation);
  if (dueAt === null || now < dueAt) return unchanged(rotation);
  const effects: Effect[] = limits(fence) ? [{ do: "set-fence", version: rotation.from, fence }] : [];
  return { ok: true, next: { ...rotation, fenced: { at: now, fence, lifted: null } }, effects };
}

export function liftFence(rotation: Rotation, by: string, reason: string, now: number): Decision {
  if (rotation.fromCompromised)
    return refuse("version_compromised", `version ${rotation.from} is in wrong hands; its fence stays`);
  if (rotation.phase === "retired") return refuse("already_retired", "the old version is refused altogether");
  if (rotation.fenced === null || !isFenced(rotation))
    return refuse("no_fence", "the policy has put no fence around the old version, or it was lifted");
  return {
    ok: true,
    next: { ...rotation, fenced: { ...rotation.fenced, lifted: { at: now, by, reason } } },
    effects: [{ do: "set-fence", version: rotation.from, fence: null }],
  };
}

/** Of a version in wrong hands, and limited already, no emergency loosens the limits. */
export function atMost(fence: Fence, standing: Fence): Fence {
  const scopes =
    fence.scopes === undefined || standing.scopes === undefined
      ? (fence.scopes ?? standing.scopes)
      : commonGrants(fence.scopes, standing.scopes);
  const networks = fence.networks ?? standing.networks;
  return { ...(scopes === undefined ? {} : { scopes }), ...(networks === undefined ? {} : { networks }) };
}
