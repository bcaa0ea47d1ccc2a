/** What was shown before custody was recorded is taken from the audit log, on both databases. */
import SqliteDatabase from "better-sqlite3";
import { afterEach, expect, test } from "vitest";
import type { Custodian } from "./custodian-entities.ts";
import { type TestDatabase, testDatabase } from "./postgres.test-support.ts";
import { schemaSteps } from "./schema.ts";
import { AT, anEntry } from "./store.test-support.ts";

const ann = "tok_0000000000000000000ann";
const bot = "tok_0000000000000000000bot";
const key = "key_00000000000000000000aa";
const rotation = "rot_00000000000000000000aa";

const log: [actor: string, action: string, subjects: string[], at: number][] = [
  ["system", "token.created", [ann], AT],
  [ann, "token.created", [bot], AT + 1],
  [ann, "key.created", [key, "con_a", "api_a"], AT + 2],
  [ann, "rotation.planned", [rotation, key, "con_a", "api_a"], AT + 3],
  [bot, "rotation.claim", [rotation, key, "con_a", "api_a"], AT + 4],
  [bot, "rotation.claim", [rotation, key, "con_a", "api_a"], AT + 9],
  [key, "rotation.claim", [rotation, key, "con_a", "api_a"], AT + 5],
  ["policy", "rotation.retired", [rotation, key, "con_a", "api_a"], AT + 6],
];

const statements: string[] = [];
for (const [i, [actor, action, subjects, at]] of log.entries()) {
  const body = JSON.stringify({ ...anEntry(action, subjects), actor, at });
  statements.push(
    `insert into audit (seq, at, actor, action, body, hash) values (${i + 1}, ${at}, '${actor}', '${action}', '${body}', '')`,
    ...subjects.map((subject) => `insert into audit_subject (subject, seq) values ('${subject}', ${i + 1})`),
  );
}

const none = { keyId: null, version: null, rotationId: null, via: null, tokenId: null };
const expected = [
  { ...none, who: ann, how: "created", tokenId: bot, at: AT + 1 },
  { ...none, who: ann, how: "created", keyId: key, version: 1, at: AT + 2 },
  { ...none, who: bot, how: "claimed", keyId: key, rotationId: rotation, at: AT + 4 },
  { ...none, who: key, how: "claimed", keyId: key, rotationId: rotation, at: AT + 5 },
];

interface Row {
  id: string;
  rev: unknown;
  body: string;
  who: string;
  key_id: string | null;
}

function found(rows: readonly Row[]): Omit<Custodian, "id">[] {
  const parsed = rows.map((row) => {
    const value = JSON.parse(row.body) as Custodian;
    expect([row.id, Number(row.rev), row.who, row.key_id]).toEqual([value.id, 1, value.who, value.keyId]);
    return value;
  });
  return parsed.map(({ id: _id, ...value }) => value).sort((a, b) => a.at - b.at);
}

const step = schemaSteps.find(({ does }) => does.includes("could have seen"));

test("on SQLite", () => {
  const sqlite = new SqliteDatabase(":memory:");
  sqlite.exec("create table schema_version (version integer not null)");
  for (const before of schemaSteps.slice(0, step === undefined ? 0 : schemaSteps.indexOf(step)))
    for (const statement of before.statements) sqlite.exec(statement);
  for (const statement of [...statements, ...(step?.statements ?? [])]) sqlite.exec(statement);
  expect(found(sqlite.prepare("select * from custodian").all() as Row[])).toEqual(expected);
  sqlite.close();
});

let database: TestDatabase | undefined;
afterEach(() => database?.drop());

test("on PostgreSQL", async () => {
  database = await testDatabase();
  const store = await database.open();
  for (const statement of statements) await database.sql(statement);
  for (const statement of step?.statements ?? []) if (statement.startsWith("insert")) await database.sql(statement);
  expect(found((await database.sql("select * from custodian")) as unknown as Row[])).toEqual(expected);
  await store.close();
});
