/** Policies: made, changed, attached, detached, removed. Their former versions are kept. */
import {
  isHandle,
  makeHandle,
  membersOf,
  type PolicySpec,
  policyProblem,
  resolvePolicy,
  scheduleProblem,
  type Target,
  targetText,
  type World,
} from "@keyover/core";
import type { Command, KeyDesk } from "../keys/key-desk.ts";
import { type ReplanScope, replanOf } from "../keys/replan.ts";
import { accept, type Outcome, type Refusal, refuse } from "../outcome.ts";
import { type Attachment, type Policy, type PolicyVersion, policyVersionId } from "../store/policy-entities.ts";
import { type Held, put, type Store, type Write } from "../store/store.ts";
import { unknownChannels } from "./channel-names.ts";
import { cronNext } from "./cron.ts";
import { keysReached, reachedWarnings } from "./reach.ts";
import { policyWarnings } from "./warnings.ts";

export interface MemberChange {
  member: string;
  before: unknown;
  after: unknown;
}

export interface Reach {
  attachment: string;
  target: Target;
  keys: number;
}

export interface Applied {
  /** As it stands now; with `dryRun`, as it would. */
  policy: Omit<Policy, "id"> & { id: string | null };
  outcome: "created" | "changed" | "unchanged";
  dryRun: boolean;
  changes: MemberChange[];
  /** What it is attached to. A key may be reached in several ways. */
  reach: Reach[];
  warnings: string[];
}

export interface Attached extends Attachment {
  warnings: string[];
}

export interface PolicyDesk {
  /** Makes the policy of that name say just this. */
  apply(
    wanted: { name: string; spec: PolicySpec; dryRun: boolean },
    command: Command<Applied>,
  ): Promise<Outcome<Applied>>;
  find(idOrName: string): Promise<Held<Policy> | undefined>;
  /** The newest first; of a removed policy too. */
  history(idOrName: string): Promise<PolicyVersion[]>;
  attachments(policyId: string): Promise<Attachment[]>;
  attach(idOrName: string, target: Target, command: Command<Attached>): Promise<Outcome<Attached>>;
  detach(attachmentId: string, command: Command<Attachment>): Promise<Outcome<Attachment>>;
  remove(idOrName: string, command: Command<Policy>): Promise<Outcome<Policy>>;
}

const ATTACHMENTS_MAX = 100_000;

