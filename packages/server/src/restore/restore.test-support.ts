/**
 * A database that is backed up and comes back, and verifiers that live through it: they remember what the feed brought them, as
 * real ones do, and tell it when they are asked.
 */
import { type KeyRecord, makeHandle } from "@keyover/core";
import { expect } from "vitest";
import { type Answer, random, SECOND, TestAuthority, TestClock } from "../authority.test-support.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { type MarkOptions, markRestored } from "./mark.ts";

interface Serializable {
  serialize(): Buffer;
}

export class Lineage {
  /** The authority that runs now. */
  keyover!: TestAuthority;
  readonly clock = new TestClock();
  readonly verifiers: RememberingVerifier[] = [];
  readonly #masterKey = random(32);
  #names = 0;
  #sqlite: Serializable | undefined;

  static async start(): Promise<Lineage> {
    const lineage = new Lineage();
    lineage.keyover = await TestAuthority.start({ ...lineage.#shared(), store: lineage.#open() });
    return lineage;
  }

  #shared() {
    return { clock: this.clock, masterKey: this.#masterKey };
  }

  #open(image?: Buffer): Store {
    return openMemoryStore({
      now: () => this.clock.at,
      ...(image === undefined ? {} : { image }),
      tune: (sqlite) => {
        this.#sqlite = sqlite;
      },
    });
  }

  /** Names that no restored database has. */
  async api(): Promise<Answer["body"]> {
    const n = ++this.#names;
    return this.keyover.api({ name: `guarded ${n}`, prefix: `gd${n}` });
  }

  async consumer(): Promise<Answer["body"]> {
    return this.keyover.consumer({ name: `holder ${++this.#names}` });
  }

  backup(): Buffer {
    return (this.#sqlite as Serializable).serialize();
  }

  /** The authority dies; another one starts on the backup. */
  async restore(
    image: Buffer,
    { marked = true, ...options }: Partial<MarkOptions> & { marked?: boolean } = {},
  ): Promise<void> {
    const { adminToken } = this.keyover;
    this.keyover.die();
    const store = this.#open(image);
    if (marked) await markRestored(store, { now: this.clock.at, random, ...options });
    this.keyover = await TestAuthority.start({ ...this.#shared(), store });
    this.keyover.adminToken = adminToken;
    for (const verifier of this.verifiers) verifier.serving = false;
  }

  /** The same database; the process died. */
  async crash(): Promise<void> {
    await this.keyover.crash();
  }

  async verifier(api: { id: string }, instance: string, token?: string): Promise<RememberingVerifier> {
    const held = token ?? (await this.keyover.token("verifier", { apis: [api.id] }));
    const verifier = new RememberingVerifier(this, api.id, held, instance);
    this.verifiers.push(verifier);
    await verifier.join();
    return verifier;
  }

  /** Seconds pass; the verifiers that are served follow and report; the authority does what is due. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    for (const verifier of this.verifiers) if (verifier.serving) await verifier.follow();
    await this.keyover.tick();
    for (const verifier of this.verifiers) if (verifier.serving) await verifier.follow();
    await this.keyover.tick();
  }

  async look(api: { id: string }): Promise<Answer["body"]> {
    return this.keyover.ok("GET", `/v1/apis/${api.id}/reconciliation`);
  }

  async differences(api: { id: string }): Promise<Answer["body"][]> {
    return (await this.keyover.ok("GET", `/v1/apis/${api.id}/reconciliation/keys?limit=500`)).items;
  }

  async choose(
    api: { id: string },
    choose: "verifiers" | "backup",
    more: Record<string, unknown> = {},
  ): Promise<Answer["body"]> {
    return this.keyover.ok("POST", `/v1/apis/${api.id}/reconciliation`, { choose, reason: "restored", ...more });
  }

  /** All verifiers tell what they know, the operator chooses, and all come back. */
  async reconcile(
    api: { id: string },
    choose: "verifiers" | "backup",
    more: Record<string, unknown> = {},
  ): Promise<void> {
    const ours = this.verifiers.filter((verifier) => verifier.apiId === api.id && verifier.alive);
    for (const verifier of ours) await verifier.comeBack();
    await this.choose(api, choose, more);
    await this.pass(SECOND);
    expect((await this.look(api)).state).toBe("served");
    for (const verifier of ours) expect(await verifier.comeBack()).toBe("welcome");
    await this.pass(SECOND);
  }
}

export interface Memory {
  records: Map<string, KeyRecord>;
  epoch: string;
  seq: number;
  aside: number;
  environments: string[];
}

/** Follows the wire's rules for replicas: never an older record over a newer one. */
export class RememberingVerifier {
  readonly apiId: string;
  readonly instance: string;
  readonly records: Map<string, KeyRecord> = new Map();
  epoch = "";
  environments: string[] = [];
  seq = 0;
  /** The highest number of a record that came by the side, ahead of the feed. */
  aside = 0;
  boot = "";
  serving = false;
  /** Comes back after a restore. */
  alive = true;
  /** It holds all keys; a cache never says that nothing is lacking. */
  whole = true;
  readonly #lineage: Lineage;
  readonly #token: string;
  #n = 0;
  #coveredTo = 0;

  constructor(lineage: Lineage, apiId: string, token: string, instance: string) {
    this.#lineage = lineage;
    this.apiId = apiId;
    this.#token = token;
    this.instance = instance;
  }

  call(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.#lineage.keyover.call(method, `/v1/apis/${this.apiId}${path}`, body, { token: this.#token });
  }

  async join(): Promise<void> {
    expect(await this.comeBack()).toBe("welcome");
  }

  /** Registers with what is held; if it is asked, tells what it remembers. Answers the code of the refusal, or `welcome`. */
  async comeBack(): Promise<string> {
    const { clock } = this.#lineage;
    this.boot = makeHandle("boot", clock.at, random);
    const holds =
      this.seq === 0 ? {} : { holds: { epoch: this.epoch, seq: this.#newest(), followed: this.#followed() } };
    const body = { boot: this.boot, instance: this.instance, software: "test", ...holds };
    const answer = await this.call("POST", "/verifiers", body);
    if (answer.status !== 200) {
      if (answer.body.code === "reconciling" && this.#newest() > answer.body.after) await this.tell(answer.body.after);
      return answer.body.code;
    }
    this.#n = 0;
    this.#coveredTo = answer.body.now;
    this.environments = answer.body.environments;
    if (answer.body.epoch !== this.epoch || this.seq === 0) await this.#snapshot();
    if (answer.body.epoch !== this.epoch) this.aside = 0;
    this.epoch = answer.body.epoch;
    this.serving = true;
    await this.follow();
    return "welcome";
  }

  async tell(after: number, partSize = 500): Promise<void> {
    const records = [...this.records.values()].filter(({ seq }) => seq > after);
    const parts = Math.max(1, Math.ceil(records.length / partSize));
    for (let n = 1; n <= parts; n++) {
      const answer = await this.call("POST", "/remembered", {
        instance: this.instance,
        epoch: this.epoch,
        seq: this.#newest(),
        followed: this.#followed(),
        n,
        last: n === parts,
        records: records.slice((n - 1) * partSize, n * partSize),
      });
      expect(answer.status, answer.text).toBe(200);
    }
  }

  /** What it holds at this moment. */
  memory(): Memory {
    const { epoch, seq, aside, environments } = this;
    return { records: new Map(this.records), epoch, seq, aside, environments };
  }

  /** As if nothing had happened since. */
  recall({ records, ...rest }: Memory): void {
    Object.assign(this, rest);
    this.records.clear();
    for (const [key, record] of records) this.records.set(key, record);
  }

  /** The answer to a question about a key, before the feed has brought it. */
  async learn(key: { id: string }): Promise<void> {
    const record = (await this.#lineage.keyover.store.recordOfKey(key.id)) as KeyRecord;
    this.put(record);
    this.aside = Math.max(this.aside, record.seq);
  }

  #newest(): number {
    return Math.max(this.seq, this.aside);
  }

  #followed(): number {
    return this.whole ? this.seq : 0;
  }

  put(record: KeyRecord): void {
    if (record.seq > (this.records.get(record.key)?.seq ?? 0)) this.records.set(record.key, record);
  }

  async #snapshot(): Promise<void> {
    const { text } = await this.call("GET", "/snapshot");
    const [head, ...rest] = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const records: KeyRecord[] = rest.slice(0, -1);
    for (const record of records) this.put(record);
    const present = new Set(records.map(({ key }) => key));
    for (const [key, { seq }] of this.records) if (seq <= head.seq && !present.has(key)) this.records.delete(key);
    expect(head.seq, "the feed went back").toBeGreaterThanOrEqual(this.seq);
    this.seq = head.seq;
  }

  /** What is new, read at once; acknowledged and reported. */
  async follow(): Promise<void> {
    for (const { seq, record } of await this.#lineage.keyover.store.feedAfter(this.apiId, this.seq, 10_000)) {
      expect(seq, "a gap in the feed").toBe(this.seq + 1);
      if (record !== undefined && this.environments.includes(record.environment)) this.put(record);
      this.seq = seq;
    }
    const to = this.#lineage.clock.at;
    const { boot, seq: applied } = this;
    expect((await this.call("POST", "/acks", { boot, applied })).status).toBe(200);
    const report = { boot, n: ++this.#n, from: this.#coveredTo, to, applied, sightings: this.#sightings.splice(0) };
    const answer = await this.call("POST", "/reports", report);
    expect(answer.status, answer.text).toBe(200);
    this.#coveredTo = to;
    await this.#lineage.clock.advance(0);
  }

  readonly #sightings: object[] = [];

  see(key: string, version: number, at: number = this.#lineage.clock.at): void {
    const source = { network: "203.0.113.0/24", client: "bot/1", instance: "" };
    this.#sightings.push({ key, version, source, first: at, last: at, accepted: 1, refused: 0, longestGapMs: 0 });
  }

  /** The states of a key's versions as this verifier decides on them; undefined for a key that it lacks. */
  states(key: string): Record<number, string> | undefined {
    const record = this.records.get(key);
    if (record === undefined) return undefined;
    if (record.status !== "active") return { 0: record.status };
    return Object.fromEntries(
      record.versions.map(({ number, state, compromised }) => [number, compromised ? `${state}!` : state]),
    );
  }
}
