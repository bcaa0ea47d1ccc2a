/**
 * The doctor's look into a data folder, without the authority: modes, the database, the audit chain, and that everything sealed opens
 * under this master key. It only reads, so it may run beside a server; it makes nothing that is missing.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { inspectSqlite, type SqliteInspection } from "../store/sqlite.ts";
import { SchemaError } from "../store/store.ts";
import { schemaFinding } from "./doctor-schema.ts";
import { examineAuditLog, examineMasterKey, examineSealed, messageOf } from "./doctor-store.ts";
import { bad, type Finding, good } from "./finding.ts";
import type { Place } from "./place.ts";

const RESTORE = "restore the folder from a backup";

export async function examineFolder({ data, masterKeyPath }: Place, now: () => number): Promise<Finding[]> {
  const stat = statSync(data, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isDirectory())
    return [bad("data folder", `there is no folder ${data}`, "name the right one with --data")];
  const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
  const folder =
    (stat.mode & 0o077) === 0
      ? good("data folder", `${data} is private (mode ${mode})`)
      : bad("data folder", `${data} is open to others (mode ${mode})`, `run: chmod 700 ${data}`);
  const master = examineMasterKey(masterKeyPath, RESTORE);
  return [folder, master.finding, ...(await examineDatabase(data, master.key, now))];
}

async function examineDatabase(data: string, masterKey: Uint8Array | undefined, now: () => number): Promise<Finding[]> {
  const path = join(data, "keyover.sqlite");
  if (!existsSync(path))
    return [bad("database", `there is no ${path}`, `${RESTORE}, or name the right folder with --data`)];
  let inspection: SqliteInspection | undefined;
  try {
    inspection = inspectSqlite(data, now);
    const findings = [integrityFinding(inspection.integrity()), schemaOf(inspection)];
    if (findings.some(({ level }) => level === "bad")) return findings;
    findings.push(await examineAuditLog(inspection.reads));
    if (masterKey !== undefined) findings.push(await examineSealed(inspection.reads, masterKey));
    return findings;
  } catch (error) {
    return [bad("database", `${path} can't be read: ${messageOf(error)}`, RESTORE)];
  } finally {
    inspection?.close();
  }
}

function integrityFinding(wrong: string | undefined): Finding {
  return wrong === undefined
    ? good("database", "opens, and its integrity check passes")
    : bad("database", `its integrity check says: ${wrong}`, RESTORE);
}

function schemaOf(inspection: SqliteInspection): Finding {
  try {
    return schemaFinding(inspection.plan(), RESTORE);
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    return bad("schema", error.message, "use the newer program");
  }
}
