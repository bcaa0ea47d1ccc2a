/** The doctor's look into a PostgreSQL database, without the authority. It only reads. */
import type { Clock } from "@keyover/core";
import type { PostgresAddress } from "../store/postgres-address.ts";
import { inspectPostgres, type PostgresFacts, type PostgresInspection } from "../store/postgres-inspection.ts";
import { SchemaError } from "../store/store.ts";
import { schemaFinding } from "./doctor-schema.ts";
import { examineAuditLog, examineMasterKey, examineSealed, messageOf } from "./doctor-store.ts";
import { bad, type Finding, good, note } from "./finding.ts";
import type { Io } from "./io.ts";
import type { Place } from "./place.ts";
import { roughly } from "./render.ts";

const RESTORE = "restore the database from a backup, or name the right one";
const CLOCK_OFF_MS = 5_000;

export async function examineDatabase(
  address: PostgresAddress,
  { masterKeyPath }: Place,
  { world }: Io,
): Promise<Finding[]> {
  const master = examineMasterKey(masterKeyPath, "copy it from another replica, or from your backup");
  const findings = [master.finding];
  let inspection: PostgresInspection | undefined;
  try {
    inspection = await inspectPostgres(address, world);
    const facts = await inspection.facts();
    findings.push(databaseFinding(address, facts), clockFinding(await inspection.reads.now(), world.clock));
    if (address.inTheClear)
      findings.push(
        note("database", "what is sent to it could be read on the way", "add sslmode=verify-full to its URL"),
      );
    const plan = await inspection.plan();
    findings.push(schemaFinding(plan, "start the authority: keyover serve"));
    if (plan.found.version === 0) return findings;
    findings.push(processesFinding(await inspection.processes()));
    findings.push(await examineAuditLog(inspection.reads));
    if (master.key !== undefined) findings.push(await examineSealed(inspection.reads, master.key));
  } catch (error) {
    findings.push(
      error instanceof SchemaError
        ? bad("schema", error.message, "use the newer program, or name the right database")
        : bad("database", messageOf(error), RESTORE),
    );
  } finally {
    await inspection?.close();
  }
  return findings;
}

/** What is acknowledged must be on a disk. */
function databaseFinding({ name }: PostgresAddress, { version, fsync, fullPageWrites }: PostgresFacts): Finding {
  const off = [...(fsync ? [] : ["fsync"]), ...(fullPageWrites ? [] : ["full_page_writes"])];
  if (off.length === 0) return good("database", `${name}, PostgreSQL ${version}`);
  return bad(
    "database",
    `${off.join(" and ")} of ${name} is off: a crash can lose revocations`,
    "turn it on in postgresql.conf",
  );
}

function clockFinding(theirs: number, clock: Clock): Finding {
  const apart = Math.abs(theirs - clock.now());
  if (apart <= CLOCK_OFF_MS) return good("clock", "this machine and the database agree on the time to a few seconds");
  return bad(
    "clock",
    `this machine's clock and the database's are ${roughly(apart)} apart`,
    "let both take their time from NTP",
  );
}

function processesFinding(processes: readonly string[]): Finding {
  return processes.length === 0
    ? note("processes", "none is running on this database", "start one with keyover serve")
    : good("processes", `${processes.length} running: ${processes.join(", ")}`);
}
