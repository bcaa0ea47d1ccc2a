/**
 * LISTEN and NOTIFY: wakes the processes that share a database. A connection of its own listens; it is looked after, because one
 * whose other end is gone says nothing, which is what a quiet one says too. After each connection made anew the hearers are told
 * `again`: they may have missed something.
 */
import { jittered, type RandomBytes } from "@keyover/core";
import pg from "pg";
import type { PostgresAddress } from "./postgres-address.ts";
import { clientConfig, type PostgresWorld } from "./postgres-connections.ts";
import { reasonOf } from "./postgres-errors.ts";
import type { Store } from "./store.ts";

const LOOK_MS = 10_000;
const ANSWER_MS_MAX = 5_000;
const BACKOFF_MS = { first: 100, max: 5_000 };

export interface Bell extends Pick<Store, "listen"> {
  close(): Promise<void>;
}

export function createBell({ config }: PostgresAddress, channel: string, { clock, random, log }: PostgresWorld): Bell {
  const hearers = new Set<(message: string) => void>();
  let client: pg.Client | undefined;
  let failures = 0;
  let closed = false;
  let cancel = () => {};

  const tell = (message: string) => {
    for (const heard of hearers) heard(message);
  };

  const later = (delayMs: number, run: () => Promise<void>) => {
    cancel();
    if (!closed) cancel = clock.after(delayMs, () => void run());
  };

  const drop = (failed: pg.Client, error: unknown) => {
    if (client !== failed) return;
    client = undefined;
    void failed.end().catch(() => {});
    if (closed) return;
    log("warn", "store.bell_lost", { reason: reasonOf(error) });
    later(backoff(failures++, random), connect);
  };

  const connect = async () => {
    const fresh = new pg.Client({
      ...clientConfig(config),
      password: config.password,
      connectionTimeoutMillis: ANSWER_MS_MAX,
    });
    client = fresh;
    fresh.on("error", (error) => drop(fresh, error));
    fresh.on("end", () => drop(fresh, new Error("the connection ended")));
    fresh.on("notification", ({ payload = "" }) => tell(payload));
    try {
      await fresh.connect();
      await ask(fresh, `listen ${fresh.escapeIdentifier(channel)}`);
      if (client !== fresh) return;
      failures = 0;
      later(LOOK_MS, () => look(fresh));
      tell("again");
    } catch (error) {
      drop(fresh, error);
    }
  };

  const look = async (current: pg.Client) => {
    try {
      await ask(current, "select 1");
      if (client === current) later(LOOK_MS, () => look(current));
    } catch (error) {
      drop(current, error);
    }
  };

  return {
    async listen(heard) {
      hearers.add(heard);
      if (hearers.size === 1 && client === undefined) await connect();
      return async () => {
        hearers.delete(heard);
      };
    },
    async close() {
      closed = true;
      cancel();
      const last = client;
      client = undefined;
      await last?.end().catch(() => {});
    },
  };
}

function ask(client: pg.Client, text: string): Promise<unknown> {
  return client.query({ text, query_timeout: ANSWER_MS_MAX } as pg.QueryConfig);
}

function backoff(failures: number, random: RandomBytes): number {
  return jittered(Math.min(BACKOFF_MS.first * 2 ** failures, BACKOFF_MS.max), 0.5, random);
}
