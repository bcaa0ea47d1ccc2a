/** The audit log as a stranger reads it: by HTTP, and by the rule in the documentation, with none of the server's code. */
import { createHash } from "node:crypto";
import { ask } from "./authority.test-support.ts";

export interface AuditEntry {
  seq: number;
  action: string;
  subjects: string[];
  hash: string;
}

export async function readAudit(url: string, token: string): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for (let after: number | null = 0; after !== null; ) {
    const { body } = await ask(`${url}/v1/audit?limit=1000&after=${after}`, { token });
    entries.push(...(body.items as AuditEntry[]));
    after = body.next as number | null;
  }
  return entries;
}

/** Where the chain does not hold; undefined if it does. */
export function chainProblem(entries: readonly AuditEntry[]): string | undefined {
  let previous = "";
  for (const [i, { hash, ...entry }] of entries.entries()) {
    if (entry.seq !== i + 1) return `entry ${entry.seq} stands at ${i + 1}`;
    previous = createHash("sha256")
      .update(`${previous}\n${canonical(entry)}`)
      .digest("base64url");
    if (hash !== previous) return `the hash of entry ${entry.seq} does not follow from the one before it`;
  }
  return undefined;
}

/** JSON with members sorted by name at every depth. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical((value as Record<string, unknown>)[name])}`).join(",")}}`;
}
