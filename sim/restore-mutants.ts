/** Deliberate bugs about restores (mutants.ts says what a mutant is). One seed in eight has a restore. */
import type { Mutant } from "./mutants.ts";

export const restoreMutants: Mutant[] = [
  {
    name: "backup-wins",
    file: "server/src/restore/carry-out.ts",
    find: `if (side === "verifiers") {
        await takeOver(`,
    replace: `if (side === "verifiers" && choice.revive) {
        await takeOver(`,
    why: "The restored database wins over what verifiers remember, whatever was chosen",
  },
  {
    name: "leaks-are-forgotten",
    file: "server/src/restore/carry-out.ts",
    find: "uphold(change, struckBy(records, before), by, reason);",
    replace: "uphold(change, struckBy([], before), by, reason);",
    why: "With the backup chosen, what verifiers know to be killed is accepted again",
  },
  {
    name: "numbers-given-twice",
    file: "server/src/restore/reconciliation.ts",
    find: "const LEAP = 1_000_000;",
    replace: "const LEAP = -5;",
    why: "The feed of the new epoch begins below the numbers that verifiers hold",
  },
  {
    name: "epoch-stays",
    file: "server/src/restore/restorations.ts",
    find: "return restoration.reconciledAt === null ? restoration.formerEpoch : ",
    replace: "return restoration.reconciledAt !== undefined ? restoration.formerEpoch : ",
    why: "A reconciled feed goes by its former epoch",
  },
  {
    name: "late-are-welcome",
    file: "server/src/restore/compared.ts",
    find: "  if (restoration.reconciledAt === null) return false;",
    replace: "  if (restoration.reconciledAt !== null) return true;",
    why: "A verifier that comes after the choice is let in, whatever it knows more",
  },
  {
    name: "half-is-told",
    file: "verifier/src/remembered.ts",
    find: "record.seq > after && record.seq <= seq);",
    replace: "record.seq > after + 2 && record.seq <= seq);",
    why: "A verifier leaves out some of what it remembers, and says that that is all",
  },
  {
    name: "nobody-else-answers",
    file: "server/src/restore/mark.ts",
    find: `answersUntil: restoredAt + leaseMs + (onStale === "static" ? staticMs : 0),`,
    replace: `answersUntil: restoredAt - leaseMs - (onStale === "static" ? staticMs : 0),`,
    why: "Verifiers that the backup does not know are taken for gone",
  },
  {
    name: "late-word-of-another-secret",
    file: "server/src/evidence/evidence.ts",
    find: "accepted > 0 && last >= since);",
    replace: "accepted > 0 && (last >= since || since > 0));",
    why: "A use of a secret that the restore took back counts for the one that got its number",
  },
  {
    name: "offered-is-unclaimed",
    file: "server/src/restore/carry-out.ts",
    find: `if (onItsWay && claimedAt === null && origin === "authority")`,
    replace: `if (onItsWay && claimedAt !== null && origin === "authority")`,
    why: "A successor that was claimed after the backup is destroyed by a rollback at once",
  },
  {
    name: "snapshot-beside",
    file: "verifier/src/follower.ts",
    find: "for (const record of records) keeper.holdsToo(record);",
    replace: "",
    why: "What a snapshot brought that was changed while it was sent is not told to a restored authority",
  },
];
