/**
 * PostgreSQL as one thing that can be killed or made to stand still: the process that accepts connections and all that it has started, which do
 * not die or stop with it by themselves.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type PostgresServer, startPostgres } from "../../packages/server/src/store/postgres-server.test-support.ts";

export interface Database {
  url: string;
  /** `kill -9` of every process of it. */
  kill(): Promise<void>;
  /** After `kill`: comes up by crash recovery. */
  start(): Promise<void>;
  /** SIGSTOP and SIGCONT of every process of it. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Holds its data and its log, from `end` to `stop`. */
  folder: string;
  end(): Promise<void>;
  /** Removes the folder. */
  stop(): Promise<void>;
}

export async function openDatabase(): Promise<Database> {
  const server = await startPostgres();
  const { url } = server;
  return {
    url,
    async kill() {
      const children = await freeze(server);
      signalAll(children, "SIGKILL");
      await server.kill("SIGKILL");
    },
    start: () => server.restart(),
    async pause() {
      signalAll(await freeze(server), "SIGSTOP");
    },
    async resume() {
      signalAll(childrenOf(server.pid()), "SIGCONT");
      await server.kill("SIGCONT");
    },
    folder: server.folder,
    end: () => server.kill("SIGINT"),
    stop: () => server.stop(),
  };
}

/** Stopped, it starts no more processes: the answer is all of them. */
async function freeze(server: PostgresServer): Promise<number[]> {
  await server.kill("SIGSTOP");
  return childrenOf(server.pid());
}

function childrenOf(pid: number): number[] {
  const list = childrenOnLinux(pid) ?? childrenElsewhere(pid);
  return list.trim() === "" ? [] : list.trim().split(/\s+/).map(Number);
}

function childrenOnLinux(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  } catch {
    return undefined;
  }
}

function childrenElsewhere(pid: number): string {
  try {
    return execFileSync("pgrep", ["-P", String(pid)], { encoding: "utf8" });
  } catch {
    return "";
  }
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // it has ended meanwhile
    }
  }
}
