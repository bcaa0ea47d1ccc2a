/**
 * Deliberate bugs, each of a kind that a hurried change could bring. A mutant replaces one piece of text of one shipped file, in the
 * process that runs it and nowhere else (hooks.ts). The gate (mutation-gate.ts) runs seeds until the checks notice. The checks know nothing of
 * this list.
 */
import { cacheMutants } from "./cache-mutants.ts";
import { campaignMutants, groupMutants, idleMutants } from "./campaign-mutants.ts";
import { controlMutants } from "./control-mutants.ts";
import { limitMutants } from "./limit-mutants.ts";
import { planMutants } from "./plan-mutants.ts";
import { restoreMutants } from "./restore-mutants.ts";

export interface Mutant {
  name: string;
  /** Below packages/. */
  file: string;
  /** Must be there exactly once. */
  find: string;
  replace: string;
  /** The bug, in a sentence. */
  why: string;
  /** Only these can show it; the others are left out. */
  among?: SomeSeeds;
}

/**
 * Seeds with restores, with campaigns, with policies for unused keys, whose authority writes in groups, with brownouts of who moved in part, with
 * keys that expire, with verifiers that hold some of the keys, with plans.
 */
export type SomeSeeds = "restores" | "campaigns" | "idle" | "grouped" | "brownouts" | "expiry" | "caches" | "plans";

function among(seeds: SomeSeeds, all: readonly Mutant[]): Mutant[] {
  return all.map((mutant) => ({ ...mutant, among: seeds }));
}

