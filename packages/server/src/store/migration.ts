/**
 * Brings a database to the schema of this program, as a generator of statements (statements.ts): one transaction, on either
 * database, in which nobody else migrates.
 *
 *     plan       reads, and says what would be done
 *     expand     what the programs before can live with; the server's start does this
 *     contract   also what takes something away from them: `keyover migrate`, once none of them runs
 */
import { CompiledQuery } from "kysely";
import { type SchemaStep, schemaSteps } from "./schema.ts";
import type { QueryAnswer, Statement, Steps } from "./statements.ts";
import { SchemaError } from "./store.ts";

/** What a database says of itself. `worksFrom` is the oldest schema whose program can use it. */
export interface FoundSchema {
  version: number;
  worksFrom: number;
}

export interface NumberedStep extends SchemaStep {
  number: number;
}

export interface MigrationReport {
  found: FoundSchema;
  /** Done; with `plan`, to be done. */
  run: readonly NumberedStep[];
  /** A contracting step, and all after it. */
  wait: readonly NumberedStep[];
  /** The processes that it waits for, as `keyover/0.1.0 (rep_…)`. */
  waitFor: readonly string[];
}

export type MigrationMode = "plan" | "expand" | "contract";

/** What a database is to a migration. */
export interface Migrated {
  /** What sentences call it. */
  name: string;
  /** Where else Keyover could go, as the end of a sentence: `give this one a … of its own`. */
  kind: string;
  /** Answers `name` of each table. */
  tables: string;
  /** Epoch milliseconds, as SQL. */
  now: string;
  /** A step's statement in this database's words. */
  render: (statement: string) => string;
  /** Keeps processes from joining until the transaction ends. */
  closeDoors: readonly string[];
}

export function* migrationSteps(
  database: Migrated,
  mode: MigrationMode,
  steps: readonly SchemaStep[] = schemaSteps,
): Steps<MigrationReport> {
  const [listed] = yield raw([database.tables]);
  const tables = listed?.rows.map((row) => String(row.name)) ?? [];
  refuseForeign(database, tables);
  const fresh = tables.length === 0;
  const found = fresh ? { version: 0, worksFrom: 0 } : foundIn((yield raw([NEWEST]))[0]);
  const refusal = refusalOf(found, steps.length);
  if (refusal !== undefined) throw new SchemaError(refusal);
  const numbered = steps.map((step, i) => ({ ...step, number: i + 1 }));
  const pending = numbered.slice(found.version);
  const all = yield* untilOneWaits(database, mode, found, pending);
  if (mode === "expand") refuseBlocked(all.wait, found);
  const report = { found, ...all };
  if (mode === "plan" || all.run.length === 0) return { value: report, last: [] };
  return { value: report, last: raw([...stepsSql(database, all.run), noteSql(found, all.run)]) };
}

const NEWEST = "select * from schema_version order by version desc limit 1";

function raw(statements: readonly string[]): Statement[] {
  return statements.map((text) => ({ query: CompiledQuery.raw(text) }));
}

function refuseForeign({ name, kind }: Migrated, tables: readonly string[]): void {
  if (tables.length === 0 || (tables.includes("schema_version") && tables.includes("feed_head"))) return;
  throw new SchemaError(
    `${name} belongs to another program; give this one a ${kind} of its own, or restore its database from your backup`,
  );
}

/** The first schema's program wrote no `works_from`. */
function foundIn(newest: QueryAnswer | undefined): FoundSchema {
  const row = newest?.rows[0] as { version: number; works_from?: number | null } | undefined;
  if (row === undefined) return { version: 0, worksFrom: 0 };
  return { version: Number(row.version), worksFrom: Number(row.works_from ?? row.version) };
}

/** Why a program that knows so many steps can't use this database. */
function refusalOf({ version, worksFrom }: FoundSchema, known: number): string | undefined {
  if (worksFrom <= known) return undefined;
  return `the database has schema ${version}, for programs that know at least schema ${worksFrom}; this program knows up to ${known}. Start the newer program, or restore an older backup`;
}

function* untilOneWaits(
  database: Migrated,
  mode: MigrationMode,
  found: FoundSchema,
  pending: readonly NumberedStep[],
): Generator<Statement[], Pick<MigrationReport, "run" | "wait" | "waitFor">, QueryAnswer[]> {
  // The first start of all has nobody beside it.
  const contracts = (step: SchemaStep) => found.version > 0 && step.worksFrom > found.worksFrom;
  let first = pending.findIndex(contracts);
  let waitFor: string[] = [];
  if (first >= 0 && mode !== "expand" && found.version >= REPLICAS_SINCE) {
    if (mode === "contract" && database.closeDoors.length > 0) yield raw(database.closeDoors);
    const [living] = yield raw([
      `select id, software, schema from replica where until > ${database.now} order by schema, id`,
    ]);
    const older = (worksFrom: number) => (living?.rows ?? []).filter(({ schema }) => Number(schema) < worksFrom);
    first = pending.findIndex((step) => contracts(step) && older(step.worksFrom).length > 0);
    waitFor = first < 0 ? [] : older(pending[first]?.worksFrom ?? 0).map(nameOf);
  } else if (mode !== "expand") {
    first = -1; // no table of processes: the program before knew but one
  }
  return first < 0
    ? { run: pending, wait: [], waitFor }
    : { run: pending.slice(0, first), wait: pending.slice(first), waitFor };
}

function nameOf(row: Record<string, unknown>): string {
  const { software, id } = row as { software: string; id: string };
  return `${software} (${id})`;
}

/** The schema that has the table of processes. */
const REPLICAS_SINCE = 2;

/** This program can do without what contracts; what comes behind it, it may need. */
function refuseBlocked(wait: readonly NumberedStep[], found: FoundSchema): void {
  const [blocking] = wait;
  const behind = wait.find((step, i) => i > 0 && step.worksFrom <= (wait[i - 1]?.worksFrom ?? found.worksFrom));
  if (blocking === undefined || behind === undefined) return;
  throw new SchemaError(
    `schema ${behind.number} (${behind.does}) can't be made before schema ${blocking.number} (${blocking.does}), which takes away what older programs need. Stop those, then run: keyover migrate`,
  );
}

function stepsSql({ render }: Migrated, run: readonly NumberedStep[]): string[] {
  const first = run[0]?.number === 1 ? ["create table schema_version (version integer not null)"] : [];
  return [...first, ...run.flatMap(({ statements }) => statements)].map(render);
}

function noteSql(found: FoundSchema, run: readonly NumberedStep[]): string {
  const worksFrom = Math.max(found.worksFrom, ...run.map((step) => step.worksFrom));
  const last = run.at(-1)?.number ?? found.version;
  // Only since its second step has the table a place for `works_from`.
  return last < 2
    ? `insert into schema_version (version) values (${last})`
    : `insert into schema_version (version, works_from) values (${last}, ${worksFrom})`;
}
