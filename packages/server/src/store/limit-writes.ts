/**
 * What is used of limits, as generators of statements (statements.ts): read, reckoned by core, written, in one transaction.
 *
 *     rows that are charged: locked, in one order ─▶ which of the boots in them are over ─▶ core's arithmetic ─▶ rows, COMMIT
 *
 * However many limits reports speak of, each of these is one statement for `ROWS_TOGETHER` of them. A row is locked, and made if there
 * is none, by one and the same upsert: two processes that charge a fresh row at once would otherwise both find nothing.
 */
import {
  debtMax,
  type Limit,
  type LimitUse,
  largestOf,
  limitUseEnds,
  type QuotaUse,
  resizedUse,
  settleQuota,
  settleRate,
  spendLimit,
} from "@keyover/core";
import { sql } from "kysely";
import type { Dialect } from "./dialect.ts";
import { type QueryAnswer, rowsOf, type Statement, type Steps, statement } from "./statements.ts";
import type { LimitAnswer, LimitAsk, LimitCharge, LimitReport } from "./store.ts";

/** Rows in one statement: a database takes so many parameters and no more. */
const ROWS_TOGETHER = 500;
const BOOTS_TOGETHER = 5_000;

interface Row {
  apiId: string;
  subject: string;
  name: string;
  use: LimitUse | undefined;
  limit: Limit;
}

type Table = Map<string, Row>;

function idOf(apiId: string, subject: string, name: string): string {
  return `${apiId} ${subject} ${name}`;
}

/** A report whose charges count, or count no more: then only what stands is answered. */
export interface Charging {
  boot: string;
  report: LimitReport;
  counts: boolean;
}

type Part<T> = Generator<Statement[], T, QueryAnswer[]>;

/** Answers what stands of each limit, by boot, and what is to be written. */
export function* chargeSteps(
  dialect: Dialect,
  charging: readonly Charging[],
): Part<{ limits: Map<string, LimitUse[]>; last: Statement[] }> {
  const named = charging.flatMap(({ report: { apiId, charges } }) => charges.map((charge) => ({ apiId, ...charge })));
  if (named.length === 0) return { limits: new Map(), last: [] };
  const table = yield* lockedRows(dialect, named);
  const ended = yield* endedBoots(dialect, table, Math.max(...charging.map(({ report }) => report.now)));
  const limits = new Map<string, LimitUse[]>();
  for (const { boot, report, counts } of charging) {
    const uses = report.charges.map((charge) => {
      const row = table.get(idOf(report.apiId, charge.subject, charge.limit.name)) as Row;
      row.limit = charge.limit;
      row.use = charged(row.use, counts ? charge : { ...charge, units: 0 }, { boot, report, ended });
      return row.use;
    });
    limits.set(boot, uses);
  }
  return { limits, last: rowStatements(dialect, table) };
}

function charged(
  use: LimitUse | undefined,
  { limit, units, from, period, keeps, wants, holds, rate, standing, largest }: LimitCharge,
  { boot, report, ended }: { boot: string; report: LimitReport; ended: ReadonlySet<string> },
): LimitUse {
  const { now, verifiers, reportEveryMs } = report;
  if (limit.kind === "rate") {
    const owing = largestOf(use, from, largest);
    const most = now + debtMax(limit, verifiers, reportEveryMs, owing);
    return settleRate(use, limit, units, from, most, { size: rate, standing, largest: owing, now });
  }
  return settleQuota(use, limit, { boot, units, period, keeps, wants, holds, now, verifiers, ended });
}

/** One request, decided in the transaction that charges it: of several at once each finds what those before it took. */
export function* spendSteps(dialect: Dialect, { apiId, limits, cost, now }: LimitAsk): Steps<LimitAnswer> {
  const table = yield* lockedRows(
    dialect,
    limits.map((each) => ({ apiId, ...each })),
  );
  const rows = limits.map(({ subject, limit }) => table.get(idOf(apiId, subject, limit.name)) as Row);
  const outcomes = rows.map((row, i) => {
    const { limit, standing } = limits[i] as LimitAsk["limits"][number];
    row.use = resizedUse(row.use, limit, now, standing);
    return spendLimit(row.use, limit, cost, now, standing);
  });
  const full = outcomes.flatMap((outcome, at) => ("waitMs" in outcome ? [{ at, waitMs: outcome.waitMs }] : []));
  for (const [i, row] of rows.entries()) {
    const outcome = outcomes[i];
    if (full.length === 0 && outcome !== undefined && "use" in outcome) row.use = outcome.use;
  }
  return { value: { uses: rows.map(({ use }) => use), full }, last: rowStatements(dialect, table) };
}

/** In one order for everybody: two that lock the same rows the other way round would wait for each other. */
function* lockedRows(
  { db }: Dialect,
  wanted: readonly { apiId: string; subject: string; limit: Limit }[],
): Part<Table> {
  const table: Table = new Map();
  for (const { apiId, subject, limit } of wanted)
    table.set(idOf(apiId, subject, limit.name), { apiId, subject, name: limit.name, use: undefined, limit });
  const ordered = [...table].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  const answers = yield inParts(ordered, ROWS_TOGETHER).map((part) =>
    statement(
      db,
      sql`insert into limit_use (api_id, subject, name, until, body)
        values ${rowsOf(part.map(({ apiId, subject, name }) => [apiId, subject, name, 0, "null"]))}
        on conflict (api_id, subject, name) do update set until = limit_use.until
        returning api_id, subject, name, body`,
    ),
  );
  for (const { api_id, subject, name, body } of answers.flatMap(({ rows }) => rows)) {
    const row = table.get(idOf(String(api_id), String(subject), String(name)));
    if (row !== undefined) row.use = (JSON.parse(String(body)) as LimitUse | null) ?? undefined;
  }
  return table;
}

/** Of the boots in these rows those that can answer no more. */
function* endedBoots({ db }: Dialect, table: Table, now: number): Part<ReadonlySet<string>> {
  const quotas = [...table.values()].flatMap(({ use }) => (use?.kind === "quota" ? [use] : []));
  const boots = [...new Set(quotas.flatMap((use: QuotaUse) => Object.keys(use.boots)))];
  if (boots.length === 0) return new Set();
  const answers = yield inParts(boots, BOOTS_TOGETHER).map((part) =>
    statement(db, sql`select boot from boot where boot in (${sql.join(part)}) and unknown_until > ${now}`),
  );
  const alive = new Set(answers.flatMap(({ rows }) => rows.map(({ boot }) => String(boot))));
  return new Set(boots.filter((boot) => !alive.has(boot)));
}

function rowStatements({ db }: Dialect, table: Table): Statement[] {
  const values = [...table.values()].flatMap(({ apiId, subject, name, use, limit }) => {
    const until = use === undefined ? 0 : Math.min(Math.ceil(limitUseEnds(use, limit)), Number.MAX_SAFE_INTEGER);
    return [[apiId, subject, name, until, JSON.stringify(use ?? null)]];
  });
  return inParts(values, ROWS_TOGETHER).map((part) =>
    statement(
      db,
      sql`insert into limit_use (api_id, subject, name, until, body) values ${rowsOf(part)}
        on conflict (api_id, subject, name) do update set until = excluded.until, body = excluded.body`,
    ),
  );
}

function inParts<T>(all: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < all.length; at += size) parts.push(all.slice(at, at + size));
  return parts;
}
