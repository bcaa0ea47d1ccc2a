/**
 * Connections to PostgreSQL, and a transaction over one of them.
 *
 *     BEGIN, statements ─▶ answers ─▶ … ─▶ last statements, COMMIT ─▶ answer
 *          nothing is written yet                       │
 *          whatever breaks: do it again                 └ it breaks here: perhaps it is written. Look, then do it again or not
 *
 * Nothing waits for ever: each query has a time, on this side and on the server's, after which its connection is given up; a transaction
 * whose process sleeps in the middle is ended by the server, because it may hold the lock that all others wait for. pg keeps a client
 * whose query timed out as if it were sound (brianc/node-postgres#3399); here it never goes back into the pool.
 */
import { type Clock, jittered, type Log, type RandomBytes, sleep } from "@keyover/core";
import type { CompiledQuery } from "kysely";
import pg from "pg";
import type { PostgresAddress } from "./postgres-address.ts";
import { asLost, explained, isFatal, reasonOf, troubleOf } from "./postgres-errors.ts";
import { checked, type QueryAnswer, type Statement, type Steps } from "./statements.ts";
import { OutcomeUnknownError, StoreUnavailableError } from "./store.ts";
import type { CommitMark } from "./writes.ts";

export interface PostgresWorld {
  clock: Clock;
  random: RandomBytes;
  log: Log;
}

export interface PostgresLimits {
  connectionsMax: number;
  /** How long a read or a write may take, with all that is tried again. */
  waitMs: number;
  /** How long the outcome of a commit is looked for. */
  lookMs: number;
  /** A transaction whose client is silent this long is ended. Well below `waitMs`: others wait for its locks. */
  silentMs: number;
}

export const LIMITS: PostgresLimits = { connectionsMax: 10, waitMs: 5_000, lookMs: 15_000, silentMs: 3_000 };

const BACKOFF_MS = { first: 10, max: 500 };
const LIFETIME_S = 1_800;
/** The last attempt has this long, so that no COMMIT is given up that is just being done. */
const ATTEMPT_MS_MIN = 1_000;
/** Less than a write has: a server that was killed may leave a connection in its queue that nobody will ever answer. */
const CONNECT_MS_MAX = 1_500;

export interface TransactionOptions {
  /** Sent with the COMMIT, after all else. */
  ring?: CompiledQuery | undefined;
  /** Whether the attempt with this mark was committed. Without it the transaction may be repeated: a second time it changes nothing. */
  find?: ((ask: Ask, mark: CommitMark) => Promise<boolean>) | undefined;
}

type Ask = (text: string, values?: unknown[]) => Promise<QueryAnswer>;

export interface Connections {
  read(query: CompiledQuery): Promise<QueryAnswer>;
  transact<T>(make: (mark: CommitMark) => Steps<T>, options?: TransactionOptions): Promise<T>;
  close(): Promise<void>;
}

/** The COMMIT was sent and not answered. */
class OutcomeLost<T> extends Error {
  value: T;
  reason: unknown;
  constructor(value: T, reason: unknown) {
    super("the outcome of a commit was lost");
    this.value = value;
    this.reason = reason;
  }
}