export function createPolicyDesk({ world, store, desk }: { world: World; store: Store; desk: KeyDesk }): PolicyDesk {
  const find = async (idOrName: string) => {
    if (isHandle("policy", idOrName)) return store.get("policy", idOrName);
    return (await store.list("policy", { equals: { name: idOrName } }, { limit: 1 }))[0];
  };
  const attachmentsOf = async (policyId: string) =>
    (await store.list("attachment", { equals: { policy_id: policyId } }, { limit: ATTACHMENTS_MAX })).map(
      ({ value }) => value,
    );
  const unknown = (idOrName: string) => refuse("not_found", `there is no policy ${idOrName}`);
  const note = (actor: string, action: string, subjects: string[], details: Record<string, unknown>) => [
    { at: world.clock.now(), actor, action, subjects, details },
  ];

  const reachOf = async (attachments: readonly Attachment[]): Promise<Reach[]> =>
    Promise.all(
      attachments.slice(0, REACH_MAX).map(async ({ id, target }) => ({
        attachment: id,
        target,
        keys: target.kind === "key" ? 1 : await store.count("key", keysReached(target)),
      })),
    );

  return {
    find,
    attachments: attachmentsOf,

    async apply({ name, spec, dryRun }, command) {
      const problem = specProblem(spec, world.clock.now());
      if (problem !== undefined) return refuse("invalid_policy", problem);
      const nowhere = await unknownChannels(store, spec.channels ?? []);
      if (nowhere !== undefined) return nowhere;
      const held = await find(name);
      const changes = changesOf(held?.value.spec ?? {}, spec);
      const attachments = held === undefined ? [] : await attachmentsOf(held.value.id);
      const outcome = held === undefined ? "created" : changes.length === 0 ? "unchanged" : "changed";
      const now = world.clock.now();
      const policy = nextPolicy(held?.value, { name, spec }, changes, command.actor, now, () =>
        makeHandle("policy", now, world.random),
      );
      const applied: Applied = {
        policy: dryRun && held === undefined ? { ...policy, id: null } : policy,
        outcome,
        dryRun,
        changes,
        reach: await reachOf(attachments),
        warnings: [
          ...policyWarnings(spec, now),
          ...(await reachedWarnings(
            store,
            spec,
            attachments.map(({ target }) => target),
          )),
        ],
      };
      if (dryRun || outcome === "unchanged") return accept(applied);
      const dated = changes.some(({ member }) => DATING.some((group) => member.startsWith(group)));
      const committed = await desk.commit({
        writes: [
          put("policy", policy, held),
          put("policy_version", versionOf(policy)),
          ...(dated ? replans(attachments, policy.id, world) : []),
        ],
        audit: note(command.actor, `policy.${outcome}`, [policy.id], { name, version: policy.version, changes }),
        feed: [],
        idempotency: command.remember?.(applied),
      });
      return committed.ok ? accept(applied) : committed;
    },

    async history(idOrName) {
      const held = await find(idOrName);
      const policyId = held?.value.id ?? (isHandle("policy", idOrName) ? idOrName : undefined);
      const equals = policyId === undefined ? { name: idOrName } : { policy_id: policyId };
      const rows = await store.list("policy_version", { equals }, { limit: 10_000 });
      return rows.map(({ value }) => value).reverse();
    },

    async attach(idOrName, target, command) {
      const held = await find(idOrName);
      if (held === undefined) return unknown(idOrName);
      const missing = await missingTarget(store, target);
      if (missing !== undefined) return missing;
      const { id: policyId, name } = held.value;
      const [there] = await store.list(
        "attachment",
        { equals: { policy_id: policyId, target: targetText(target) } },
        { limit: 1 },
      );
      const warnings = [
        ...(await sharedWarnings(store, held.value, target)),
        ...(await reachedWarnings(store, held.value.spec, [target])),
      ];
      if (there !== undefined) return accept({ ...there.value, warnings });
      const now = world.clock.now();
      const id = makeHandle("attachment", now, world.random);
      const attachment: Attachment = { id, policyId, target, createdAt: now, createdBy: command.actor };
      const committed = await desk.commit({
        // The policy's row too: it can't be removed beside this.
        writes: [
          put("attachment", attachment),
          put("policy", held.value, held),
          replanOf(scopeOf(target), policyId, world),
        ],
        audit: note(command.actor, "policy.attached", [policyId, id, ...handleOf(target)], { name, target }),
        feed: [],
        idempotency: command.remember?.({ ...attachment, warnings }),
      });
      return committed.ok ? accept({ ...attachment, warnings }) : committed;
    },

    async detach(attachmentId, command) {
      const held = await store.get("attachment", attachmentId);
      if (held === undefined) return refuse("not_found", `there is no attachment ${attachmentId}`);
      const { policyId, target } = held.value;
      const committed = await desk.commit({
        writes: [{ remove: "attachment", id: attachmentId }, replanOf(scopeOf(target), policyId, world)],
        checks: [{ table: "attachment", id: attachmentId, rev: held.rev }],
        audit: note(command.actor, "policy.detached", [policyId, attachmentId, ...handleOf(target)], { target }),
        feed: [],
        idempotency: command.remember?.(held.value),
      });
      return committed.ok ? accept(held.value) : committed;
    },

    async remove(idOrName, command) {
      const held = await find(idOrName);
      if (held === undefined) return unknown(idOrName);
      const { id, name } = held.value;
      const attachments = await store.count("attachment", { equals: { policy_id: id } });
      if (attachments > 0)
        return refuse(
          "policy_in_use",
          `${name} is attached in ${attachments === 1 ? "1 place" : `${attachments} places`}; detach it there first`,
          {
            attachments,
          },
        );
      const committed = await desk.commit({
        writes: [{ remove: "policy", id }],
        checks: [{ table: "policy", id, rev: held.rev }],
        audit: note(command.actor, "policy.removed", [id], { name, version: held.value.version }),
        feed: [],
        idempotency: command.remember?.(held.value),
      });
      return committed.ok ? accept(held.value) : committed;
    },
  };
}

/** What these say is kept on the keys, as dates. */
const DATING = ["schedule.", "expiry.", "idle."];

/** Of a policy on many keys the first so many are counted. */
const REACH_MAX = 200;

