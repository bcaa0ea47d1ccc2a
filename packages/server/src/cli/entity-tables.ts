/** How each thing of the API looks: as a row of a table, and alone. */
import type { AnswerOf, paths } from "@keyover/client/api";
import { fenceLimits, limitLines } from "./limits-text.ts";
import type { Names } from "./names.ts";
import { type Column, count, fields, formatDuration, formatTime, moment, relative, roughly, table } from "./render.ts";

type Item<T> = T extends { items: (infer I)[] } ? I : never;

export type ApiRow = AnswerOf<paths["/v1/apis/{api}"]["get"]>;
export type ConsumerRow = AnswerOf<paths["/v1/consumers/{consumer}"]["get"]>;
export type KeyRow = AnswerOf<paths["/v1/keys/{key}/suspend"]["post"]>;
export type KeyDetail = AnswerOf<paths["/v1/keys/{key}"]["get"]>;
export type RotationRow = AnswerOf<paths["/v1/rotations/{rotation}"]["get"]>;
export type EvidenceAnswer = AnswerOf<paths["/v1/rotations/{rotation}/evidence"]["get"]>;
export type TokenRow = Item<AnswerOf<paths["/v1/tokens"]["get"]>>;
export type UsageAnswer = AnswerOf<paths["/v1/keys/{key}/usage"]["get"]>;
export type VerifiersAnswer = AnswerOf<paths["/v1/apis/{api}/verifiers"]["get"]>;
export type AuditRow = Item<AnswerOf<paths["/v1/audit"]["get"]>>;

type Pairs = [name: string, value: string | number | null | undefined][];

function labelText(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
}

const FENCE_FROM = { offered: "the offer", used: "the successor's use" };

function brownoutText({ at, zone, lengthsMs, after }: NonNullable<ApiRow["policy"]["brownout"]>): string {
  return `brownouts at ${at} ${zone} (${lengthsMs.map(formatDuration).join(" ")}), then ${after}`;
}

