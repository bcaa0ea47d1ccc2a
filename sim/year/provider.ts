/**
 * A provider under virtual time: a real authority with its real HTTP app and store, under virtual time, and verifiers that speak the wire protocol, decide with core's
 * `judge` on what the authority sent them, and report when they are told to. A real verifier reports each second; in a year that would be 30 million reports.
 */
import {
  type Clock,
  type HeldKey,
  holdKey,
  judge,
  type KeyRecord,
  makeHandle,
  type Sighting,
  sha256Text,
  truncatedNetwork,
} from "@keyover/core";
import { type Authority, createAuthority } from "../../packages/server/src/authority.ts";
import { openMemoryStore } from "../../packages/server/src/store/sqlite.ts";
import type { Chance } from "../chance.ts";
import { VirtualTime } from "../time.ts";
import { FROM } from "./rhythms.ts";

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at member by member
type Body = any;

export interface Caller {
  network: string;
  client: string;
  instance?: string | undefined;
}

export class Provider {
  readonly time: VirtualTime = new VirtualTime();
  #authority!: Authority;
  /** The first administrator's. */
  token = "";
  /** Something was committed since verifiers read last. */
  #changed = true;

  readonly #chance: Chance;

  private constructor(chance: Chance) {
    this.#chance = chance;
  }

  readonly random = (length: number): Uint8Array => this.#chance.bytes(length);

  readonly clock: Clock = {
    now: () => this.time.at,
    elapsed: () => this.time.at - FROM,
    after: (delayMs, run) => {
      const happening = this.time.after(delayMs, run);
      return () => {
        happening.run = undefined;
      };
    },
  };

