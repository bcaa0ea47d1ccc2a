/**
 * The APIs with verifiers in them. Each has a data folder, a file for its decisions, and a wire of its own to every replica.
 *
 * Here it is known who is cut off: an API that has no way left to a replica that works. Its outage begins when that happens and ends when
 * the API itself says that it is fresh again; between, past its lease, it may answer 503. A replica that dies while another works is no outage.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Partition, type Wire } from "../partition.test-support.ts";
import type { SmallDisk } from "../small-disk.test-support.ts";
import { type VerifyingApi, verifyingApi } from "../verifying-api.test-support.ts";
import type { Cluster } from "./cluster.ts";
import type { Folder } from "./folder.ts";
import { type History, type Market, markets, moment } from "./history.ts";

export interface Member {
  name: string;
  api: VerifyingApi;
  wires: Partition[];
  carries: Wire[];
  running: boolean;
  paused: boolean;
  /** Since when it has been cut off. */
  away: number | undefined;
}

/** On these a verifier hears all that it must. */
const GOOD: readonly Wire[] = ["whole", "slow"];
const HOUR_MS = 3_600_000;

export interface FleetSettings {
  folder: Folder;
  /** The first one's data lies there. */
  disk: SmallDisk | undefined;
  /** The driver's own. */
  history: History;
  cluster: Cluster;
  token: string;
  count: number;
}

export class Fleet {
  readonly members: readonly Member[];
  readonly surprises: string[] = [];
  readonly #cluster: Cluster;
  readonly #history: History;

  private constructor(members: Member[], cluster: Cluster, history: History) {
    this.members = members;
    this.#cluster = cluster;
    this.#history = history;
    cluster.moved = () => this.#look();
    for (const member of members) this.#watch(member);
  }

  /** The last one's wall clock is an hour wrong from the start. */
  static async open({ folder, disk, history, cluster, token, count }: FleetSettings): Promise<Fleet> {
    const open = async (i: number): Promise<Member> => {
      const name = `api-${i + 1}`;
      const dataDir = i === 0 && disk !== undefined ? disk.folder : folder.home(name);
      const wires = await Promise.all(cluster.replicas.map(({ url }) => Partition.to(url)));
      const api = await verifyingApi({
        authorityUrl: wires.map(({ url }) => url),
        token,
        apis: Object.keys(markets),
        instance: name,
        dataDir,
        clockShiftMs: i === count - 1 ? HOUR_MS : 0,
        history: join(folder.history, `${name}.jsonl`),
        log: folder.log(name),
      });
      await api.start();
      const carries = wires.map((): Wire => "whole");
      return { name, api, wires, carries, running: true, paused: false, away: undefined };
    };
    const members = await Promise.all(Array.from({ length: count }, (_, i) => open(i)));
    return new Fleet(members, cluster, history);
  }

  get addresses(): { name: string; url: string }[] {
    return this.members.map(({ name, api }) => ({ name, url: api.url }));
  }

  async kill(i: number): Promise<void> {
    this.#set(i, { running: false, paused: false });
    await this.#member(i).api.kill();
  }

  async start(i: number): Promise<void> {
    const member = this.#member(i);
    member.api.launch();
    this.#watch(member);
    await member.api.ready();
    this.#set(i, { running: true });
  }

  pause(i: number): void {
    this.#set(i, { paused: true });
    this.#member(i).api.process().pause();
  }

  resume(i: number): void {
    this.#member(i).api.process().resume();
    this.#set(i, { paused: false });
  }

  shiftClock(i: number, clockShiftMs: number): void {
    this.#member(i).api.process().send({ clockShiftMs });
  }

  /** The way to one replica, or to all. */
  setWires(i: number, wire: Wire, replica?: number): void {
    const { wires, carries } = this.#member(i);
    for (const to of wires.keys()) if (replica === undefined || replica === to) carries[to] = wire;
    this.#look();
    for (const [to, each] of wires.entries()) if (replica === undefined || replica === to) each.set(wire);
  }

  /**
   * Resolves when every API has told that it is fresh, but for those that are cut off still; or with those that did not in time.
   */
  async settled(waitMs: number): Promise<string[]> {
    const away = () =>
      this.members.filter((member) => member.away !== undefined && this.#reaches(member)).map(({ name }) => name);
    for (const deadline = moment() + waitMs; away().length > 0 && moment() < deadline; ) await sleep(50);
    return away();
  }

  /** Writes down the outages that have not ended. */
  async close(): Promise<void> {
    for (const member of this.members) {
      this.#end(member);
      for (const wire of member.wires) wire.close();
      member.running = false;
    }
    await Promise.all(this.members.map(({ api }) => api.kill()));
  }

  #member(i: number): Member {
    return this.members[i] as Member;
  }

  #set(i: number, change: Partial<Member>): void {
    Object.assign(this.#member(i), change);
    this.#look();
  }

  #reaches({ running, paused, carries }: Member): boolean {
    return running && !paused && carries.some((wire, i) => GOOD.includes(wire) && this.#cluster.works(i));
  }

  #look(): void {
    for (const member of this.members) {
      if (this.#reaches(member) || member.away !== undefined) continue;
      member.away = moment();
      void this.#untilFresh(member);
    }
  }

  async #untilFresh(member: Member): Promise<void> {
    while (member.away !== undefined) {
      await sleep(50);
      if (this.#reaches(member) && (await isFresh(member)) && this.#reaches(member)) this.#end(member);
    }
  }

  #end(member: Member): void {
    if (member.away === undefined) return;
    this.#history.write({ line: "outage", api: member.name, from: member.away, to: moment() });
    member.away = undefined;
  }

  #watch(member: Member): void {
    const running = member.api.process();
    void running.end.then((code) => {
      const meant = !member.running || member.api.process() !== running;
      if (!meant) this.surprises.push(`${member.name} ended by itself with ${code}: ${running.err().slice(-500)}`);
    });
  }
}

/** Its lease was renewed within the last second, and not merely left over from before it was cut off. */
async function isFresh({ api }: Member): Promise<boolean> {
  try {
    const status = await api.status();
    return status.every((each) => each.lease.remainingMs > markets[each.api as Market].leaseMs - 1_000);
  } catch {
    return false;
  }
}
