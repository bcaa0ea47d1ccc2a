/**
 * Hands new feed entries to everybody who follows an api. An entry is turned into text once and written to all. A
 * subscriber that is behind, because it has just come or because entries overtook each other, catches up from the store
 * and is live from there; it never sees a number twice or out of order.
 */
import type { FeedEntry, Log } from "@keyover/core";
import type { Store } from "../store/store.ts";

/** One open stream. `write` answers how many bytes wait to be sent. */
export interface Sink {
  write(chunk: string): number;
  /** Resolves when what was written is on its way, or never will be. */
  drained(): Promise<void>;
  /** What was written still arrives. */
  end(): void;
  /** At once, for a reader that does not read. */
  cut(): void;
}

/** Whose stream it is, and what it may see. */
export interface Reader {
  tokenId: string;
  /** An empty list means all. */
  environments: readonly string[];
}

export interface Hub {
  publish(entries: { apiId: string; entry: FeedEntry }[]): void;
  /** Starts after `seq`. The answer ends the subscription. */
  subscribe(apiId: string, seq: number, reader: Reader, sink: Sink): () => void;
  /** The tokens whose streams are open. */
  tokens(): Set<string>;
  /** Ends the streams of a token that is not valid any more. */
  expel(tokenId: string): void;
  /** Tells every follower that the line is alive. */
  beat(now: number): void;
  subscribers(apiId?: string): number;
  close(): void;
}

interface Subscriber {
  apiId: string;
  tokenId: string;
  seq: number;
  environments: ReadonlySet<string>;
  sink: Sink;
  catchingUp: boolean;
}

/** A live follower that lets this much pile up is cut off; it comes back and resumes where it was. */
const BACKLOG_BYTES_MAX = 8 * 1024 * 1024;
/** One that catches up is sent a page, and the next when that is on its way: as fast as it reads, and no more in memory. */
const CATCH_UP_PAGE = 100;

export function createHub(store: Store, log: Log): Hub {
  const byApi = new Map<string, Set<Subscriber>>();
  /** The number of the newest entry published here, by api. */
  const newest = new Map<string, number>();
  let closed = false;

  const follows = (subscriber: Subscriber) => byApi.get(subscriber.apiId)?.has(subscriber) === true;

  const drop = (subscriber: Subscriber) => {
    byApi.get(subscriber.apiId)?.delete(subscriber);
  };

  const send = (subscriber: Subscriber, seq: number, chunk: string) => {
    subscriber.seq = seq;
    if (subscriber.sink.write(chunk) > BACKLOG_BYTES_MAX) {
      log("warn", "feed.follower_too_slow", { api: subscriber.apiId, seq });
      drop(subscriber);
      subscriber.sink.cut();
    }
  };

  const isBehind = ({ apiId, seq }: Subscriber) => seq < (newest.get(apiId) ?? 0);

  const catchUp = async (subscriber: Subscriber) => {
    if (subscriber.catchingUp) return;
    subscriber.catchingUp = true;
    try {
      let entries: FeedEntry[];
      do {
        entries = await store.feedAfter(subscriber.apiId, subscriber.seq, CATCH_UP_PAGE);
        for (const entry of entries) {
          subscriber.seq = entry.seq;
          subscriber.sink.write(chunkFor(entry, subscriber.environments));
        }
        await subscriber.sink.drained();
        // An entry that was published while the store was read is not in what was read.
      } while (follows(subscriber) && (entries.length > 0 || isBehind(subscriber)));
    } catch (error) {
      log("error", "feed.catch_up_failed", { api: subscriber.apiId, error: String(error) });
      drop(subscriber);
      subscriber.sink.end();
    } finally {
      subscriber.catchingUp = false;
    }
  };

  return {
    publish(entries) {
      for (const { apiId, entry } of entries) {
        newest.set(apiId, Math.max(entry.seq, newest.get(apiId) ?? 0));
        const whole = entryChunk(entry);
        const bare = entryChunk({ seq: entry.seq });
        for (const subscriber of byApi.get(apiId) ?? []) {
          if (subscriber.catchingUp) continue; // it reads this entry from the store
          if (subscriber.seq >= entry.seq) continue;
          if (subscriber.seq + 1 === entry.seq)
            send(subscriber, entry.seq, covered(entry, subscriber.environments) ? whole : bare);
          else void catchUp(subscriber);
        }
      }
    },
    subscribe(apiId, seq, { tokenId, environments }, sink) {
      const subscriber: Subscriber = {
        apiId,
        tokenId,
        seq,
        environments: new Set(environments),
        sink,
        catchingUp: false,
      };
      if (closed) {
        sink.end();
        return () => {};
      }
      const all = byApi.get(apiId) ?? new Set();
      byApi.set(apiId, all.add(subscriber));
      void catchUp(subscriber);
      return () => drop(subscriber);
    },
    tokens: () => new Set([...byApi.values()].flatMap((all) => [...all].map(({ tokenId }) => tokenId))),
    expel(tokenId) {
      for (const subscriber of [...byApi.values()].flatMap((all) => [...all])) {
        if (subscriber.tokenId !== tokenId) continue;
        drop(subscriber);
        subscriber.sink.end();
      }
    },
    beat(now) {
      for (const subscribers of byApi.values()) {
        for (const subscriber of subscribers) {
          // A beat says "you have everything up to now": not to one that is still catching up.
          if (subscriber.catchingUp) continue;
          if (isBehind(subscriber)) void catchUp(subscriber);
          else subscriber.sink.write(`event: beat\ndata: ${JSON.stringify({ seq: subscriber.seq, now })}\n\n`);
        }
      }
    },
    subscribers(apiId) {
      if (apiId !== undefined) return byApi.get(apiId)?.size ?? 0;
      return [...byApi.values()].reduce((sum, all) => sum + all.size, 0);
    },
    close() {
      closed = true;
      for (const subscribers of byApi.values()) for (const { sink } of subscribers) sink.end();
      byApi.clear();
    },
  };
}

function covered(entry: FeedEntry, environments: ReadonlySet<string>): boolean {
  return environments.size === 0 || (entry.record !== undefined && environments.has(entry.record.environment));
}

function chunkFor(entry: FeedEntry, environments: ReadonlySet<string>): string {
  return entryChunk(covered(entry, environments) ? entry : { seq: entry.seq });
}

function entryChunk(entry: FeedEntry): string {
  return `id: ${entry.seq}\nevent: entry\ndata: ${JSON.stringify(entry)}\n\n`;
}
