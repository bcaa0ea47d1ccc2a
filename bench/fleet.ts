/**
 * A real authority on a fresh folder, `count` real verifiers in a few processes of their own, and a follower of the feed in
 * this one; and beside them the baseline: a plain server of server-sent events with as many subscribers in as many processes.
 * Everything over HTTP on loopback.
 */
import { get } from "node:http";
import type { Api } from "@keyover/client/api";
import type { FeedEntry } from "@keyover/core";
import { startAuthority } from "./authority.ts";
import { machineNow, type Peer, startPeer } from "./processes.ts";

/** Of one kind. Verifiers and subscribers do not share a process. */
const PROCESSES_MAX = 10;

export interface Fleet {
  admin: Api;
  api: string;
  /** Calls back with each feed entry, when it arrives here. */
  onEntry(listener: (entry: FeedEntry, at: number) => void): void;
  adminToken: string;
  /** Of the authority's processes. */
  urls: string[];
  pids: { authority: number[]; verifiers: number[] };
  /** All verifiers accept this text and look at it from now on; resolves with the times when they refuse it, the last of them last. */
  watch(text: string): Promise<{ refused: Promise<number[]> }>;
  /** Milliseconds from one write to the subscribers until each has it, the last of them last. */
  bareWrite(): Promise<number[]>;
  /** From now on the baseline writes such a stream to all its subscribers; none: no more. How many a second it wrote until now. */
  bareStream(stream: BareStream | undefined): Promise<number>;
  barePids(): Promise<{ server: number; subscribers: number[] }>;
  stop(): Promise<void>;
}

/** `replicas`: so many processes on a PostgreSQL; otherwise one on SQLite. */
export async function startFleet(count: number, replicas?: number): Promise<Fleet> {
  const authority = await startAuthority(replicas);
  const { urls, admin, adminToken } = authority;
  const api = await admin.request("post", "/v1/apis", {
    body: { name: "market", prefix: "mkt", environments: ["live"], scopes: ["market:read"] },
  });
  const token = await admin.request("post", "/v1/tokens", {
    body: { name: "apis", role: "verifier", apis: ["market"] },
  });
  // Only where it is asked for: subscribers that hear nothing for five minutes give up.
  let bare: ReturnType<typeof startBare> | undefined;
  const verifiers = await Promise.all(
    shares(count).map(async (share) => {
      const peer = startPeer<VerifierSaid>("./fleet-verifiers.ts", { urls, token: token.secret, count: share });
      await peer.next(({ said }) => said === "ready");
      return peer;
    }),
  );
  const listeners: ((entry: FeedEntry, at: number) => void)[] = [];
  const hangUp = await followFeed(`${urls[0]}/v1/apis/market/feed?after=0`, token.secret as string, (entry, at) => {
    for (const listener of listeners) listener(entry, at);
  });
  return {
    admin,
    adminToken,
    urls,
    pids: { authority: authority.pids, verifiers: verifiers.map(({ pid }) => pid) },
    api: api.id,
    onEntry: (listener) => void listeners.push(listener),
    async watch(text) {
      const refused = verifiers.map((peer) => peer.next(({ said }) => said === "refused"));
      const watching = verifiers.map((peer) => peer.next(({ said }) => said === "watching"));
      for (const peer of verifiers) peer.send(text);
      await Promise.all(watching);
      return { refused: Promise.all(refused).then((all) => inOrder(all.flatMap(({ times }) => times))) };
    },
    async bareWrite() {
      bare ??= startBare(count);
      return (await bare).write();
    },
    async bareStream(stream) {
      bare ??= startBare(count);
      return (await bare).stream(stream);
    },
    async barePids() {
      bare ??= startBare(count);
      return (await bare).pids;
    },
    async stop() {
      hangUp();
      await Promise.all(verifiers.map((peer) => peer.stop()));
      await (await bare)?.stop();
      await authority.stop();
    },
  };
}

/** What a process of verifiers says. `at` is the machine's time. */
export interface VerifierSaid {
  said: "ready" | "watching" | "refused";
  at: number;
  /** With `refused`: when each did. */
  times: number[];
}

/** What the bare server and its subscribers say. */
export interface BareSaid {
  said: "port" | "subscribed" | "written" | "streamed" | "heard";
  /** When; with `port` the port, with `streamed` how many events a second. */
  at: number;
  /** With `heard`: when each did. */
  times?: number[];
}

/** What the bare server is told: one event that its subscribers look for, or many that they pass over. */
export type BareTold = "write" | { stream: BareStream | undefined };

export interface BareStream {
  perSecond: number;
  /** Of an event. */
  bytes: number;
}

interface Bare {
  pids: { server: number; subscribers: number[] };
  write(): Promise<number[]>;
  stream(stream: BareStream | undefined): Promise<number>;
  stop(): Promise<void>;
}

async function startBare(count: number): Promise<Bare> {
  const server = startPeer<BareSaid>("./bare-server.ts", {});
  const { at: port } = await server.next(({ said }) => said === "port");
  const subscribers = await Promise.all(
    shares(count).map(async (share) => {
      const peer = startPeer<BareSaid>("./bare-subscribers.ts", { url: `http://127.0.0.1:${port}/`, count: share });
      await peer.next(({ said }) => said === "subscribed");
      return peer;
    }),
  );
  return {
    pids: { server: server.pid, subscribers: subscribers.map(({ pid }) => pid) },
    async write() {
      const heard = subscribers.map((peer: Peer<BareSaid>) => peer.next(({ said }) => said === "heard"));
      const written = server.next(({ said }) => said === "written");
      server.send("write" satisfies BareTold);
      const times = (await Promise.all(heard)).flatMap(({ times }) => times ?? []);
      const { at: writtenAt } = await written;
      return inOrder(times.map((at) => at - writtenAt));
    },
    async stream(stream) {
      const streamed = server.next(({ said }) => said === "streamed");
      server.send({ stream } satisfies BareTold);
      return (await streamed).at;
    },
    async stop() {
      await Promise.all(subscribers.map((peer) => peer.stop()));
      await server.stop();
    },
  };
}

function inOrder(times: readonly number[]): number[] {
  return [...times].sort((a, b) => a - b);
}

/** So many in each process. */
function shares(count: number): number[] {
  const processes = Math.min(PROCESSES_MAX, count);
  return Array.from({ length: processes }, (_, i) => Math.floor((count + i) / processes));
}

/** Calls back with each entry of a feed, from the beginning. The answer hangs up. */
export function followFeed(
  url: string,
  token: string,
  onEntry: (entry: FeedEntry, at: number) => void,
): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const request = get(url, { headers: { authorization: `Bearer ${token}` } }, (response) => {
      let held = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        const at = machineNow();
        const events = (held + text).split("\n\n");
        held = events.pop() as string;
        for (const event of events) {
          const data = /^event: entry\ndata: (.*)$/m.exec(event)?.[1];
          if (data !== undefined) onEntry(JSON.parse(data) as FeedEntry, at);
        }
      });
      response.on("error", () => undefined);
      resolve(() => void request.destroy());
    });
    request.once("error", reject);
  });
}
