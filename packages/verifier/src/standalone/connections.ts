/**
 * The open connections of a server, and which of them nobody needs. Node can time idle connections itself, with two timers set and cleared
 * for each request; a look at all of them every few seconds finds the same and costs a request nothing.
 *
 *     open ──no byte for idleMs, from one look to the next──▶ closed
 *
 * A connection that has sent nothing yet, or half a request, is closed earlier and by others: node:http does it (`headersTimeout`), and
 * for gRPC grpc.ts.
 */
import type { Server, Socket } from "node:net";
import type { Log, World } from "@keyover/core";

/** From one look to the next: a connection is closed so much later than it might be. */
export const LOOK_MS = 5_000;

export interface ConnectionsOptions {
  clock: World["clock"];
  log: Log;
  /** More are refused. */
  max: number;
  /** Of one that was refused. */
  dropped(): void;
  /** Of all that are open, every few seconds. */
  look(connection: Connection, at: number): void;
}

export interface Connection {
  readonly socket: Socket;
  /** Monotonic milliseconds: when it was opened. */
  readonly since: number;
  /** When it was last seen to have sent anything. */
  heardAt: number;
  /** As they were then. */
  bytesRead: number;
}

export class Connections {
  readonly #server: Server;
  readonly #options: ConnectionsOptions;
  readonly #open = new Map<Socket, Connection>();
  /** Said once, until there is room again. */
  #saidFull = false;
  #looking = false;

  constructor(server: Server, options: ConnectionsOptions) {
    this.#server = server;
    this.#options = options;
    server.maxConnections = options.max;
    server.on("connection", (socket: Socket) => this.#opened(socket));
    server.on("drop", () => this.#dropped());
  }

  get size(): number {
    return this.#open.size;
  }

  all(): IterableIterator<Socket> {
    return this.#open.keys();
  }

  #opened(socket: Socket): void {
    const at = this.#options.clock.elapsed();
    this.#open.set(socket, { socket, since: at, heardAt: at, bytesRead: 0 });
    socket.once("close", () => this.#open.delete(socket));
    if (!this.#looking) this.#lookLater();
  }

  #look(): void {
    const at = this.#options.clock.elapsed();
    for (const connection of this.#open.values()) {
      const { bytesRead } = connection.socket;
      if (bytesRead !== connection.bytesRead) {
        connection.bytesRead = bytesRead;
        connection.heardAt = at;
      }
      this.#options.look(connection, at);
    }
    if (this.#open.size < this.#server.maxConnections) this.#saidFull = false;
    // With nobody here there is nothing to look at; the next connection begins it again.
    this.#looking = this.#open.size > 0;
    if (this.#looking) this.#lookLater();
  }

  #lookLater(): void {
    this.#looking = true;
    this.#options.clock.after(LOOK_MS, () => this.#look());
  }

  #dropped(): void {
    this.#options.dropped();
    if (this.#saidFull) return;
    this.#saidFull = true;
    this.#options.log("warn", "verifier.connections_full", { max: this.#options.max });
  }
}
