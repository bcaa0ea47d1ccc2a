/**
 * The doctor's look into a data folder, without the authority: modes, the database, the audit chain, and that everything sealed opens
 * under this master key. It only reads, so it may run beside a server; it makes nothing that is missing.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { createCustody } from "../custody/custody.ts";
import { loadMasterKey } from "../custody/master-key.ts";
import { type ChainState, chainStart, verifyChain } from "../store/audit-chain.ts";
import type { Sealed } from "../store/entities.ts";
import { SCHEMA_VERSION } from "../store/schema.ts";
import type { AuditDraft } from "../store/store.ts";
import { openSealed } from "./data-folder.ts";
import { bad, type Finding, good } from "./finding.ts";

type Sqlite = InstanceType<typeof SqliteDatabase>;

const RESTORE = "restore the folder from a backup";
const PAGE = 1_000;

export async function examineFolder({
  data,
  masterKeyFile,
}: {
  data: string;
  masterKeyFile: string | undefined;
}): Promise<Finding[]> {
  const stat = statSync(data, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isDirectory())
    return [bad("data folder", `there is no folder ${data}`, "name the right one with --data")];
  const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
  const folder =
    (stat.mode & 0o077) === 0
      ? good("data folder", `${data} is private (mode ${mode})`)
      : bad("data folder", `${data} is open to others (mode ${mode})`, `run: chmod 700 ${data}`);
  const master = examineMasterKey(masterKeyFile ?? join(data, "master.key"));
  return [folder, master.finding, ...examineDatabase(join(data, "keyover.sqlite"), master.key)];
}

function examineMasterKey(path: string): { finding: Finding; key: Uint8Array | undefined } {
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
    return { finding: bad("master key", text, advice.join(". ") || RESTORE), key: undefined };
  }
}

function examineDatabase(path: string, masterKey: Uint8Array | undefined): Finding[] {
  if (!existsSync(path))
    return [bad("database", `there is no ${path}`, `${RESTORE}, or name the right folder with --data`)];
  let sqlite: Sqlite | undefined;
  try {
    sqlite = new SqliteDatabase(path, { readonly: true, fileMustExist: true });
    const findings = [examineIntegrity(sqlite), examineSchema(sqlite)];
    if (findings.some(({ level }) => level === "bad")) return findings;
    findings.push(examineAuditTable(sqlite));
    if (masterKey !== undefined) findings.push(examineSealed(sqlite, masterKey));
    return findings;
  } catch (error) {
    return [bad("database", `${path} can't be read: ${messageOf(error)}`, RESTORE)];
  } finally {
    sqlite?.close();
  }
}

function examineIntegrity(sqlite: Sqlite): Finding {
  const rows = sqlite.pragma("integrity_check(5)") as { integrity_check: string }[];
  if (rows.length === 1 && rows[0]?.integrity_check === "ok")
    return good("database", "opens, and its integrity check passes");
  return bad(
    "database",
    `its integrity check says: ${
      rows
        .map((row) => row.integrity_check)
        .join("\n")
        .split("\n")[1] ?? rows[0]?.integrity_check
    }`,
    RESTORE,
  );
}

function examineSchema(sqlite: Sqlite): Finding {
  const known = sqlite.prepare("select name from sqlite_master where name = 'schema_version'").get();
  const found =
    known === undefined
      ? 0
      : ((sqlite.prepare("select max(version) as version from schema_version").get() as { version: number | null })
          .version ?? 0);
  if (found === 0) return bad("schema", "the database holds nothing of Keyover's", RESTORE);
  if (found > SCHEMA_VERSION)
    return bad(
      "schema",
      `version ${found} is of a newer program; this one knows up to ${SCHEMA_VERSION}`,
      "use the newer program",
    );
  return good(
    "schema",
    found === SCHEMA_VERSION ? `version ${found}` : `version ${found}; the next start brings it to ${SCHEMA_VERSION}`,
  );
}

function examineAuditTable(sqlite: Sqlite): Finding {
  const read = sqlite.prepare("select seq, body, hash from audit where seq > ? order by seq limit ?");
  let state: ChainState = chainStart;
  for (;;) {
    const rows = read.all(state.seq, PAGE) as { seq: number; body: string; hash: string }[];
    const next = verifyChain(
      state,
      rows.map(({ seq, body, hash }) => ({ ...(JSON.parse(body) as AuditDraft), seq, hash })),
    );
    if ("brokenAt" in next)
      return bad(
        "audit",
        `entry ${next.brokenAt} is missing or not what was written`,
        "compare the log with a backup, and find out who can write to the folder",
      );
    state = next;
    if (rows.length < PAGE)
      return good("audit", `${state.seq} entries, every hash recomputed; the last is ${state.hash}`);
  }
}

function examineSealed(sqlite: Sqlite, masterKey: Uint8Array): Finding {
  const custody = createCustody(masterKey, () => new Uint8Array());
  const closed: string[] = [];
  let opened = 0;
  for (const { body } of sqlite.prepare("select body from sealed").iterate() as Iterable<{ body: string }>) {
    const sealed = JSON.parse(body) as Sealed;
    try {
      openSealed(custody, sealed);
      opened++;
    } catch (error) {
      closed.push(`${sealed.id}: ${messageOf(error)}`);
    }
  }
  if (closed.length === 0)
    return good(
      "sealed secrets",
      opened === 0 ? "none is waiting" : `${opened} waiting, each opens under this master key`,
    );
  return bad(
    "sealed secrets",
    `${closed.length} of ${closed.length + opened} don't open; ${closed[0]}`,
    "restore the master key that belongs to this database; without it, rotate the keys concerned again",
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
