/**
 * Hands new feed entries to everybody who follows an api. Entries that come close together are turned into one chunk of bytes, which is
 * made once and written to all (gathering.ts). A subscriber that is behind, because it has just come or because entries overtook each
 * other, catches up from the store and is live from there; it never sees a number twice or out of order.
 *
 *     own commit ──publish──▶ ┌ the next number: gathered ──────┐──▶ one chunk, the same for all who may see the same
 *     another process's ─────▶│ a gap, or merely heard of: pull │──store──▶ the same, in order
 *                             └──────────── line ───────────────┘
 *
 * A *beat* tells a follower "you had everything at that time". So the time is taken first, then the feed's head is read from the
 * store, and only a line that has reached that head beats: whatever another process had committed by then is in what was written.
 */
import type { Clock, FeedEntry, Log } from "@keyover/core";
import type { Store } from "../store/store.ts";
import { beatText, entryText, isAwaited } from "./feed-text.ts";
import { createGathering, type Gathering } from "./gathering.ts";

/** One open stream. `write` answers how many bytes wait to be sent. Several streams may be handed the same bytes. */
export interface Sink {
  write(chunk: string | Uint8Array): number;
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
  /** Reads what these apis' feeds have that was not published here. */
  pull(apiIds: readonly string[]): Promise<void>;
  /** Starts after `seq`. The answer ends the subscription. */
  subscribe(apiId: string, seq: number, reader: Reader, sink: Sink): () => void;
  /** The tokens whose streams are open. */
  tokens(): Set<string>;
  /** Ends the streams of a token that is not valid any more. */
  expel(tokenId: string): void;
  /** Ends the streams of an api: its followers come again, and are told why not, or where to begin. */
  cutOff(apiId: string): void;
  /** Tells every follower that has everything that the line is alive. */
  beat(): Promise<void>;
  subscribers(apiId?: string): number;
  close(): void;
}

interface Subscriber {
  apiId: string;
  tokenId: string;
  seq: number;
  environments: ReadonlySet<string>;
  /** The same for all who see the same. */
  view: string;
  sink: Sink;
  catchingUp: boolean;
}

/** One api's feed, as far as it was published here. */
interface Line {
  /** Every entry up to here was taken for all who are live, and is written or gathered; -1 before anybody was. */
  level: number;
  gathering: Gathering<FeedEntry>;
  /** The highest number heard of. */
  newest: number;
  subscribers: Set<Subscriber>;
  pulling: Promise<void> | undefined;
}

/** A live follower that lets this much pile up is cut off; it comes back and resumes where it was. */
const BACKLOG_BYTES_MAX = 8 * 1024 * 1024;
/** One that catches up is sent a page, and the next when that is on its way: as fast as it reads, and no more in memory. */
const CATCH_UP_PAGE = 100;
const PULL_PAGE = 1_000;

