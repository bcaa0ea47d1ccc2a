/**
 * The authority: replicas on one PostgreSQL, each reaching it by a wire of its own, and a balancer before them; or one process on SQLite.
 *
 *     operator, clients ──balancer──▶ replica ──wire──▶ PostgreSQL
 *     verifiers ──────────wires (fleet.ts)──▶ replica ──wire──┘
 *
 * What is done to it goes through here, so that it is known which replica works.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Api, createApi } from "@keyover/client/api";
import { KEYOVER } from "../authority.test-support.ts";
import { Partition, type Wire } from "../partition.test-support.ts";
import { freePort, pathOf, run, type Server, server } from "../processes.test-support.ts";
import { type Balancer, openBalancer } from "./balancer.ts";
import { type Database, openDatabase } from "./database.ts";
import type { Folder } from "./folder.ts";

export interface Replica extends Server {
  name: string;
}

interface Place {
  replica: Replica;
  wire: Partition | undefined;
  carries: Wire;
  running: boolean;
  paused: boolean;
}

export class Cluster {
  readonly admin: Api;
  readonly url: string;
  readonly adminToken: string;
  /** Undefined on SQLite. */
  readonly database: Database | undefined;
  /** Who wants to know that something has changed. */
  moved: () => void = () => undefined;
  /** What happened that nobody asked for. */
  readonly surprises: string[] = [];
  readonly #places: Place[];
  readonly #balancer: Balancer;
  #databaseWorks = true;

  private constructor(
    places: Place[],
    parts: { balancer: Balancer; database: Database | undefined; adminToken: string },
  ) {
    this.#places = places;
    this.#balancer = parts.balancer;
    this.database = parts.database;
    this.adminToken = parts.adminToken;
    this.url = parts.balancer.url;
    this.admin = createApi({ url: this.url, token: parts.adminToken, timeoutMs: CALL_MS });
    for (const place of places) this.#watch(place);
  }

  /** On SQLite it is one process, whatever is asked for. */
  static async open(folder: Folder, store: "postgres" | "sqlite", count: number): Promise<Cluster> {
    const database = store === "postgres" ? await openDatabase() : undefined;
    const places: Place[] = [];
    for (let i = 0; i < (database === undefined ? 1 : count); i++) {
      places.push(await openPlace(folder, i, database));
      // The first makes the master key and the first token; the others come together.
      if (i === 0) await places[0]?.replica.start();
    }
    await Promise.all(places.slice(1).map(({ replica }) => replica.start()));
    const balancer = await openBalancer(places.map(({ replica }) => replica.url));
    const adminToken = readFileSync(tokenFile(folder), "utf8").trim();
    return new Cluster(places, { balancer, database, adminToken });
  }

  get replicas(): readonly Replica[] {
    return this.#places.map(({ replica }) => replica);
  }

  /** Whether a replica can do its work, as far as what was done to it goes. */
  works(i: number): boolean {
    const { running, paused, carries } = this.#place(i);
    // One whose every statement takes a fifth of a second may answer, but later than a verifier's lease lets it wait.
    return running && !paused && carries === "whole" && this.#databaseWorks;
  }

  async kill(i: number): Promise<void> {
    this.#set(i, { running: false, paused: false });
    await this.#place(i).replica.kill();
  }

  /** SIGTERM; whatever has begun is finished. */
  async stop(i: number): Promise<void> {
    this.#set(i, { running: false, paused: false });
    const { replica } = this.#place(i);
    const code = await replica.stop();
    if (code !== 0) this.surprises.push(`${replica.name} ended with ${code} on SIGTERM`);
  }

  async start(i: number): Promise<void> {
    const place = this.#place(i);
    place.replica.launch();
    this.#watch(place);
    await place.replica.ready();
    this.#set(i, { running: true });
  }

  pause(i: number): void {
    this.#set(i, { paused: true });
    this.#place(i).replica.process().pause();
  }

  resume(i: number): void {
    this.#place(i).replica.process().resume();
    this.#set(i, { paused: false });
  }

  /** Sets the machine's clock wrong, for this process. */
  shiftClock(i: number, clockShiftMs: number): void {
    this.#place(i).replica.process().send({ clockShiftMs });
  }

  setWire(i: number, wire: Wire): void {
    this.#set(i, { carries: wire });
    this.#place(i).wire?.set(wire);
  }

  /** Nobody can work from before `strike` until after `mend`. */
  async withoutDatabase(
    strike: (database: Database) => Promise<void>,
    mend: (database: Database) => Promise<void>,
  ): Promise<void> {
    if (this.database === undefined) return;
    this.#databaseWorks = false;
    this.moved();
    await strike(this.database);
    await mend(this.database);
    this.#databaseWorks = true;
    this.moved();
  }

  /** Ends all of it; what it has written stays until `remove`. */
  async close(): Promise<void> {
    this.#balancer.close();
    await Promise.all([...this.#places.keys()].map((i) => this.stop(i)));
    for (const { wire } of this.#places) wire?.close();
    await this.database?.end();
  }

  async remove(): Promise<void> {
    await this.database?.stop();
  }

  #place(i: number): Place {
    return this.#places[i] as Place;
  }

  #set(i: number, change: Partial<Place>): void {
    Object.assign(this.#place(i), change);
    this.moved();
  }

  #watch(place: Place): void {
    const running = place.replica.process();
    void running.end.then((code) => {
      const meant = !place.running || place.replica.process() !== running;
      if (!meant)
        this.surprises.push(`${place.replica.name} ended by itself with ${code}: ${running.err().slice(-500)}`);
    });
  }
}

/** A stopped replica answers nothing: soon another is asked. */
const CALL_MS = 3_000;

const tokenFile = (folder: Folder) => join(folder.path, "admin-token");

async function openPlace(folder: Folder, i: number, database: Database | undefined): Promise<Place> {
  const name = `replica-${i + 1}`;
  const port = await freePort();
  const wire = database === undefined ? undefined : await Partition.to(database.url);
  const data = (of: number) => folder.home(`replica-${of}`);
  const args = ["serve", "--data", data(i + 1), "--listen", `127.0.0.1:${port}`, "--log-level", "info"];
  if (i > 0) args.push("--master-key-file", join(data(1), "master.key"));
  const first = () => (existsSync(tokenFile(folder)) ? [] : ["--admin-token-file", tokenFile(folder)]);
  const env = { DATABASE_URL: wire === undefined ? undefined : throughWire(database?.url as string, wire.url) };
  const nodeArgs = ["--import", pathOf("./shifted-clock.ts")];
  const launch = () => run(KEYOVER, [...args, ...first()], { env, nodeArgs, log: folder.log(name) });
  const replica = Object.assign(server(`http://127.0.0.1:${port}`, "/readyz", launch), { name });
  return { replica, wire, carries: "whole", running: true, paused: false };
}

function throughWire(databaseUrl: string, wireUrl: string): string {
  const url = new URL(databaseUrl);
  url.port = new URL(wireUrl).port;
  return url.href;
}
