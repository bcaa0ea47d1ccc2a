/** What goes wrong from outside: kills, stops, partitions, clocks, disks, at drawn moments. Each is undone after a while, and all of it in `heal`. */
import type { ApiServer } from "./api-server.ts";
import type { AuthorityNode } from "./authority-node.ts";
import type { Chance } from "./chance.ts";
import type { Consumer } from "./consumer.ts";
import type { Network } from "./network.ts";
import type { FaultKind, Options } from "./options.ts";
import type { Process } from "./process.ts";
import type { Receiver } from "./receiver.ts";
import type { DatabaseState } from "./store.ts";
import type { VirtualTime } from "./time.ts";

export interface Stage {
  time: VirtualTime;
  chance: Chance;
  options: Options;
  network: Network;
  database: DatabaseState;
  authorities: AuthorityNode[];
  servers: ApiServer[];
  consumers: Consumer[];
  receivers: Receiver[];
  note: (what: string) => void;
  addServer: () => void;
  /** An operator's word that this server is gone, which is true. */
  removeDead: (server: ApiServer) => void;
}

export class Nemesis {
  readonly #stage: Stage;
  #over = false;
  readonly counts = new Map<string, number>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  begin(): void {
    const { options, time, chance } = this.#stage;
    if (options.faults.length === 0) return;
    time.after(options.faultEveryMs * chance.between(0.2, 1.8), () => {
      if (this.#over) return;
      this.#strike(chance.pick(options.faults));
      this.begin();
    });
  }

  #strike(kind: FaultKind): void {
    const { chance, authorities, servers, consumers, database } = this.#stage;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    const server = chance.pick(servers.filter(({ gone }) => !gone));
    const authority = chance.pick(authorities);
    const consumer = chance.pick(consumers);
    const strikes: Record<FaultKind, () => void> = {
      "kill-authority": () => this.#kill(authority),
      "kill-verifier": () => this.#killServer(server, () => {}),
      "power-cut-verifier": () => this.#killServer(server, () => server.platter.powerCut(chance)),
      "fresh-disk": () => this.#killServer(server, () => server.platter.erase()),
      "old-disk": () => this.#oldDisk(server),
      "kill-consumer": () => this.#killConsumer(consumer, false),
      "power-cut-consumer": () => this.#killConsumer(consumer, true),
      "stop-authority": () => this.#stop(authority.process),
      "stop-verifier": () => this.#stop(server.process),
      "stop-consumer": () => this.#stop(chance.pick(consumer.instances).process),
      "partition-one-way": () => this.#partition(1),
      "partition-both-ways": () => this.#partition(2),
      isolate: () => this.#isolate(chance.happens(0.5) ? authority.machine.name : server.machine.name),
      "cut-streams": () => this.#stage.network.cutStreams(authority.machine.name),
      "trickling-stream": () => this.#trickle(server.machine.name),
      "step-clock": () => this.#stepClock(),
      "authority-disk-full": () => this.#fill((full) => (database.full = full)),
      "verifier-disk-full": () => this.#fill((full) => (server.platter.full = full)),
      "consumer-disk-full": () => this.#fill((full) => (consumer.diskFull = full)),
      "new-verifier": () => this.#newServer(),
      "close-verifier": () => this.#close(server),
      "remove-dead-verifier": () => this.#removeDead(server),
    };
    strikes[kind]();
  }

  /** Everything works again; who is down comes up. */
  heal(): void {
    this.#over = true;
    const { network, database, authorities, servers, consumers } = this.#stage;
    network.weather = { delayMinMs: 1, delayMaxMs: 10, loss: 0, duplicates: 0, slow: 0, slowMs: 0 };
    network.healAll();
    network.endTrickles();
    database.full = false;
    for (const consumer of consumers) consumer.diskFull = false;
    for (const server of servers) server.platter.full = false;
    for (const authority of authorities) void authority.start();
    for (const server of servers) server.start();
    for (const consumer of consumers) consumer.start();
  }

