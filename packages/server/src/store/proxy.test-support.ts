/**
 * A stretch of network between a store and its database that breaks on command. Each `cut` waits for a piece of traffic that it is
 * meant for, on whichever connection that comes first, does its harm once, and is gone.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface Cut {
  /** The traffic that it waits for. */
  when(bytes: Buffer, direction: "toServer" | "toClient"): boolean;
  /** Whether that piece still passes: all, none, its first half, or all of it once `late` has resolved. */
  passes: "all" | "none" | "half" | "late";
  late?: () => Promise<void>;
  /** Which ends learn that the connection is gone. The other one is left waiting. */
  ends: "both" | "client";
}

export interface BreakingProxy {
  url: string;
  /** Armed until it has struck; resolves then. */
  cut(cut: Cut): Promise<void>;
  disarm(): void;
  /** While closed no connection is let in, and the existing ones are ended. */
  close(): void;
  open(): void;
  stop(): Promise<void>;
}

export async function startProxy(url: string): Promise<BreakingProxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let armed: { cut: Cut; struck: () => void } | undefined;
  let shut = false;

  const server = createServer((client) => {
    sockets.add(client);
    if (shut) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(target.port), target.hostname);
    sockets.add(upstream);
    let broken = false;
    const pass = (direction: "toServer" | "toClient", other: Socket) => (bytes: Buffer) => {
      if (broken) return;
      if (armed === undefined || !armed.cut.when(bytes, direction)) return void other.write(bytes);
      const { cut, struck } = armed;
      armed = undefined;
      broken = true;
      if (cut.passes === "late") void cut.late?.().then(() => other.write(bytes));
      else if (cut.passes !== "none") other.write(cut.passes === "all" ? bytes : bytes.subarray(0, bytes.length >> 1));
      client.destroy();
      if (cut.ends === "both") upstream.end();
      struck();
    };
    client.on("data", pass("toServer", upstream)).on("error", () => {});
    upstream.on("data", pass("toClient", client)).on("error", () => {});
    client.on("close", () => broken || upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const through = new URL(url);
  through.host = `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  return {
    url: through.href,
    cut: (cut) =>
      new Promise((struck) => {
        armed = { cut, struck };
      }),
    disarm() {
      armed = undefined;
    },
    close() {
      shut = true;
      for (const socket of sockets) socket.destroy();
    },
    open() {
      shut = false;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** pg's message with the COMMIT. */
export function hasCommit(bytes: Buffer, direction: "toServer" | "toClient"): boolean {
  return direction === "toServer" && bytes.includes("commit\0");
}
