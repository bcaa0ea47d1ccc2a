/** A PostgreSQL for the demo alone. Killed from outside, it is started again, as a supervisor would. */
import { setTimeout as sleep } from "node:timers/promises";
import { startPostgres } from "../../packages/server/src/store/postgres-server.test-support.ts";
import { outside } from "./cast.ts";

export interface DemoDatabase {
  url: string;
  /** `kill -9`. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 200;

export async function startDatabase(): Promise<DemoDatabase> {
  const server = await startPostgres();
  let wanted = true;
  let starting: Promise<void> | undefined;
  const start = () => {
    starting ??= restart().finally(() => {
      starting = undefined;
    });
    return starting;
  };
  const restart = async () => {
    // What it had started may live on for a moment and hold its memory; until then it does not start.
    for (;;) {
      try {
        await server.restart();
        wanted = true;
        return;
      } catch {
        await sleep(LOOK_EVERY_MS);
      }
    }
  };
  const look = setInterval(() => {
    if (!wanted || isRunning(server.pid())) return;
    wanted = false;
    outside.killed("PostgreSQL");
    void start();
  }, LOOK_EVERY_MS);
  look.unref();
  return {
    url: server.url,
    async kill() {
      wanted = false;
      await server.kill("SIGKILL");
    },
    start,
    async stop() {
      wanted = false;
      clearInterval(look);
      await server.stop();
    },
  };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