export function createConnections(
  { name, config }: PostgresAddress,
  { clock, random, log }: PostgresWorld,
  limits: PostgresLimits,
): Connections {
  // Its types say that the answer is not waited for; it is.
  const begin = ((client: pg.ClientBase) => client.query(settingsSql(limits))) as unknown as pg.PoolConfig["onConnect"];
  const pool = new pg.Pool({
    ...clientConfig(config),
    password: config.password,
    max: limits.connectionsMax,
    connectionTimeoutMillis: Math.min(CONNECT_MS_MAX, limits.waitMs),
    idleTimeoutMillis: 60_000,
    maxLifetimeSeconds: LIFETIME_S,
    onConnect: begin,
  });
  // Of one that is in use: its query fails anyway. Without a listener the process would end.
  pool.on("connect", (client) => client.on("error", () => {}));
  pool.on("error", (error) => log("warn", "store.connection_lost", { reason: reasonOf(error) }));

  /** Rejects with answers of the server, and `LostConnectionError`. */
  const withClient = async <T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
    const client = await pool.connect().catch((error: unknown) => {
      throw asLost(error);
    });
    let fit = false;
    try {
      const value = await work(client);
      fit = true;
      return value;
    } catch (error) {
      // Only of a connection whose server has answered is it known where it stands.
      const answered = !(error instanceof OutcomeLost) && ["again", "late", "full", "other"].includes(troubleOf(error));
      fit = answered && (await rollback(client, limits.silentMs));
      throw error;
    } finally {
      client.release(!fit);
    }
  };

  /** Again and again while it makes sense and there is time. `attempt` settles what is to be done about its own errors. */
  const persist = async <T>(attempt: (leftMs: number) => Promise<T>): Promise<T> => {
    const end = clock.elapsed() + limits.waitMs;
    for (let tries = 0; ; tries++) {
      try {
        return await attempt(Math.max(end - clock.elapsed(), ATTEMPT_MS_MIN));
      } catch (error) {
        const worthIt = ["again", "lost"].includes(troubleOf(error)) && clock.elapsed() < end;
        if (!worthIt) throw explained(error, name);
        log("debug", "store.again", { reason: reasonOf(error), tries });
        const delay = Math.min(BACKOFF_MS.first * 2 ** tries, BACKOFF_MS.max);
        await sleep(clock, jittered(delay, 0.5, random));
      }
    }
  };

  const found = async (find: NonNullable<TransactionOptions["find"]>, mark: CommitMark): Promise<boolean> => {
    const end = clock.elapsed() + limits.lookMs;
    for (;;) {
      try {
        return await withClient(async (client) => {
          const ask: Ask = async (text, values = []) =>
            (await sendAll(client, [{ text, values }], limits.lookMs))[0] as QueryAnswer;
          await ask(`begin isolation level read committed`);
          // Longer than the server lets the lost transaction be silent.
          await ask(`set local statement_timeout = ${limits.lookMs}; set local lock_timeout = ${limits.lookMs}`);
          const committed = await find(ask, mark);
          await ask("rollback");
          return committed;
        });
      } catch (error) {
        if (clock.elapsed() >= end || troubleOf(error) === "other") {
          throw new OutcomeUnknownError(
            `the database ${name} went away in the middle of a commit, and could not be asked whether it was done: ${reasonOf(error)}`,
          );
        }
        await sleep(clock, jittered(BACKOFF_MS.max, 0.5, random));
      }
    }
  };

  return {
    read: ({ sql: text, parameters }) =>
      persist((leftMs) =>
        withClient(async (client) => (await sendAll(client, [{ text, values: parameters }], leftMs))[0] as QueryAnswer),
      ),

    async transact(make, { ring, find } = {}) {
      let uncertain = false;
      const attempt = async (leftMs: number) => {
        const mark: CommitMark = { batch: Buffer.from(random(12)).toString("base64url") };
        try {
          return await withClient((client) => runSteps(client, make(mark), ring, leftMs));
        } catch (error) {
          if (!(error instanceof OutcomeLost)) throw error;
          log("warn", "store.outcome_lost", { reason: reasonOf(error.reason) });
          if (find !== undefined && (await found(find, mark))) return error.value;
          uncertain ||= find === undefined;
          throw asLost(error.reason);
        }
      };
      try {
        return await persist(attempt);
      } catch (error) {
        throw uncertain && error instanceof StoreUnavailableError ? new OutcomeUnknownError(error.message) : error;
      }
    },

    close: () => pool.end(),
  };
}

/** For any connection of ours. Queries are sent without waiting for the answers of those before. */
export function clientConfig(config: pg.ClientConfig): pg.ClientConfig {
  return { ...config, pipeline: true, keepAlive: true, keepAliveInitialDelayMillis: 10_000, types: { getTypeParser } };
}

const INT8 = 20;