/** Two policies at the same place: the one that was attached later wins, and whoever attaches it should know over what. */
async function sharedWarnings(store: Store, { id, spec }: Policy, target: Target): Promise<string[]> {
  // What holds for a label in all apis lies on the same step as what holds for it in one.
  const wider: Target[] = target.kind === "label" && target.api !== null ? [{ ...target, api: null }] : [];
  const texts = [target, ...wider].map(targetText);
  const there = await store.list("attachment", { oneOf: { column: "target", values: texts } }, { limit: 20 });
  const own = there.find(({ value }) => value.policyId === id)?.value.createdAt ?? Number.POSITIVE_INFINITY;
  const warnings: string[] = [];
  for (const { value } of there.filter((each) => each.value.policyId !== id)) {
    const other = (await store.get("policy", value.policyId))?.value;
    if (other === undefined) continue;
    const both = Object.keys(membersOf(spec)).filter((member) => member in membersOf(other.spec));
    if (both.length === 0) continue;
    const wins =
      value.createdAt <= own
        ? "this one counts, because it is attached later"
        : `${other.name} counts, because it was attached later`;
    warnings.push(`policy ${other.name} is attached there too; of what both say (${both.join(", ")}) ${wins}`);
  }
  return warnings;
}

function scopeOf(target: Target): ReplanScope {
  if (target.kind === "key") return { keyId: target.key };
  return { apiId: target.api };
}

function handleOf(target: Target): string[] {
  if (target.kind === "key") return [target.key];
  return target.api === null ? [] : [target.api];
}

/** One for each scope; where all keys are meant, one for all. */
function replans(attachments: readonly Attachment[], cause: string, world: World): Write[] {
  const scopes = new Map(attachments.map(({ target }) => [JSON.stringify(scopeOf(target)), scopeOf(target)]));
  const all = [...scopes.values()];
  const everything = all.some(({ apiId, keyId }) => (apiId ?? null) === null && keyId === undefined);
  // Thousands of single keys are found faster by going over all.
  if (everything || all.length > REACH_MAX) return [replanOf({}, cause, world)];
  return all.map((scope) => replanOf(scope, cause, world));
}

/** What is wrong with a policy, taken by itself on top of the defaults. */
function specProblem(spec: PolicySpec, now: number): string | undefined {
  const { rotation, schedule } = resolvePolicy([{ rule: { kind: "start" }, spec }]);
  return policyProblem(rotation) ?? scheduleProblem(schedule, now, cronNext);
}

function changesOf(before: PolicySpec, after: PolicySpec): MemberChange[] {
  const [old, fresh] = [membersOf(before), membersOf(after)];
  return [...new Set([...Object.keys(old), ...Object.keys(fresh)])]
    .filter((member) => JSON.stringify(old[member]) !== JSON.stringify(fresh[member]))
    .map((member) => ({ member, before: old[member] ?? null, after: fresh[member] ?? null }));
}

function nextPolicy(
  before: Policy | undefined,
  wanted: { name: string; spec: PolicySpec },
  changes: readonly MemberChange[],
  actor: string,
  now: number,
  newId: () => string,
): Policy {
  if (before !== undefined && changes.length === 0) return before;
  const rescheduled = changes.some(({ member }) => member.startsWith("schedule."));
  const born = before ?? {
    id: newId(),
    name: wanted.name,
    version: 0,
    createdAt: now,
    createdBy: actor,
    scheduleChangedAt: now,
  };
  return {
    ...born,
    version: born.version + 1,
    spec: wanted.spec,
    changedAt: now,
    changedBy: actor,
    scheduleChangedAt: rescheduled ? now : born.scheduleChangedAt,
  };
}

function versionOf({ id, name, version, spec, changedAt, changedBy }: Policy): PolicyVersion {
  return { id: policyVersionId(id, version), policyId: id, name, version, spec, changedAt, changedBy };
}

async function missingTarget(store: Store, target: Target): Promise<Refusal | undefined> {
  if (target.kind === "key") {
    return (await store.get("key", target.key)) === undefined
      ? refuse("not_found", `there is no key ${target.key}`)
      : undefined;
  }
  if (target.api === null) return undefined;
  const api = (await store.get("api", target.api))?.value;
  if (api === undefined) return refuse("not_found", `there is no api ${target.api}`);
  if (target.kind !== "environment" || api.environments.includes(target.environment)) return undefined;
  return refuse("unknown_environment", `${api.name} has the environments ${api.environments.join(", ")}`, {
    known: api.environments,
  });
}