export function createHub(store: Store, clock: Clock, log: Log): Hub {
  const lines = new Map<string, Line>();
  let closed = false;

  const follows = (subscriber: Subscriber) => lines.get(subscriber.apiId)?.subscribers.has(subscriber) === true;
  const everybody = () => [...lines.values()].flatMap(({ subscribers }) => [...subscribers]);

  const drop = (subscriber: Subscriber) => {
    const line = lines.get(subscriber.apiId);
    line?.subscribers.delete(subscriber);
    if (line?.subscribers.size === 0) lines.delete(subscriber.apiId);
  };

  const end = (subscriber: Subscriber) => {
    drop(subscriber);
    subscriber.sink.end();
  };

  const send = (subscriber: Subscriber, seq: number, chunk: Uint8Array) => {
    subscriber.seq = seq;
    if (subscriber.sink.write(chunk) > BACKLOG_BYTES_MAX) {
      log("warn", "feed.follower_too_slow", { api: subscriber.apiId, seq });
      drop(subscriber);
      subscriber.sink.cut();
    }
  };

  /** Consecutive entries, to all who are live. */
  const broadcast = (line: Line, entries: readonly FeedEntry[]) => {
    const last = (entries.at(-1) as FeedEntry).seq;
    const chunks = new Map<string, Uint8Array>();
    for (const subscriber of line.subscribers) {
      const { seq, view, environments } = subscriber;
      // Whoever catches up reads these entries from the store, and some have read the first of them there already.
      if (subscriber.catchingUp || seq >= last) continue;
      const kind = `${Math.max(seq, (entries[0] as FeedEntry).seq - 1)} ${view}`;
      let chunk = chunks.get(kind);
      if (chunk === undefined) {
        const lacking = entries.filter((entry) => entry.seq > seq);
        chunk = Buffer.from(lacking.map((entry) => entryText(entry, environments)).join(""));
        chunks.set(kind, chunk);
      }
      send(subscriber, last, chunk);
    }
  };

  const take = (line: Line, entry: FeedEntry) => {
    line.level = entry.seq;
    line.newest = Math.max(line.newest, entry.seq);
    line.gathering.add(entry, isAwaited(entry));
  };

  const lineOf = (apiId: string): Line => {
    const known = lines.get(apiId);
    if (known !== undefined) return known;
    const gathering = createGathering<FeedEntry>(clock, (entries) => broadcast(line, entries));
    const line: Line = { level: -1, newest: 0, subscribers: new Set(), pulling: undefined, gathering };
    lines.set(apiId, line);
    return line;
  };

  const pullLine = async (apiId: string, line: Line): Promise<void> => {
    while (line.level >= 0 && line.level < line.newest && lines.get(apiId) === line) {
      const entries = await store.feedAfter(apiId, line.level, PULL_PAGE);
      for (const entry of entries) if (entry.seq === line.level + 1) take(line, entry);
      // The next number is gone: it was pruned, or leapt over. Who comes again is told to begin with a snapshot.
      if (line.level < (entries[0]?.seq ?? 0) || entries.length === 0) return cutOff(apiId);
    }
  };

  const cutOff = (apiId: string): void => {
    const line = lines.get(apiId);
    if (line === undefined) return;
    line.gathering.flush();
    lines.delete(apiId);
    for (const { sink } of line.subscribers) sink.end();
    line.subscribers.clear();
  };

  const pullUp = (apiId: string, line: Line): Promise<void> => {
    line.pulling ??= pullLine(apiId, line)
      .catch((error: unknown) => log("error", "feed.pull_failed", { api: apiId, error: String(error) }))
      .finally(() => {
        line.pulling = undefined;
      });
    return line.pulling;
  };

  /** Until it has what the line has: from then on it gets what the line gets. */
  const catchUp = async (subscriber: Subscriber, line: Line) => {
    subscriber.catchingUp = true;
    try {
      let entries: FeedEntry[];
      let now: number;
      do {
        now = clock.now();
        entries = await store.feedAfter(subscriber.apiId, subscriber.seq, CATCH_UP_PAGE);
        for (const entry of entries) {
          subscriber.seq = entry.seq;
          subscriber.sink.write(entryText(entry, subscriber.environments));
        }
        await subscriber.sink.drained();
        // What it lacks was leapt over: it comes again, and is told to begin with a snapshot.
        if (entries.length === 0 && subscriber.seq < (await store.feedFloor(subscriber.apiId))) return end(subscriber);
        // An entry that was published while the store was read is not in what was read.
      } while (follows(subscriber) && (entries.length > 0 || subscriber.seq < line.newest));
      if (line.level < 0) line.level = subscriber.seq;
      // At once: a verifier that came from another process has been without a beat for a while.
      subscriber.sink.write(beatText(subscriber.seq, now));
    } catch (error) {
      log("error", "feed.catch_up_failed", { api: subscriber.apiId, error: String(error) });
      end(subscriber);
    } finally {
      subscriber.catchingUp = false;
    }
  };

  const pull = async (apiIds: readonly string[]): Promise<Map<string, number>> => {
    const followed = apiIds.filter((apiId) => lines.has(apiId));
    const heads = await store.feedHeads(followed);
    const behind = followed.flatMap((apiId) => {
      const line = lines.get(apiId);
      if (line === undefined) return [];
      line.newest = Math.max(line.newest, heads.get(apiId) ?? 0);
      return line.level >= 0 && line.level < line.newest ? [pullUp(apiId, line)] : [];
    });
    await Promise.all(behind);
    return heads;
  };

  return {
    publish(entries) {
      for (const { apiId, entry } of entries) {
        const line = lines.get(apiId);
        if (line === undefined) continue;
        line.newest = Math.max(line.newest, entry.seq);
        if (line.level < 0) continue; // nobody is live yet
        if (entry.seq === line.level + 1) take(line, entry);
        else if (entry.seq > line.level) void pullUp(apiId, line);
      }
    },
    async pull(apiIds) {
      await pull(apiIds);
    },
    subscribe(apiId, seq, { tokenId, environments }, sink) {
      if (closed) {
        sink.end();
        return () => {};
      }
      const view = [...environments].sort().join(" ");
      const seen = { environments: new Set(environments), view };
      const subscriber: Subscriber = { apiId, tokenId, seq, ...seen, sink, catchingUp: false };
      const line = lineOf(apiId);
      line.subscribers.add(subscriber);
      void catchUp(subscriber, line);
      return () => drop(subscriber);
    },
    tokens: () => new Set(everybody().map(({ tokenId }) => tokenId)),
    expel(tokenId) {
      for (const subscriber of everybody()) {
        if (subscriber.tokenId === tokenId) end(subscriber);
      }
    },
    cutOff,
    async beat() {
      const now = clock.now();
      const heads = await pull([...lines.keys()]);
      for (const [apiId, { subscribers, gathering }] of lines) {
        gathering.flush();
        const head = heads.get(apiId) ?? 0;
        for (const { sink, seq, catchingUp } of subscribers) {
          if (catchingUp || seq < head) continue;
          sink.write(beatText(seq, now));
        }
      }
    },
    subscribers(apiId) {
      if (apiId !== undefined) return lines.get(apiId)?.subscribers.size ?? 0;
      return everybody().length;
    },
    close() {
      closed = true;
      for (const apiId of lines.keys()) cutOff(apiId);
    },
  };
}