  static async start(chance: Chance): Promise<Provider> {
    const provider = new Provider(chance);
    const { time, random, clock } = provider;
    time.at = FROM;
    const store = openMemoryStore({ now: () => time.at });
    const watched = {
      ...store,
      commit: (batch: Parameters<typeof store.commit>[0]) => {
        provider.#changed = true;
        return store.commit(batch);
      },
    };
    const world = {
      clock,
      random,
      log: () => {},
      fetch: () => Promise.reject(new Error("no network")),
    };
    provider.#authority = await createAuthority(world, watched, {
      masterKey: random(32),
      logger: false,
      trustProxy: true,
    });
    provider.token = (await provider.#authority.firstToken())?.reveal() ?? "";
    return provider;
  }

  /** Time passes only where somebody waits for a timer. */
  async during<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finished = work.finally(() => {
      done = true;
    });
    finished.catch(() => {});
    for (let turns = 0; !done; turns++) await this.time.runUntil(this.time.at + (turns < 30 ? 0 : 1), () => done);
    return finished;
  }

  /** Its URL, for whoever comes by a socket. */
  async listen(): Promise<string> {
    return this.#authority.app.listen({ host: "127.0.0.1", port: 0 });
  }

  async call(
    method: "GET" | "POST",
    url: string,
    body?: unknown,
    token: string = this.token,
  ): Promise<{ status: number; text: string }> {
    const answer = await this.during(
      this.#authority.app.inject({
        method,
        url,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
      }),
    );
    return { status: answer.statusCode, text: answer.body };
  }

  /** A call that must succeed; its answer. */
  async ok(method: "GET" | "POST", url: string, body?: unknown, token?: string): Promise<Body> {
    const { status, text } = await this.call(method, url, body, token);
    if (status >= 300) throw new Error(`${method} ${url}: ${status} ${text}`);
    return JSON.parse(text);
  }

  /** The verifiers report, the authority looks at what is due, the verifiers take what came of it; until nothing more does. */
  async settle(verifiers: readonly WireVerifier[]): Promise<void> {
    for (const verifier of verifiers) await verifier.report();
    for (let rounds = 0; rounds < 10; rounds++) {
      await this.#tick();
      if (!this.#changed) return;
      this.#changed = false;
      for (const verifier of verifiers) await verifier.read();
    }
    throw new Error("the authority does not come to rest");
  }

  /** Twice: with the first it takes its work up again, after so long a time. */
  async #tick(): Promise<void> {
    for (let i = 0; i < 2; i++) {
      await this.during(this.#authority.tick());
      await this.time.runUntil(this.time.at, () => false);
    }
  }

  async close(): Promise<void> {
    await this.during(this.#authority.close());
  }
}

/** One boot after the other, under one instance name. */
export class WireVerifier {
  readonly #provider: Provider;
  readonly #path: string;
  readonly #token: string;
  readonly instance: string;
  #boot = "";
  #n = 0;
  coveredTo = 0;
  #applied = 0;
  #held: Map<string, HeldKey> = new Map();
  #sightings: Map<string, Sighting> = new Map();

  constructor(provider: Provider, apiId: string, token: string, instance: string) {
    this.#provider = provider;
    this.#path = `/v1/apis/${apiId}`;
    this.#token = token;
    this.instance = instance;
  }

  async register(): Promise<void> {
    this.#boot = makeHandle("boot", this.#provider.time.at, this.#provider.random);
    const registration = { boot: this.#boot, instance: this.instance, software: "year" };
    const { now } = await this.#provider.ok("POST", `${this.#path}/verifiers`, registration, this.#token);
    this.#n = 0;
    this.coveredTo = now;
    this.#sightings = new Map();
    await this.read();
  }

  /** The whole of what is in force, and the acknowledgement. */
  async read(): Promise<void> {
    const { text } = await this.#provider.call("GET", `${this.#path}/snapshot`, undefined, this.#token);
    const [head, ...records] = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    this.#applied = head.seq;
    this.#held = new Map(records.slice(0, -1).map((record: KeyRecord) => [record.key, holdKey(record)]));
    await this.#provider.ok("POST", `${this.#path}/acks`, { boot: this.#boot, applied: this.#applied }, this.#token);
  }

  record(key: string): KeyRecord | undefined {
    return this.#held.get(key)?.record;
  }

  /** Which key and version this text is, if it is held. */
  find(text: string): { key: string; version: number } | undefined {
    const sha256 = sha256Text(text);
    for (const { record } of this.#held.values()) {
      const version = record.versions.find((each) => each.sha256 === sha256);
      if (version !== undefined) return { key: record.key, version: version.number };
    }
    return undefined;
  }

  /** Decides on a call at `at`, and counts it. */
  decide(key: string, version: number, caller: Caller, at: number): boolean {
    const presented = this.#held.get(key)?.versions.find((held) => held.version.number === version);
    if (presented === undefined) return false;
    const { network } = caller;
    const { valid } = judge(presented, { environment: "live", scope: "market:read", network }, at);
    this.#count(key, version, caller, at, valid);
    return valid;
  }

  #count(key: string, version: number, { network, client, instance = "" }: Caller, at: number, valid: boolean): void {
    const source = { network: truncatedNetwork(network), client, instance };
    const name = `${key} ${version} ${network} ${client} ${instance}`;
    const seen = this.#sightings.get(name) ?? {
      key,
      version,
      source,
      first: at,
      last: at,
      accepted: 0,
      refused: 0,
      longestGapMs: 0,
    };
    seen.longestGapMs = Math.max(seen.longestGapMs, at - seen.last);
    seen.last = at;
    if (valid) seen.accepted++;
    else seen.refused++;
    this.#sightings.set(name, seen);
  }

  /** All since the last one; `twice`: the answer was lost on the way. */
  async report(twice = false): Promise<void> {
    const to = this.#provider.time.at;
    const sightings = [...this.#sightings.values()];
    const report = { boot: this.#boot, n: this.#n + 1, from: this.coveredTo, to, applied: this.#applied, sightings };
    for (let i = 0; i < (twice ? 2 : 1); i++)
      await this.#provider.ok("POST", `${this.#path}/reports`, report, this.#token);
    this.#n++;
    this.coveredTo = to;
    this.#sightings = new Map();
  }
}