/** A policy, or what one says of its own. */
function policyText(policy: Partial<ApiRow["policy"]>): string {
  const parts = [
    policy.overlapMs === undefined ? undefined : `overlap ${formatDuration(policy.overlapMs)}`,
    policy.overlapMinMs === undefined ? undefined : `at least ${formatDuration(policy.overlapMinMs)}`,
    policy.quietMs === undefined ? undefined : `quiet ${formatDuration(policy.quietMs)}`,
    policy.gapMargin === undefined ? undefined : `gap × ${policy.gapMargin}`,
    policy.youngQuietMs ? `new sources quiet ${formatDuration(policy.youngQuietMs)}` : undefined,
    policy.onDeadline === undefined ? undefined : `at the deadline ${policy.onDeadline}`,
    policy.rollbackMs === undefined ? undefined : `rollback window ${formatDuration(policy.rollbackMs)}`,
    policy.onDeadline === "brownout" && policy.brownout !== undefined ? brownoutText(policy.brownout) : undefined,
    policy.fence ? `fence ${formatDuration(policy.fence.afterMs)} after ${FENCE_FROM[policy.fence.from]}` : undefined,
    policy.automaticRollback
      ? `back by itself after ${count(policy.automaticRollback.refusals, "refusal")}`
      : undefined,
    policy.claimMs === undefined ? undefined : `claimable ${formatDuration(policy.claimMs)}`,
    policy.claim === undefined ? undefined : `claim by ${policy.claim}`,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}

export const apiColumns: Column<ApiRow>[] = [
  { title: "HANDLE", of: (api) => api.id },
  { title: "NAME", of: (api) => api.name, flexible: true },
  { title: "PREFIX", of: (api) => api.prefix },
  { title: "ENVIRONMENTS", of: (api) => api.environments.join(","), flexible: true },
  { title: "SCOPES", of: (api) => api.scopes.join(","), flexible: true },
];

export function apiText(api: ApiRow, now: number): string {
  const { leaseMs, onStale, staticMs } = api.staleness;
  return fields([
    ["handle", api.id],
    ["name", api.name],
    ["key prefix", api.prefix],
    ["environments", api.environments.join(", ")],
    ["scopes", api.scopes.join(", ")],
    ["default plan", api.defaultPlan],
    ["policy", policyText(api.policy)],
    [
      "verifiers",
      `lease ${formatDuration(leaseMs)}, then ${onStale}${onStale === "static" ? ` for ${formatDuration(staticMs)}` : ""}`,
    ],
    ["created", `${moment(api.createdAt, now)} by ${api.createdBy}`],
  ]);
}

export function consumerColumns(now: number): Column<ConsumerRow>[] {
  return [
    { title: "HANDLE", of: (consumer) => consumer.id },
    { title: "NAME", of: (consumer) => consumer.name, flexible: true },
    { title: "LABELS", of: (consumer) => labelText(consumer.labels), flexible: true },
    { title: "CREATED", of: (consumer) => relative(consumer.createdAt, now) },
  ];
}

export function consumerText(consumer: ConsumerRow, now: number): string {
  return fields([
    ["handle", consumer.id],
    ["name", consumer.name],
    ["labels", labelText(consumer.labels)],
    ["notes", consumer.notes],
    ["networks", consumer.networks.length === 0 ? null : consumer.networks.join(", ")],
    ["created", `${moment(consumer.createdAt, now)} by ${consumer.createdBy}`],
  ]);
}

/** `market (api_…)`: the name, and the handle that is never two things. */
export function named(name: string | undefined, id: string): string {
  return name === undefined || name === id ? id : `${name} (${id})`;
}

export function keyColumns(now: number, names: Names): Column<KeyRow>[] {
  return [
    { title: "HANDLE", of: (key) => key.id },
    { title: "NAME", of: (key) => key.name, flexible: true },
    { title: "CONSUMER", of: (key) => names.consumer(key.consumer), flexible: true },
    { title: "API", of: (key) => names.api(key.api), flexible: true },
    { title: "ENV", of: (key) => key.environment },
    { title: "STATUS", of: (key) => key.status },
    { title: "VERSION", of: (key) => key.currentVersion, right: true },
    { title: "ROTATION", of: (key) => key.rotation },
    { title: "EXPIRES", of: (key) => (key.expiresAt === null ? "never" : relative(key.expiresAt, now)) },
  ];
}

export function keyText(key: KeyRow, now: number, names: Names): string {
  return fields([
    ["handle", key.id],
    ["name", key.name],
    ["api", named(names.api(key.api), key.api)],
    ["environment", key.environment],
    ["consumer", named(names.consumer(key.consumer), key.consumer)],
    ["status", key.statusReason === null ? key.status : `${key.status} (${key.statusReason})`],
    ["scopes", key.scopes.join(", ")],
    ["networks", networksText(key)],
    ["consumer's networks", key.consumerNetworks.length === 0 ? null : key.consumerNetworks.join(", ")],
    ["plan", key.plan],
    ["labels", labelText(key.labels)],
    ["notes", key.notes],
    ["own policy", policyText(key.policy)],
    ["current version", key.currentVersion],
    ["rotation", key.rotation],
    ["rotates by itself", key.rotation === null && key.rotateAt !== null ? moment(key.rotateAt, now) : null],
    ["idle", idleText(key, now)],
    ["expires", key.expiresAt === null ? "never" : moment(key.expiresAt, now)],
    ["created", `${moment(key.createdAt, now)} by ${key.createdBy}`],
  ]);
}

function networksText({ networks, networksMode }: KeyRow): string {
  if (networks.length === 0) return "any";
  return `${networks.join(", ")}${networksMode === "report" ? " (reported, not enforced)" : ""}`;
}

function idleText({ idle, status }: KeyRow, now: number): string | null {
  if (idle === null) return null;
  const { since, suspendAt, suspendedAt, revokeAt } = idle;
  const next = suspendedAt === null ? suspendAt : status === "suspended" ? revokeAt : null;
  const then = suspendedAt === null ? "suspended" : "revoked";
  return `since ${moment(since, now)}${next === null ? "" : `; ${then} ${moment(next, now)}`}`;
}

export function versionColumns(now: number): Column<KeyDetail["versions"][number]>[] {
  const when = (at: number | null) => (at === null ? null : relative(at, now));
  return [
    { title: "VERSION", of: (version) => version.number, right: true },
    {
      title: "STATE",
      of: (version) =>
        `${version.state}${version.compromised ? ", compromised" : ""}${version.fence === null ? "" : ", fenced"}`,
    },
    { title: "CREATED", of: (version) => when(version.createdAt) },
    { title: "RETIRED", of: (version) => when(version.retiredAt) },
    { title: "LAST USED", of: (version) => when(version.lastUsedAt) },
    { title: "HANDLE", of: (version) => version.id },
  ];
}

/** What each accepted version that is fenced may still do; an empty text where none is. */
export function fencesText({ versions }: KeyDetail): string {
  return versions
    .flatMap(({ number, state, fence }) =>
      fence === null || state === "retired" || state === "destroyed"
        ? []
        : [`Version ${number} is fenced: ${fenceLimits(fence)}.`],
    )
    .join("\n");
}

export function rotationColumns(now: number, names: Names): Column<RotationRow>[] {
  return [
    { title: "HANDLE", of: (rotation) => rotation.id },
    { title: "KEY", of: (rotation) => rotation.key },
    { title: "OF", of: (rotation) => names.key(rotation.key), flexible: true },
    { title: "CHANGE", of: (rotation) => `${rotation.from} → ${rotation.to}` },
    { title: "PHASE", of: (rotation) => rotation.phase },
    { title: "STARTED", of: (rotation) => relative(rotation.createdAt, now) },
    {
      title: "DEADLINE",
      of: (rotation) =>
        rotation.overlapEndsAt === null || rotation.endedAt !== null ? null : relative(rotation.overlapEndsAt, now),
    },
    { title: "REASON", of: (rotation) => rotation.reason, flexible: true },
  ];
}

export function rotationText(rotation: RotationRow, now: number, names: Names): string {
  const { forced } = rotation;
  const happened: [string, number | null][] = [
    ["starts", rotation.startsAt],
    ["offered", rotation.offeredAt],
    ["claimed", rotation.claimedAt],
    ["confirmed", rotation.confirmedAt],
    ["successor used", rotation.usedAt],
    ["overlapping", rotation.overlappingAt],
    ["deadline", rotation.overlapEndsAt],
    ["retired", rotation.retiredAt],
    ["rolled back", rotation.rolledBackAt],
    ["ended", rotation.endedAt],
  ];
  const pairs: Pairs = [
    ["handle", rotation.id],
    ["key", named(names.key(rotation.key), rotation.key)],
    [
      "change",
      `version ${rotation.from} → ${rotation.to}${rotation.fromCompromised ? ` (version ${rotation.from} is compromised${refusedText(rotation)})` : ""}`,
    ],
    ["phase", rotation.phase],
    ["reason", rotation.reason],
    ["started", `${moment(rotation.createdAt, now)} by ${rotation.startedBy}`],
    ...happened.filter(([, at]) => at !== null).map(([name, at]): [string, string] => [name, moment(at, now)]),
    ["policy", policyText(rotation.policy)],
  ];
  if (rotation.scopes !== null) pairs.push(["successor's scopes", rotation.scopes.join(", ")]);
  const { paused } = rotation;
  if (paused !== null) pairs.push(["paused", `${moment(paused.at, now)} by ${paused.by}: ${paused.reason}`]);
  pairs.push(...limitLines(rotation, now));
  const sources = rotation.policySources.map(({ kind, name, version }) =>
    kind === "policy" ? `${name} (version ${version})` : `the ${kind} itself`,
  );
  if (sources.length > 0) pairs.push(["policy from", sources.join(", ")]);
  if (forced !== null) pairs.push(["forced", `by ${forced.by}: ${forced.reason}`]);
  if (rotation.rollbackReason !== null) pairs.push(["rollback reason", rotation.rollbackReason]);
  return fields(pairs);
}

function refusedText({ fromRefusedAt }: RotationRow): string {
  return fromRefusedAt === null ? "" : ` and refused since ${formatTime(fromRefusedAt)}`;
}

export function tokenColumns(now: number, names: Names): Column<TokenRow>[] {
  const state = (token: TokenRow) => {
    if (token.revokedAt !== null) return `revoked ${relative(token.revokedAt, now)}`;
    if (token.expiresAt === null) return "active";
    return token.expiresAt <= now ? "expired" : `active, expires ${relative(token.expiresAt, now)}`;
  };
  return [
    { title: "HANDLE", of: (token) => token.id },
    { title: "NAME", of: (token) => token.name, flexible: true },
    { title: "ROLE", of: (token) => token.role },
    { title: "STATE", of: state },
    { title: "OWNER", of: (token) => token.owner, flexible: true },
    { title: "FOR", of: (token) => tokenFor(token, names), flexible: true },
    { title: "CREATED", of: (token) => relative(token.createdAt, now) },
  ];
}

function tokenFor({ consumer, apis, environments }: TokenRow, names: Names): string {
  return consumer === null ? [...apis.map(names.api), ...environments].join(",") : names.consumer(consumer);
}

type SourceRow = UsageAnswer["sources"][number];

export function sourceName(source: SourceRow["source"]): string {
  return [source.network, source.client, source.instance].filter((part) => part !== "").join(" ");
}

export function usageText(usage: UsageAnswer, now: number, width: number | undefined): string {
  if (usage.sources.length === 0) return "No use has been reported yet.";
  const rows = usage.sources.flatMap((source) => source.versions.map((version) => ({ ...source, ...version })));
  const kept = usage.sources.some(({ networksAllow }) => networksAllow === "some" || networksAllow === "none");
  return table(
    rows,
    [
      { title: "SOURCE", of: (row) => sourceName(row.source), flexible: true },
      { title: "VERSION", of: (row) => row.version, right: true },
      { title: "ACCEPTED", of: (row) => row.accepted, right: true },
      { title: "REFUSED", of: (row) => row.refused, right: true },
      { title: "FIRST", of: (row) => relative(row.first, now) },
      { title: "LAST", of: (row) => relative(row.last, now) },
      { title: "LONGEST GAP", of: (row) => roughly(row.longestGapMs), right: true },
      ...(kept ? [{ title: "NETWORKS ALLOW", of: (row: (typeof rows)[number]) => row.networksAllow }] : []),
    ],
    width,
  );
}

export function verifierColumns(answer: VerifiersAnswer, now: number): Column<VerifiersAnswer["items"][number]>[] {
  return [
    { title: "INSTANCE", of: (verifier) => verifier.instance, flexible: true },
    { title: "STATE", of: (verifier) => verifier.state },
    { title: "APPLIED", of: (verifier) => `${verifier.applied}/${answer.head}`, right: true },
    { title: "COVERED TO", of: (verifier) => relative(verifier.coveredTo, now) },
    { title: "SOFTWARE", of: (verifier) => verifier.software, flexible: true },
    { title: "BOOT", of: (verifier) => verifier.boot },
  ];
}

export function auditColumns(): Column<AuditRow>[] {
  return [
    { title: "NUMBER", of: (entry) => entry.seq, right: true },
    { title: "AT", of: (entry) => moment(entry.at, entry.at).replace(" (now)", "") },
    { title: "ACTOR", of: (entry) => entry.actor },
    { title: "ACTION", of: (entry) => entry.action },
    { title: "SUBJECT", of: (entry) => entry.subjects[0] },
    { title: "DETAILS", of: (entry) => JSON.stringify(entry.details), flexible: true },
  ];
}
