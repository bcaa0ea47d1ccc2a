import { afterEach } from "vitest";
import { type TestDatabase, testDatabase } from "../store/postgres.test-support.ts";
import { postOfficeSuite } from "./post-office.test-suite.ts";

const databases: TestDatabase[] = [];
afterEach(async () => {
  for (const database of databases.splice(0)) await database.drop();
});

postOfficeSuite("notices on SQLite", undefined);
postOfficeSuite("notices on PostgreSQL", async () => {
  const database = await testDatabase();
  databases.push(database);
  return database.open();
});