/** Counts and times stay below 2^53 (usage-writes.ts), so they are numbers here as they are in SQLite. */
const getTypeParser = ((oid: number, format: "text") =>
  oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser;

/** By statements and not at the start of the connection: a pooler in between would refuse those. */
function settingsSql({ waitMs, silentMs }: PostgresLimits): string {
  const set = {
    statement_timeout: waitMs,
    lock_timeout: waitMs,
    idle_in_transaction_session_timeout: silentMs,
    default_transaction_isolation: "'read committed'",
  };
  const all = Object.entries(set).map(([setting, value]) => `set ${setting} = ${value}`);
  // What is acknowledged is on a disk, whatever the role's or the database's setting says.
  all.push("select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'");
  return all.join("; ");
}

interface Sent {
  text: string;
  values?: readonly unknown[];
}

const BEGIN: Sent = { text: "begin isolation level read committed" };
const COMMIT: Sent = { text: "commit" };

async function runSteps<T>(
  client: pg.PoolClient,
  steps: Steps<T>,
  ring: CompiledQuery | undefined,
  leftMs: number,
): Promise<T> {
  let opening = [BEGIN];
  let step = steps.next();
  while (!step.done) {
    const statements = step.value;
    const answers = await sendAll(client, [...opening, ...statements.map(sentOf)], leftMs, [
      ...opening.map(() => undefined),
      ...statements,
    ]);
    step = steps.next(answers.slice(opening.length));
    opening = [];
  }
  const { last, value } = step.value;
  await commit(client, [...opening, ...last.map(sentOf), ...(ring === undefined ? [] : [rawOf(ring)])], value, leftMs);
  return value;
}

function sentOf({ query }: Statement): Sent {
  return rawOf(query);
}

function rawOf({ sql: text, parameters }: CompiledQuery): Sent {
  return { text, values: parameters };
}

/** In order: the first that went wrong decides. */
async function sendAll(
  client: pg.PoolClient,
  all: readonly Sent[],
  timeoutMs: number,
  statements: readonly (Statement | undefined)[] = [],
): Promise<QueryAnswer[]> {
  const results = await Promise.allSettled(all.map((each) => send(client, each, timeoutMs)));
  return results.map((result, i) => {
    if (result.status === "rejected") throw asLost(result.reason);
    const answer = { rows: result.value.rows, changed: result.value.rowCount ?? 0 };
    const statement = statements[i];
    return statement === undefined ? answer : checked(statement, answer);
  });
}

function send(client: pg.PoolClient, { text, values = [] }: Sent, timeoutMs: number): Promise<pg.QueryResult> {
  const name = values.length === 0 ? undefined : preparedName(text);
  const config = { name, text, values: values.map(parameterOf), query_timeout: timeoutMs };
  return client.query(config as pg.QueryConfig);
}

/** By their text, for all connections. The texts are few; those of lists with rare filters go without a name once it is full. */
const prepared = new Map<string, string>();
const PREPARED_MAX = 300;

/**
 * A named statement is parsed and planned once for each connection (measured: 40 % more commits per second). Its columns must
 * never change while a connection lives: no statement here selects `*`.
 */
function preparedName(text: string): string | undefined {
  let name = prepared.get(text);
  if (name === undefined && prepared.size < PREPARED_MAX) {
    name = `keyover_${prepared.size}`;
    prepared.set(text, name);
  }
  return name;
}

/** PostgreSQL has no U+0000 in texts. The edge refuses it; a look-up with it finds nothing. */
function parameterOf(value: unknown): unknown {
  return typeof value === "string" && value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value;
}

async function commit<T>(client: pg.PoolClient, last: readonly Sent[], value: T, timeoutMs: number): Promise<void> {
  const results = await Promise.allSettled([...last, COMMIT].map((each) => send(client, each, timeoutMs)));
  for (const [i, result] of results.entries()) {
    const isCommit = i === last.length;
    if (result.status === "fulfilled") {
      // What went wrong before makes a COMMIT a ROLLBACK, without an error of its own.
      if (isCommit && result.value.command !== "COMMIT") throw new Error("the transaction was rolled back");
      continue;
    }
    const answered = result.reason instanceof pg.DatabaseError;
    // An answer to a statement before it: then the COMMIT did not come to pass.
    if (answered && (!isCommit || !isFatal(result.reason))) throw result.reason;
    throw new OutcomeLost(value, result.reason);
  }
}

/** True if the connection can be used again. */
async function rollback(client: pg.PoolClient, timeoutMs: number): Promise<boolean> {
  return send(client, { text: "rollback" }, timeoutMs).then(
    () => true,
    () => false,
  );
}
