/** Several authority processes on one PostgreSQL, each reaching it by a wire of its own, so that one alone can be made slow. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Api, createApi } from "@keyover/client/api";
import { type TestDatabase, testDatabase } from "../packages/server/src/store/postgres.test-support.ts";
import { KEYOVER } from "./authority.test-support.ts";
import { Partition } from "./partition.test-support.ts";
import { freePort, makeFolder, run, type Server, server, until } from "./processes.test-support.ts";

export interface Replica extends Server {
  wire: Partition;
  /** With the administrator's token. */
  admin: Api;
}

export interface Replicas {
  all: readonly Replica[];
  adminToken: string;
  database: TestDatabase;
  /** The process that does what only one of them does, campaigns among it. */
  leader(): Promise<Replica>;
  /** When the lease of that process runs out or ran out: epoch milliseconds of the database. */
  leaseOfLeader(): Promise<number>;
  close(): Promise<void>;
}

export async function startReplicas(count: number): Promise<Replicas> {
  const folder = makeFolder("replicas");
  const database = await testDatabase();
  const tokenFile = join(folder, "admin-token");
  const dataOf = (i: number) => join(folder, `replica-${i}`);
  const all: Replica[] = [];
  let adminToken = "";
  for (let i = 0; i < count; i++) {
    const wire = await Partition.to(database.url);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const args = ["serve", "--data", dataOf(i), "--listen", `127.0.0.1:${port}`, "--log-level", "info"];
    // The first makes the master key and the first token.
    const more = i === 0 ? ["--admin-token-file", tokenFile] : ["--master-key-file", join(dataOf(0), "master.key")];
    const env = { DATABASE_URL: through(database.url, wire.url) };
    let first = true;
    const made = server(url, "/readyz", () => {
      const given = first || i > 0 ? [...args, ...more] : args;
      first = false;
      return run(KEYOVER, given, { env });
    });
    await made.start();
    if (i === 0) adminToken = await until(() => tokenIn(tokenFile), "the first token to be written");
    all.push(Object.assign(made, { wire, admin: createApi({ url, token: adminToken }) }));
  }
  const leader = async () => {
    const [row] = await database.sql(
      `select owner from shard join replica on replica.id = owner
        where shard.id = 0 and replica.until > extract(epoch from clock_timestamp()) * 1000`,
    );
    const owner = row?.owner;
    return all.find((each) => typeof owner === "string" && !each.process().exited() && says(each, owner));
  };
  return {
    all,
    adminToken,
    database,
    leader: () => until(leader, "a process to lead", { everyMs: 100 }),
    async leaseOfLeader() {
      const [row] = await database.sql("select until from replica join shard on owner = replica.id where shard.id = 0");
      return Number(row?.until);
    },
    async close() {
      await Promise.all(all.map((each) => each.kill()));
      for (const { wire } of all) wire.close();
      await database.drop();
    },
  };
}

function tokenIn(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8").trim() : "";
}

/** Each names itself where it says who the others are. */
function says(replica: Replica, id: string): boolean {
  const running = replica.process();
  return `${running.out()}${running.err()}`.split("\n").some((line) => line.includes(`"replica":"${id}"`));
}

function through(databaseUrl: string, wireUrl: string): string {
  const url = new URL(databaseUrl);
  url.port = new URL(wireUrl).port;
  return url.href;
}
