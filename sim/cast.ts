/** Everybody in one simulation: authorities on one database, servers of the API, consumers, operators; and how they come to be. */
import { makeKeyText, sha256Text } from "@keyover/core";
import { markRestored } from "../packages/server/src/restore/mark.ts";
import { ApiServer, SCOPES } from "./api-server.ts";
import { AuthorityNode } from "./authority-node.ts";
import { Caller } from "./caller.ts";
import type { Chance } from "./chance.ts";
import { checkStanding } from "./check-emergency.ts";
import { checkHandOut } from "./check-hand-out.ts";
import { Consumer } from "./consumer.ts";
import type { ChannelPlan } from "./control-options.ts";
import type { SimDatabase } from "./database.ts";
import { ask } from "./http-server.ts";
import type { Model } from "./model.ts";
import type { Network } from "./network.ts";
import type { ConsumerPlan, Options } from "./options.ts";
import { makePlans, planOf, TOGETHER_MS } from "./plan-deeds.ts";
import { TIERS } from "./policy-deeds.ts";
import { Machine, type Mishaps, Process } from "./process.ts";
import { Receiver } from "./receiver.ts";
import { RestoreWatch } from "./restore-watch.ts";
import { storeOf } from "./store.ts";
import type { VirtualTime } from "./time.ts";
import { CommitWitness } from "./witness.ts";

export interface CastParts {
  options: Options;
  chance: Chance;
  time: VirtualTime;
  model: Model;
  network: Network;
  database: SimDatabase;
  mishaps: Mishaps;
  onDeath: (process: Process) => void;
}

/** Of a key that only verifiers remember: its own policy is lost. All others have theirs. */
const RECOVERED = {
  overlapMinMs: 2_000,
  overlapMs: 10_000,
  quietMs: 2_000,
  gapMargin: 1,
  rollbackMs: 1_000,
  claimMs: 60_000,
};

export class Cast {
  readonly authorities: AuthorityNode[] = [];
  readonly servers: ApiServer[] = [];
  readonly consumers: Consumer[] = [];
  readonly receivers: Receiver[] = [];
  readonly callers: Caller[] = [];
  /** Who may change policies. */
  readonly administrators: Caller[] = [];
  readonly processes: Process[] = [];
  /** Consumers without a key. */
  readonly #spare: { consumer: string; token: string }[] = [];
  readonly masterKey: Uint8Array;
  readonly #parts: CastParts;
  readonly restores: RestoreWatch;
  readonly #witness: CommitWitness;
  #starts = 0;
  #admin = "";
  #verifierToken = "";
  readonly apis: string[] = [];
  readonly #consumerIds: string[] = [];

  constructor(parts: CastParts) {
    this.#parts = parts;
    this.masterKey = parts.chance.fork("master key").bytes(32);
    this.restores = new RestoreWatch(parts.model, this.servers);
    this.#witness = new CommitWitness(parts.model, this.restores, this.servers);
  }

