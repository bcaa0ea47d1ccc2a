/** The doctor's look at what any store holds: the audit chain, and that everything sealed opens under this master key. */

import { existsSync } from "node:fs";
import { createCustody } from "../custody/custody.ts";
import { loadMasterKey } from "../custody/master-key.ts";
import { type ChainState, chainStart, verifyChain } from "../store/audit-chain.ts";
import type { Store } from "../store/store.ts";
import { bad, type Finding, good } from "./finding.ts";
import { isOtherKey, openSealed } from "./master-key-check.ts";
import { count } from "./render.ts";

const PAGE = 1_000;

export function examineMasterKey(path: string, remedy: string): { finding: Finding; key: Uint8Array | undefined } {
  if (!existsSync(path))
    return {
      finding: bad(
        "master key",
        `there is none at ${path}`,
        "restore it from your backup, or name it with --master-key-file",
      ),
      key: undefined,
    };
  try {
    const { key } = loadMasterKey(path, () => new Uint8Array());
    return { finding: good("master key", `${path} is private`), key };
  } catch (error) {
    const [text = "", ...advice] = messageOf(error).split(". ");
    return { finding: bad("master key", text, advice.join(". ") || remedy), key: undefined };
  }
}

export async function examineAuditLog(store: Pick<Store, "audit">): Promise<Finding> {
  let state: ChainState = chainStart;
  for (;;) {
    const entries = await store.audit(state.seq, PAGE);
    const next = verifyChain(state, entries);
    if ("brokenAt" in next)
      return bad(
        "audit",
        `entry ${next.brokenAt} is missing or not what was written`,
        "compare the log with a backup, and find out who can write to the database",
      );
    state = next;
    if (entries.length < PAGE)
      return good("audit", `${count(state.seq, "entry", "entries")}, every hash recomputed; the last is ${state.hash}`);
  }
}

export async function examineSealed(store: Pick<Store, "list" | "settled">, masterKey: Uint8Array): Promise<Finding> {
  const custody = createCustody(masterKey, () => new Uint8Array());
  const closed: string[] = [];
  let opened = 0;
  for (let after: string | undefined, more = true; more; ) {
    const page = await store.list("sealed", {}, { after, limit: PAGE });
    for (const { value } of page) {
      try {
        openSealed(custody, value);
        opened++;
      } catch (error) {
        closed.push(`${value.id}: ${messageOf(error)}`);
      }
    }
    after = page.at(-1)?.value.id;
    more = page.length === PAGE;
  }
  const remedy = "restore the master key that belongs to this database; without it, rotate the keys concerned again";
  if (closed.length === 0 && (await isOtherKey(store, masterKey)))
    return bad(
      "sealed secrets",
      "none is waiting, but this is not the master key that this database began with",
      remedy,
    );
  if (closed.length === 0)
    return good(
      "sealed secrets",
      opened === 0 ? "none is waiting" : `${opened} waiting, each opens under this master key`,
    );
  return bad("sealed secrets", `${closed.length} of ${closed.length + opened} don't open; ${closed[0]}`, remedy);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