export const mutants: Mutant[] = [
  {
    name: "skip-acknowledgements",
    file: "server/src/engine/facts.ts",
    find: `facts.laggards.length === 0) events.push`,
    replace: `facts.laggards.length >= 0) events.push`,
    why: "A successor is offered without waiting for the verifiers",
  },
  {
    name: "count-old-boots",
    file: "server/src/feed/fleet.ts",
    find: "if (to <= before) return;\n    member.applied = to;",
    replace: `if (to <= before) return;
    for (const other of hosted.values()) if (other.row.value.instance === member.row.value.instance) other.applied = Math.max(other.applied, to);
    member.applied = to;`,
    why: "What one boot of a verifier acknowledged counts for the others of its name",
  },
  {
    name: "lost-boots-do-not-count",
    file: "core/src/evidence.ts",
    find: "if (to > coveredTo) holes.push",
    replace: "if (to > coveredTo + Infinity) holes.push",
    why: "The time that a lost verifier never reported counts as silence",
  },
  {
    name: "watermark-is-now",
    file: "core/src/evidence.ts",
    find: "at = Math.min(at, coverage.coveredTo);",
    replace: "at = Math.max(at, coverage.coveredTo);",
    why: "Silence is taken for quiet though verifiers have not reported yet",
  },
  {
    name: "quiet-counts-from-ever",
    file: "server/src/evidence/evidence.ts",
    find: "const countsFrom = Math.max(question.countsFrom, key.statusChangedAt, knownFrom);",
    replace: "const countsFrom = Math.max(question.countsFrom, knownFrom);",
    why: "The silence of a suspended key counts as quiet",
  },
  {
    name: "quiet-ignores-sources",
    file: "core/src/evidence.ts",
    find: "quietAt = Math.max(quietAt, sourceQuietAt);",
    replace: "if (sources.length === 0) quietAt = Math.max(quietAt, sourceQuietAt);",
    why: "Only the first source of a version has to be silent",
  },
  {
    name: "forget-usual-gaps",
    file: "core/src/evidence.ts",
    find: "Math.max(atLeastMs, usual.lengthMs * rule.gapMargin)",
    replace: "atLeastMs",
    why: "A source's own usual silence is not waited for",
  },
  {
    name: "trust-the-young",
    file: "core/src/evidence.ts",
    find: "historyMs < rule.youngQuietMs ? Math.max(rule.quietMs, rule.youngQuietMs) : rule.quietMs",
    replace: "rule.quietMs",
    why: "A source that was just seen for the first time gets no more patience than the policy's least",
  },
  {
    name: "refused-use-is-no-use",
    file: "verifier/src/sightings.ts",
    find: "to.push(limited === 0 ? sighting : { ...sighting, limited });",
    replace: "if (accepted > 0) to.push(limited === 0 ? sighting : { ...sighting, limited });",
    why: "Uses that were refused are not reported, though somebody still holds the version",
  },
  {
    name: "no-minimum-overlap",
    file: "core/src/gates.ts",
    find: "const minimum = killed || (minimumAt !== null && now >= minimumAt);",
    replace: "const minimum = killed || minimumAt !== null;",
    why: "The minimum overlap is not waited for",
  },
  {
    name: "confirm-is-use",
    file: "core/src/gates.ts",
    find: "const used = killed || rotation.usedAt !== null;",
    replace: "const used = killed || rotation.usedAt !== null || rotation.confirmedAt !== null;",
    why: "The consumer's word is taken for a use of the successor",
  },
  {
    name: "retire-at-deadline",
    file: "core/src/decide.ts",
    find: `rotation.policy.onDeadline === "retire")`,
    replace: "rotation.policy.overlapMs > 0)",
    why: "The old version retires on its deadline though the policy says to hold",
  },
  {
    name: "retire-at-deadline-quietly",
    file: "core/src/decide.ts",
    find: `if (rotation.phase === "overlapping" && gates(`,
    replace: `if (deadlinePassed(rotation, now)) return retire(rotation, null, now);
      if (rotation.phase === "overlapping" && gates(`,
    why: "The same, and nothing is recorded",
  },
  {
    name: "own-clock-sets-deadlines",
    file: "server/src/authority.ts",
    find: "const clock = await createSteadyClock(given.clock, () => store.now(), given.log);",
    replace:
      "const clock = { ...(await createSteadyClock(given.clock, () => store.now(), given.log)), now: given.clock.now };",
    why: "Each authority goes by its own machine's clock",
  },
  {
    name: "follow-clock-steps",
    file: "verifier/src/lease.ts",
    find: "return at + this.#lower - DRIFT * (at - this.#asOf);",
    replace: "return this.#clock.now();",
    why: "A verifier reports in the time of its own wall clock",
  },
  {
    name: "lease-from-later",
    file: "verifier/src/lease.ts",
    find: "this.#grantedAt = sentAt;",
    replace: "this.#grantedAt = sentAt + 3_000;",
    why: "A lease counts from after it was asked for",
  },
  {
    name: "grant-alone-is-fresh",
    file: "verifier/src/lease.ts",
    find: "Math.min(this.#grantedAt, this.#wholeAt) + this.#policy.leaseMs;",
    replace: "Math.max(this.#grantedAt, this.#wholeAt) + this.#policy.leaseMs;",
    why: "A verifier whose feed is stuck counts as up to date while its reports arrive",
  },
  {
    name: "closed-goes-on",
    file: "verifier/src/lease.ts",
    find: `(this.#policy?.onStale === "static" ? this.#policy.staticMs : 0);`,
    replace: "((this.#policy?.staticMs ?? 0) + 10_000);",
    why: "A verifier goes on past its lease for longer than the policy says",
  },
  {
    name: "older-over-newer",
    file: "verifier/src/flat/flat-replica.ts",
    find: "if (head >= 0 && record.seq <= this.#table.seqOf(head)) return false;",
    replace: "if (head >= 0 && record.seq === this.#table.seqOf(head)) return false;",
    why: "An old snapshot, or the late answer to a question, goes over newer entries",
  },
  {
    name: "acknowledge-what-is-heard",
    file: "verifier/src/acknowledger.ts",
    find: "const applied = await keeper.kept();",
    replace: "const applied = (await keeper.kept()) + 1;",
    why: "A verifier acknowledges the next entry before it is there",
  },
  {
    name: "disk-lease-for-ever",
    file: "verifier/src/replica-keeper.ts",
    find: "return wallNow < lease.writtenAt ? undefined : lease.until - wallNow;",
    replace: "return lease.until - lease.writtenAt;",
    why: "A lease on the disk is as long after a restart as when it was written",
  },
  {
    name: "remember-no-for-ever",
    file: "verifier/src/misses.ts",
    find: "const NO_MS = 2_000;",
    replace: "const NO_MS = 60_000;",
    why: "That a key was unknown is remembered for a minute",
  },
  {
    name: "unreachable-is-unknown",
    file: "verifier/src/api-replica.ts",
    find: `if (taken === "nothing" || asked === ASKS_MAX) return STALE;`,
    replace: `if (taken === "nothing" || asked === ASKS_MAX) return UNKNOWN;`,
    why: "A key that could not be asked about is called a bad one",
  },
  {
    name: "repeated-reports-count",
    file: "server/src/feed/fleet.ts",
    find: "{ sightings: repeated ? [] : report.sightings, limits }",
    replace: "{ sightings: report.sightings, limits }",
    why: "The uses in a repeated report are counted again",
  },
  {
    name: "coverage-before-uses",
    file: "server/src/feed/report-queue.ts",
    find: "return add({ boot, expect, limits }, own);",
    replace: "return add({ boot, expect, limits }, []);",
    why: "A report's interval is kept, and what was seen in it is not",
  },
  {
    name: "wipe-before-proof",
    file: "core/src/decide.ts",
    find: "next: { ...rotation, claimedAt: rotation.claimedAt ?? now }, effects: [] };",
    replace: `next: { ...rotation, claimedAt: rotation.claimedAt ?? now }, effects: [{ do: "erase-sealed", version: rotation.to }] };`,
    why: "The sealed successor is erased when it is handed out, before anybody proved to have it",
  },
  {
    name: "delete-the-used-one",
    file: "core/src/moves.ts",
    find: `{ do: "set-state", version: rotation.from, state: "retiring" }`,
    replace: `{ do: "set-state", version: rotation.from, state: "retired" }`,
    why: "The old version ends as soon as the successor is used",
  },
  {
    name: "rollback-drops-successor",
    file: "core/src/decide.ts",
    find: "if (rotation.claimedAt === null && rotation.confirmedAt === null && rotation.usedAt === null) {",
    replace: "if (rotation.usedAt === null) {",
    why: "A rollback destroys a successor that was handed out and not yet used",
  },
  {
    name: "rollback-to-leaked",
    file: "core/src/decide.ts",
    find: `if (rotation.fromCompromised) {
    return refuse("version_compromised", \`version \${rotation.from} is marked compromised; it is never accepted again\`);
  }`,
    replace: "",
    why: "A rollback brings a leaked version back",
  },
  {
    name: "cancel-after-claim",
    file: "core/src/decide.ts",
    find: "if (handedOut && rotation.claimedAt !== null) {",
    replace: "if (handedOut && rotation.usedAt !== null) {",
    why: "A rotation is cancelled though its successor was handed out",
  },
  {
    name: "destroy-at-once",
    file: "core/src/decide.ts",
    find: "return now >= (rotation.retiredAt as number) + rotation.policy.rollbackMs;",
    replace: "return now >= (rotation.retiredAt as number);",
    why: "The way back is closed as soon as the old version retires",
  },
  {
    name: "kill-only-marks",
    file: "core/src/compromise.ts",
    find: `    { do: "mark-compromised", version: rotation.from },
    { do: "set-state", version: rotation.from, state: "retired" },
  ];
  const marked`,
    replace: `    { do: "mark-compromised", version: rotation.from },
  ];
  const marked`,
    why: "A killed version is marked, and goes on being accepted",
  },
  {
    name: "contain-without-fence",
    file: "core/src/compromise.ts",
    find: `effects.push({ do: "set-fence", version: rotation.from, fence });`,
    replace: "",
    why: "A contained version is not fenced",
  },
  {
    name: "no-feed-entry",
    file: "server/src/keys/change.ts",
    find: "visible ? [{ apiId: api.id, record }] : []",
    replace: "visible && this.key.status === key.value.status ? [{ apiId: api.id, record }] : []",
    why: "Verifiers are not told that a key was suspended or revoked",
  },
  {
    name: "unguarded-key",
    file: "server/src/keys/change.ts",
    find: `writes.push(put("key", this.key, key));`,
    replace: `if (this.key !== key.value) writes.push(put("key", this.key, key));`,
    why: "Two changes at once are both taken, because neither is guarded by the key's revision",
  },
  {
    name: "two-rotations",
    file: "server/src/engine/rotations.ts",
    find: "if (key.rotationId !== null) {\n    return refuse(",
    replace: 'if (key.rotationId !== null && change.rotation?.phase !== "retired") {\n    return refuse(',
    why: "A rotation starts while another one of the key has not ended",
  },
  {
    name: "drop-the-fence",
    file: "server/src/store/writes.ts",
    find: "if (fence !== undefined) all.push(fenceStatement(dialect, fence));",
    replace: "",
    why: "A commit does not prove that the work is this process's",
  },
  {
    name: "feed-loses-entries",
    file: "server/src/feed/hub.ts",
    find: "if (subscriber.catchingUp || seq >= last) continue;",
    replace: "if (subscriber.catchingUp || seq >= last || last % 7 === 0) continue;",
    why: "Now and then an entry is not sent",
  },
  {
    name: "audit-is-short",
    file: "server/src/store/writes.ts",
    find: "const auditHead = statement(",
    replace: "if (batch.audit.length > 1) batch.audit.pop();\n  const auditHead = statement(",
    why: "Of several changes in one commit not all are in the audit log",
  },
  {
    name: "seals-fit-anywhere",
    file: "server/src/custody/custody.ts",
    find: `return Buffer.from(\`keyover/1|\${purpose}|\${owner}|\${version}\`, "utf8");`,
    replace: `return Buffer.from(\`keyover/1|\${purpose}\`, "utf8") ?? owner ?? version;`,
    why: "A sealed secret opens in another key's place",
  },
  {
    name: "lost-reports-lose-uses",
    file: "verifier/src/reporter.ts",
    find: "} else if (endsBoot(answer)) {",
    replace: "} else if ((report.sightings = []) && endsBoot(answer)) {",
    why: "A report that went unanswered is sent again without what was seen",
  },
  {
    name: "unfenced-when-lost",
    file: "server/src/engine/shares.ts",
    find: "proofFor: (rotationId) => proof(shardOf(rotationId)),",
    replace: 'proofFor: () => "alone",',
    why: "The engine commits without its fence",
  },
  {
    name: "entry-makes-fresh",
    file: "verifier/src/feed-reader.ts",
    find: `if (outcome === "applied") keeper.applied(entry);`,
    replace: `if (outcome === "applied") keeper.applied(entry);
    this.#parts.lease.whole(this.#parts.clock.mark().at);`,
    why: "An entry that was long on its way makes a verifier fresh",
  },
  {
    name: "never-completes",
    file: "core/src/decide.ts",
    find: "return rotation.fromCompromised || rollbackOver(rotation, now) ? complete(rotation, now) : unchanged(rotation);",
    replace: "return rotation.fromCompromised ? complete(rotation, now) : unchanged(rotation);",
    why: "A rotation never ends after its rollback window",
  },
  {
    name: "emergency-waits",
    file: "server/src/engine/rotations.ts",
    find: `if (mode === "kill") change.carryOut([{ do: "set-state", version, state: "retired" }], undefined);`,
    replace: `if (mode === "kill" && reason === "") change.carryOut([{ do: "set-state", version, state: "retired" }], undefined);`,
    why: "The kill of a key's only version marks it, and leaves the refusal to the rotation that follows",
  },
  {
    name: "disk-keeps-no-entries",
    file: "verifier/src/replica-keeper.ts",
    find: "this.#write({ entry });",
    replace: "",
    why: "What a verifier acknowledged is not on its disk, though its lease is",
  },
  ...controlMutants,
  ...limitMutants,
  ...among("restores", restoreMutants),
  ...among("campaigns", campaignMutants),
  ...among("idle", idleMutants),
  ...among("grouped", groupMutants),
  ...among("caches", cacheMutants),
  ...among("plans", planMutants),
];