  readonly #start = (machine: Machine, name: string = machine.name, about?: string): Process => {
    const { time, chance, model, mishaps, onDeath } = this.#parts;
    const { history } = model;
    const own = chance.fork(`${name} ${++this.#starts}`);
    const process = new Process({ name, machine, time, chance: own, history, about, mishaps });
    process.onDeath(() => onDeath(process));
    this.processes.push(process);
    history.note(name, "starts", about);
    return process;
  };

  async setUp(): Promise<void> {
    const { options, chance, database, model, network } = this.#parts;
    for (let i = 1; i <= options.authorities; i++) {
      const node = new AuthorityNode({
        name: `authority-${i}`,
        masterKey: this.masterKey,
        leaseMs: options.authorityLeaseMs,
        start: this.#start,
        storeFor: (process) =>
          storeOf(database.store, process, database, this.#witness, chance.fork(`store ${process.name}`)),
        mayStart: () => !database.closed,
        resolve: (process, host) => this.#resolve(process, host),
        fetchFor: (process) => network.fetchOf(process),
        onAnswer: (request, answer) => {
          checkHandOut(model, this.servers, request, answer);
          checkStanding(model, this.servers, request, answer);
        },
      });
      this.#place(node);
      this.authorities.push(node);
      await this.#during(node.start());
    }
    const secret = await this.#during(this.#first.firstToken());
    this.#admin = secret?.reveal() ?? "";
    await this.#fillIn();
  }

  /** As `keyover restore --mark` does, before anybody is served from the database that was brought back. */
  readonly markRestored = async (): Promise<void> => {
    const { database, time, chance, model } = this.#parts;
    const own = chance.fork(`restore ${++this.#starts}`);
    const machine = new Machine("restore");
    const parts = { name: "restore", machine, time, chance: own, history: model.history, mishaps: () => undefined };
    const process = new Process(parts);
    const store = storeOf(database.store, process, { full: false, bellsLost: 0 }, this.#witness, own);
    await markRestored(store, { now: await store.now(), random: own.bytes });
    process.kill();
  };

  async #fillIn(): Promise<void> {
    const { options, network, model, time } = this.#parts;
    for (let i = 1; i <= options.apis; i++) {
      const api = await this.#must("POST", "/v1/apis", {
        name: `api ${i}`,
        prefix: `mk${i}`,
        environments: ["live"],
        scopes: [...SCOPES],
        staleness: options.staleness,
        policy: RECOVERED,
      });
      const id = api.id as string;
      this.apis.push(id);
      await makePlans(options, `/v1/apis/${id}`, (method, path, body) => this.#must(method, path, body));
    }
    this.#verifierToken = await this.#token("verifier", { apis: this.apis });
    for (let i = 1; i <= 3; i++) {
      const token = await this.#token("operator", {});
      const process = this.#start(new Machine(`operator-${i}`));
      this.callers.push(new Caller(process, network, token, () => this.#someAuthority()));
    }
    for (let i = 0; i < options.verifiers; i++) this.addServer();
    if (model.plans.on) await this.#during(time.sleep(TOGETHER_MS));
    for (const [i, plan] of options.consumers.entries()) await this.#addConsumer(`consumer-${i + 1}`, plan);
    for (let i = 1; i <= options.newKeys; i++) this.#spare.push(await this.#holder(`spare ${i}`));
    for (const plan of options.channels) await this.#addReceiver(plan);
    for (let i = 1; i <= (options.policyDeeds.length + options.planDeeds.length > 0 ? 2 : 0); i++) {
      const process = this.#start(new Machine(`administrator-${i}`));
      this.administrators.push(new Caller(process, network, this.#admin, () => this.#someAuthority()));
    }
  }

  async #addReceiver(plan: ChannelPlan): Promise<void> {
    const { model, chance, network } = this.#parts;
    const name = `hook-${this.receivers.length + 1}.example`;
    const own = chance.fork(name);
    const receiver = new Receiver({ name, temper: plan.temper, model, chance: own, start: this.#start });
    network.serve(name, receiver);
    const { events, severity, digestMs, quiet, ofConsumer, escalates } = plan;
    const consumer = ofConsumer ? own.pick(this.#consumerIds) : null;
    const before = this.receivers.findLast(({ operators }) => operators);
    this.receivers.push(receiver);
    receiver.operators = !ofConsumer;
    const escalate =
      escalates && before !== undefined && !ofConsumer ? { channel: before.channel, afterMs: 60_000 } : null;
    const target = { kind: "webhook", url: receiver.url };
    const made = await this.#must("POST", "/v1/channels", {
      name,
      target,
      consumer,
      events,
      severity,
      digestMs,
      quiet,
      escalate,
    });
    receiver.channel = made.id as string;
    receiver.learn(made.secret as string, true);
  }

  /** As an answer of the DNS: after a while, or none. */
  #resolve(process: Process, host: string): Promise<string[]> {
    const receiver = this.receivers.find(({ machine }) => machine.name === host);
    return new Promise((resolve, reject) => {
      process.clock.after(5, () => {
        try {
          resolve(receiver?.addresses() ?? []);
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  readonly addServer = (): void => {
    const { model, network, chance, options } = this.#parts;
    const { caches } = options;
    const server = new ApiServer({
      name: `server-${this.servers.length + 1}`,
      apis: this.apis,
      token: this.#verifierToken,
      // Some know one authority, some all of them.
      journalLineBytes: options.journalLineBytes,
      costs: model.plans.on ? options.costs : undefined,
      cacheKeys: caches[this.servers.length % caches.length] ?? 0,
      urls: () => (chance.happens(0.5) ? [this.#someAuthority()] : this.#allAuthorities()),
      model,
      network,
      start: this.#start,
    });
    this.#place(server);
    this.servers.push(server);
    server.start();
  };

  async #addConsumer(name: string, plan: ConsumerPlan): Promise<void> {
    const holder = await this.#holder(name);
    const key = await this.#must("POST", "/v1/keys", this.#newKey(holder.consumer, plan));
    this.#enter(name, plan, holder.token, key.id as string, key.secret as string);
  }

  async #holder(name: string): Promise<{ consumer: string; token: string }> {
    const labels =
      this.#parts.options.policyDeeds.length > 0 ? { tier: this.#parts.chance.fork(name).pick(TIERS) } : {};
    const consumer = (await this.#must("POST", "/v1/consumers", { name, labels })).id as string;
    this.#consumerIds.push(consumer);
    return { consumer, token: await this.#token("consumer", { consumer }) };
  }

  #newKey(consumer: string, plan: ConsumerPlan) {
    return {
      api: this.#parts.chance.pick(this.apis),
      environment: "live",
      consumer,
      scopes: plan.narrow ? ["market:read"] : ["market:*", "trade:write"],
      networks: plan.networks ? ["10.0.0.0/8"] : [],
      policy: this.#inherits(consumer) ? { claim: plan.claim } : { ...plan.policy, claim: plan.claim },
      expiresAt: this.#expiryOf(consumer),
      ...(this.#parts.model.plans.on
        ? { plan: planOf(this.#parts.chance.fork(`plan ${consumer}`), this.#parts.options) }
        : {}),
    };
  }

  /** Where there are policies, half of all keys say nothing of their own. */
  #inherits(consumer: string): boolean {
    const { options, chance } = this.#parts;
    return options.policyDeeds.length > 0 && chance.fork(`inherits ${consumer}`).happens(0.5);
  }

  #expiryOf(consumer: string): number | null {
    const { options, chance, time } = this.#parts;
    const own = chance.fork(`expires ${consumer}`);
    if (!options.policyDeeds.includes("expire") || !own.happens(0.35)) return null;
    return Math.floor(time.at + own.between(6_000, 20_000));
  }

  #enter(name: string, plan: ConsumerPlan, token: string, key: string, secret: string): void {
    const { model, network } = this.#parts;
    const consumer = new Consumer({
      name,
      key,
      secret,
      token,
      plan,
      authorityUrl: () => this.#someAuthority(),
      apiHost: this.#someServer,
      model,
      network,
      start: this.#start,
    });
    this.#skew(consumer.machine);
    this.consumers.push(consumer);
    consumer.start();
  }

  readonly #someServer = (): string | undefined =>
    this.#parts.chance.pick(this.servers.filter(({ gone }) => !gone))?.machine.name;

  /** A key that is made while everything else goes on, and used at once; or before, if its consumer made the secret. */
  async addKey(): Promise<void> {
    const { chance, options } = this.#parts;
    const holder = this.#spare.shift();
    const caller = chance.pick(this.callers);
    if (holder === undefined) return;
    const name = `consumer-${this.consumers.length + 1}`;
    const plan = { ...chance.pick(options.consumers), everyMs: 300 };
    const wanted = this.#newKey(holder.consumer, plan);
    const prefix = `mk${this.apis.indexOf(wanted.api) + 1}`;
    const own = chance.happens(0.5) ? makeKeyText(prefix, "live", chance.bytes) : undefined;
    for (const { gone, machine } of own === undefined ? [] : this.servers)
      if (!gone) await caller.present(machine.name, own as string);
    if (own !== undefined && options.faults.length > 0 && chance.happens(0.5))
      this.#deafen(chance.between(2_000, 6_000));
    const made = await caller.call(
      "POST",
      "/v1/keys",
      own === undefined ? wanted : { ...wanted, sha256: sha256Text(own) },
    );
    const secret = own ?? (made?.body?.secret as string | null | undefined);
    if (made?.status === 201 && secret != null) this.#enter(name, plan, holder.token, made.body.id as string, secret);
  }

  /** A server that hears nothing from any authority for a while. */
  #deafen(ms: number): void {
    const { time, network } = this.#parts;
    const server = this.#someServer();
    if (server === undefined) return;
    for (const { machine } of this.authorities) network.block(machine.name, server);
    time.after(ms, () => {
      for (const { machine } of this.authorities) network.heal(machine.name, server);
    });
  }

  /** An operator's word that a server is gone, for each api. */
  async removeBoots(server: ApiServer): Promise<void> {
    const [caller] = this.callers;
    for (const api of this.apis) {
      const list = await caller?.call("GET", `/v1/apis/${api}/verifiers`);
      const boots = (list?.body?.items ?? []) as { boot: string; instance: string }[];
      for (const { boot, instance } of boots)
        if (instance === server.machine.name) await caller?.call("DELETE", `/v1/apis/${api}/verifiers/${boot}`);
    }
  }

  /** A call past the network, by an administrator unless it brings another token. */
  readonly call = async (
    method: string,
    path: string,
    body: object,
    { token = this.#admin, once }: { token?: string; once?: string } = {},
  ): Promise<{ status: number; body: string }> => {
    const headers: Record<string, string> = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    if (once !== undefined) headers["idempotency-key"] = once;
    const request = { method, path, headers, body: JSON.stringify(body), from: "operator-0" };
    const answer = await this.#during(ask(this.#first.app, request));
    return { status: answer.status, body: answer.body ?? "" };
  };

  get someApi(): string {
    return this.#parts.chance.pick(this.apis);
  }

  #place(node: AuthorityNode | ApiServer): void {
    this.#skew(node.machine);
    this.#parts.network.serve(node.machine.name, node);
  }

  #skew(machine: Machine): void {
    const { chance, options } = this.#parts;
    const own = chance.fork(`skew ${machine.name}`);
    machine.skew = own.between(-1, 1) * options.skewMs;
    machine.drift = own.between(-1, 1) * options.drift;
  }

  #someAuthority(): string {
    return this.#parts.chance.pick(this.authorities).url;
  }

  #allAuthorities(): string[] {
    const urls = this.authorities.map(({ url }) => url);
    const first = this.#parts.chance.whole(0, urls.length - 1);
    return [...urls.slice(first), ...urls.slice(0, first)];
  }

  get #first() {
    const authority = this.authorities[0]?.authority;
    if (authority === undefined) throw new Error("no authority is up");
    return authority;
  }

  async #token(role: string, more: object): Promise<string> {
    return (await this.#must("POST", "/v1/tokens", { name: role, role, ...more })).secret as string;
  }

  /** A call that must succeed, past the network. */
  async #must(method: string, path: string, body: object): Promise<Record<string, unknown>> {
    const answer = await this.call(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.body}`);
    return JSON.parse(answer.body) as Record<string, unknown>;
  }

  /** Lets time pass until the work is done. */
  async #during<T>(work: Promise<T>): Promise<T> {
    const { time } = this.#parts;
    let done = false;
    const finished = work.finally(() => {
      done = true;
    });
    finished.catch(() => {});
    for (let i = 0; !done && i < 2_000; i++) await time.runUntil(time.at + 10, () => done);
    return finished;
  }
}