  /** Short against a lease as often as long. */
  #while(): number {
    const { leaseMs, staticMs } = this.#stage.options.staleness;
    return this.#stage.chance.pick([0.1, 0.4, 1, 2]) * leaseMs + (this.#stage.chance.happens(0.3) ? staticMs : 0);
  }

  #later(ms: number, undo: () => void): void {
    this.#stage.time.after(ms, () => {
      if (!this.#over) undo();
    });
  }

  #kill(authority: AuthorityNode): void {
    authority.process?.kill();
    this.#later(this.#while(), () => void authority.start());
  }

  #killServer(server: ApiServer, meanwhile: () => void): void {
    server.process?.kill();
    meanwhile();
    this.#later(this.#while(), () => server.start());
  }

  #oldDisk(server: ApiServer): void {
    if (this.#stage.chance.happens(0.4)) server.platter.backUp();
    else this.#killServer(server, () => server.platter.restore(this.#stage.chance));
  }

  #killConsumer(consumer: Consumer, powerCut: boolean): void {
    consumer.kill(powerCut);
    this.#later(this.#while(), () => consumer.start());
  }

  #stop(process: Process | undefined): void {
    process?.stop(this.#while());
  }

  #hosts(): string[] {
    const { authorities, servers, consumers, receivers } = this.#stage;
    return [...authorities, ...servers, ...consumers, ...receivers].map(({ machine }) => machine.name);
  }

  #partition(ways: 1 | 2): void {
    const { chance, network, authorities, note } = this.#stage;
    const [one, other] = [chance.pick(authorities).machine.name, chance.pick(this.#hosts())];
    const [from, to] = chance.happens(0.5) ? [one, other] : [other, one];
    note(`partition: ${from} ${ways === 1 ? "can't reach" : "and"} ${to}`);
    network.block(from, to);
    if (ways === 2) network.block(to, from);
    this.#later(this.#while(), () => {
      note(`healed: ${from}, ${to}`);
      network.heal(from, to);
      network.heal(to, from);
    });
  }

  #trickle(host: string): void {
    const { network, note, chance } = this.#stage;
    const ms = chance.pick([300, 1_200, 2_500]);
    note(`the feed reaches ${host} one piece in ${ms} ms`);
    network.trickle(host, ms);
  }

  #isolate(host: string): void {
    const { network, note } = this.#stage;
    const others = this.#hosts().filter((other) => other !== host);
    note(`partition: ${host} is alone`);
    for (const other of others) {
      network.block(host, other);
      network.block(other, host);
    }
    this.#later(this.#while(), () => {
      note(`healed: ${host}`);
      for (const other of others) {
        network.heal(host, other);
        network.heal(other, host);
      }
    });
  }

  #stepClock(): void {
    const { chance, authorities, servers, consumers, note } = this.#stage;
    const { machine } = chance.pick([...authorities, ...servers, ...consumers]);
    const ms = chance.pick([-3_600_000, -60_000, -5_000, 5_000, 60_000, 3_600_000]) * chance.unit();
    note(`the clock of ${machine.name} is set by ${Math.round(ms)} ms`);
    machine.step(ms);
  }

  #fill(set: (full: boolean) => void): void {
    this.#stage.note("a disk is full");
    set(true);
    this.#later(this.#while(), () => set(false));
  }

  #newServer(): void {
    if (this.#stage.servers.length < 8) this.#stage.addServer();
  }

  #close(server: ApiServer): void {
    if (this.#stage.servers.filter(({ gone }) => !gone).length > 1 && server.up) server.close();
  }

  #removeDead(server: ApiServer): void {
    if (this.#stage.servers.filter(({ gone }) => !gone).length <= 1) return;
    server.gone = true;
    server.process?.kill();
    this.#later(300, () => this.#stage.removeDead(server));
  }
}
