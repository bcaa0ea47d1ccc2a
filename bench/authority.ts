/** A real authority for a bench: one process on SQLite, or several on a real PostgreSQL, on a fresh folder. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Api, createApi } from "@keyover/client/api";
import { startPostgres } from "../packages/server/src/store/postgres-server.test-support.ts";
import { answering, freePort, spawnKeyover, stopChild } from "./processes.ts";

export interface BenchAuthority {
  urls: string[];
  admin: Api;
  adminToken: string;
  /** Of its processes, in the order of `urls`. */
  pids: number[];
  /** Of each process, by name, with the labels as they stand in the text. */
  metrics(): Promise<string[]>;
  stop(): Promise<void>;
}

export async function startAuthority(replicas?: number): Promise<BenchAuthority> {
  const folder = mkdtempSync(join(tmpdir(), "keyover-bench-"));
  const postgres = replicas === undefined ? undefined : await startPostgres();
  const tokenFile = join(folder, "token");
  const start = async (first: boolean) => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const args = ["serve", "--data", join(folder, "data"), "--listen", `127.0.0.1:${port}`, "--log-level", "warn"];
    const token = first ? ["--admin-token-file", tokenFile] : [];
    const child = spawnKeyover([...args, ...token], postgres === undefined ? {} : { DATABASE_URL: postgres.url });
    await answering(`${url}/readyz`, child);
    return { url, child };
  };
  // The first makes the master key and the first token; then come the others.
  const first = await start(true);
  const others = await Promise.all(Array.from({ length: (replicas ?? 1) - 1 }, () => start(false)));
  const all = [first, ...others];
  const token = readFileSync(tokenFile, "utf8").trim();
  return {
    urls: all.map(({ url }) => url),
    admin: createApi({ url: first.url, token }),
    adminToken: token,
    pids: all.map(({ child }) => child.pid as number),
    metrics: () =>
      Promise.all(
        all.map(async ({ url }) =>
          (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text(),
        ),
      ),
    async stop() {
      await Promise.all(all.map(({ child }) => stopChild(child)));
      await postgres?.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
