/** Deliberate bugs in campaigns and emergencies, in what ends keys that nobody uses, and in writing in groups. */
import type { Mutant } from "./mutants.ts";

export const campaignMutants: Mutant[] = [
  {
    name: "gates-stand-open",
    file: "core/src/campaign-steps.ts",
    find: "return health[what] >= needed ? [] :",
    replace: "return health[what] >= needed - 2 ? [] :",
    why: "A wave begins before the last one has come to what its gate asks for",
  },
  {
    name: "soak-is-left-out",
    file: "core/src/campaign-steps.ts",
    find: "const until = campaign.metAt + gate.soakMs;",
    replace: "const until = campaign.metAt;",
    why: "A wave begins without the soak of the last one",
  },
  {
    name: "failures-do-not-hold",
    file: "core/src/campaign-steps.ts",
    find: "if (failed > limits.failedMax)",
    replace: "if (failed > limits.failedMax + 100)",
    why: "A campaign goes on over its limit of failures",
  },
  {
    name: "paused-campaign-goes-on",
    file: "core/src/campaign-steps.ts",
    find: `if (campaign.state !== "selecting" && campaign.state !== "running") return { do: "nothing" };`,
    replace: `if (campaign.state === "ended" || campaign.state === "held") return { do: "nothing" };`,
    why: "A paused campaign begins further keys",
  },
  {
    name: "items-count-twice",
    file: "core/src/campaign-steps.ts",
    find: "    own[from]--;\n",
    replace: "",
    why: "A key that was begun still counts as one that waits",
  },
  {
    name: "campaign-joins-a-rotation",
    file: "server/src/campaigns/deeds.ts",
    find: "  if (key.rotationId !== null) {\n    const other",
    replace: `  if (key.rotationId === "") {\n    const other`,
    why: "A campaign begins a rotation of a key that is in another one",
  },
  {
    name: "strikes-what-is-newer",
    file: "server/src/campaigns/deeds.ts",
    find: "createdAt < before && (shown",
    replace: "(createdAt < before || number > 1) && (shown",
    why: "An emergency for what was made before a time strikes what was made since",
  },
  {
    name: "strikes-one-of-two",
    file: "server/src/campaigns/deeds.ts",
    find: "for (const { number } of targets) {",
    replace: "for (const { number } of targets.slice(0, 1)) {",
    why: "Of two versions that leaked an emergency strikes one",
  },
  {
    name: "receipt-of-one-is-of-all",
    file: "server/src/campaigns/runner.ts",
    find: "if (view.laggards(receipt.seq).length > 0) return receipt;",
    replace: "if (view.laggards(receipt.seq).length >= view.live.length) return receipt;",
    why: "One verifier that refuses what was struck counts for all of them",
  },
  {
    name: "take-back-leaves-the-retired",
    file: "server/src/campaigns/deeds.ts",
    find: "if (rotation === undefined || rotation.id !== rotationId) return stays(",
    replace: `if (rotation === undefined || rotation.id !== rotationId || rotation.phase === "overlapping") return stays(`,
    why: "A wave is taken back, and the rotations whose successor is in use are left",
  },
  {
    name: "held-untold",
    file: "server/src/campaigns/runner.ts",
    find: "notices: notice === null ? [] : [tellOf(next, notice, now)],",
    replace: `notices: notice !== "campaign.ended" ? [] : [tellOf(next, notice, now)],`,
    why: "Nobody is told that a campaign is held",
  },
  {
    name: "struck-later",
    file: "server/src/campaigns/runner.ts",
    find: "const awake = live.filter(({ id }) => (memories.get(id)?.restsUntil ?? 0) <= now);",
    replace:
      "const awake = live.filter(({ id, createdAt }) => (memories.get(id)?.restsUntil ?? 0) <= now && createdAt < world.clock.now() - 4_000);",
    why: "An emergency is answered, and begins seconds later",
  },
];

export const idleMutants: Mutant[] = [
  {
    name: "used-and-suspended",
    file: "core/src/idle.ts",
    find: "const since = unusedSince(key, facts);",
    replace: "const since = standing(key)?.since ?? unusedSince(key, facts);",
    why: "A key that is used after it was announced as idle is suspended",
  },
  {
    name: "idle-untold",
    file: "server/src/policies/idleness.ts",
    find: `change.raise("key.idle", { since, suspendAt });`,
    replace: "",
    why: "Nobody is told that a key is idle",
  },
  {
    name: "holes-are-silence",
    file: "server/src/policies/idle-facts.ts",
    find: "restoration?.value.reconciledAt ?? 0, ...holes)",
    replace: "restoration?.value.reconciledAt ?? 0, ...holes.slice(0, 0))",
    why: "What a lost verifier never reported counts as silence of the key",
  },
  {
    name: "idle-by-the-clock",
    file: "server/src/policies/idle-facts.ts",
    find: "knownUntil: mark.at,",
    replace: "knownUntil: clock.now(),",
    why: "A key is taken for idle though verifiers have not reported yet",
  },
  {
    name: "tries-do-not-count",
    file: "core/src/idle.ts",
    find: "const sign = Math.max(facts.accepted ?? 0, facts.refused ?? 0);",
    replace: "const sign = facts.accepted ?? 0;",
    why: "A suspended key is revoked though somebody still tries it",
  },
  {
    name: "never-suspended",
    file: "core/src/idle.ts",
    find: "if (suspendAt !== null && suspendAt <= now) {",
    replace: "if (suspendAt !== null && suspendAt <= now - 3_600_000) {",
    why: "An idle key is announced again and again, and never suspended",
  },
];

export const groupMutants: Mutant[] = [
  {
    name: "conflict-leaves-its-half",
    file: "server/src/store/group-commit.ts",
    find: `sqlite.exec("rollback to one");`,
    replace: "",
    why: "What a write had done before it met a conflict stays, with the writes beside it",
  },
  {
    name: "third-of-a-group-is-lost",
    file: "server/src/store/group-commit.ts",
    find: "group.map(({ work }) => inSavepoint(sqlite, work))",
    replace: `group.map(({ work }, i) => {
      if (i < 2) return inSavepoint(sqlite, work);
      sqlite.exec("savepoint gone");
      const answer = inSavepoint(sqlite, work);
      sqlite.exec("rollback to gone");
      sqlite.exec("release gone");
      return answer;
    })`,
    why: "From the third on, the writes of a group are answered and not kept",
  },
];
