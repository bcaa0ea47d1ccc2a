/**
 * The world around an authority that dies: a key, its holder, two verifiers, an operator that asks again until answered. It is plain data
 * (`Outside`), so that it can be kept with the wreck and go on with the next process. A scenario is a list of steps; the one that was
 * under way when the process died is done again, as real clients and verifiers would: the same request with the same Idempotency-Key, the
 * same report with the same number.
 */
import { deserialize, serialize } from "node:v8";
import { makeHandle, makeKeyText, type Rotation, type Sighting, sha256Text } from "@keyover/core";
import { expect } from "vitest";
import { HOUR, MINUTE, random, SECOND, TestAuthority, TestClock } from "./authority.test-support.ts";
import { MortalStore, type Wreck } from "./crash-points.test-support.ts";
import { ScriptedVerifier } from "./verifier.test-support.ts";

/** What the world knows that no crash of the authority can take from it. */
export interface Outside {
  at: number;
  /** The step of the scenario under way. */
  step: number;
  /** The end of the time that is passing. */
  until: number | undefined;
  masterKey: Uint8Array;
  adminToken: string;
  apiId: string;
  consumerId: string;
  holder: string;
  keyId: string;
  /** A secret of the consumer's own making. */
  own: string;
  asked: Record<string, Asked>;
  /** Each secret that reached a client, as often as it did. */
  handed: Handed[];
  verifiers: VerifierState[];
}

export interface Ask {
  path: string;
  body: unknown;
  /** The operator asks, unless the key's holder does. */
  by?: "holder" | undefined;
}

/** A request with an Idempotency-Key, and its answer once it arrived. */
export interface Asked extends Ask {
  status: number | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at member by member
  answer: any;
}

export interface Handed {
  keyId: string;
  version: number;
  secret: string;
}

type Memory = Pick<ScriptedVerifier, "boot" | "n" | "coveredTo" | "applied" | "records" | "sightings">;

interface VerifierState {
  token: string;
  instance: string;
  memory: Memory;
  /** Sent and not answered: to be sent again as it is. */
  pending: { n: number; from: number; to: number; applied: number; sightings: Sighting[] } | undefined;
}

/** Minutes, not days; no lease ends while verifiers are silent for minutes. */
const POLICY = {
  overlapMinMs: MINUTE,
  overlapMs: HOUR,
  quietMs: 2 * MINUTE,
  rollbackMs: 5 * MINUTE,
  claimMs: HOUR,
};
const STALENESS = { leaseMs: 10 * MINUTE, onStale: "closed" };
/** Longer than an old version is looked at before it retires, and than it can come back after that. */
export const LONG = 6 * MINUTE;

export type Step = (run: Run) => Promise<void>;

/** One process of the authority in its world, on what the one before left. */
export class Run {
  readonly disk: MortalStore;
  readonly outside: Outside;
  keyover!: TestAuthority;
  verifiers: { scripted: ScriptedVerifier; state: VerifierState }[] = [];
  readonly #clock = new TestClock();

  private constructor(left: Wreck, watching: boolean) {
    this.outside = deserialize(left.outside) as Outside;
    this.#clock.at = this.outside.at;
    this.disk = new MortalStore(
      left,
      watching,
      () => this.#told(),
      () => this.#clock.at,
    );
  }

  /** Starts a process and lets it do what it does at once. `watching`: where it could die from its first moment on is noted. */
  static async start(left: Wreck, watching = false): Promise<Run> {
    const run = new Run(left, watching);
    const { masterKey, adminToken, verifiers } = run.outside;
    run.keyover = await TestAuthority.start({ store: run.disk.store, masterKey, clock: run.#clock, logLevel: "warn" });
    if (adminToken === "") run.outside.adminToken = run.keyover.adminToken;
    run.keyover.adminToken = run.outside.adminToken;
    for (const state of verifiers) run.#connect(state);
    await run.keyover.tick();
    return run;
  }

  #connect(state: VerifierState): ScriptedVerifier {
    const boot = () => makeHandle("boot", this.#clock.at, random);
    const scripted = new ScriptedVerifier(this.keyover, this.outside.apiId, state.token, state.instance, boot);
    Object.assign(scripted, state.memory);
    this.verifiers.push({ scripted, state });
    return scripted;
  }

  #told(): Buffer {
    for (const { scripted, state } of this.verifiers) state.memory = memoryOf(scripted);
    this.outside.at = this.#clock.at;
    return serialize(this.outside);
  }

  async newVerifier(instance: string): Promise<void> {
    const token = await this.keyover.token("verifier", { apis: [this.outside.apiId] });
    const memory = { boot: "", n: 0, coveredTo: 0, applied: 0, records: new Map(), sightings: [] };
    const state = { token, instance, memory, pending: undefined };
    this.outside.verifiers.push(state);
    await this.#connect(state).register();
  }

  /** Does the step that was under way, and all after it. */
  async play(steps: readonly Step[]): Promise<void> {
    for (; this.outside.step < steps.length; this.outside.step++) await (steps[this.outside.step] as Step)(this);
  }

  /** Time passes, the verifiers report it, the authority looks at what is due. */
  async pass(ms: number): Promise<void> {
    const { outside } = this;
    outside.until ??= this.#clock.at + ms;
    await this.#clock.advance(Math.max(0, outside.until - this.#clock.at));
    for (const index of this.verifiers.keys()) await this.#hear(index);
    await this.keyover.tick();
    outside.until = undefined;
  }

  /** One verifier catches up with the feed and reports: first, once more, what was not answered. */
  async #hear(index: number): Promise<void> {
    const { scripted, state } = this.verifiers[index] as (typeof this.verifiers)[number];
    // The first follows entry by entry, the others read all anew.
    if (index === 0) await this.#follow(scripted);
    else await scripted.read();
    const send = async () => {
      const { n, coveredTo, applied, sightings } = scripted;
      state.pending ??= { n: n + 1, from: coveredTo, to: this.#clock.at, applied, sightings: [...sightings] };
      const answer = await scripted.report(state.pending);
      expect(answer.status, answer.text).toBe(200);
      state.pending = undefined;
    };
    if (state.pending !== undefined) await send();
    await send();
  }

  async #follow(scripted: ScriptedVerifier): Promise<void> {
    for (const entry of await this.disk.store.feedAfter(this.outside.apiId, scripted.applied, 1_000)) {
      expect(entry.seq, "the feed has a gap").toBe(scripted.applied + 1);
      scripted.apply(entry);
    }
  }

  /** Every verifier sees the main key's version in use. */
  use(version: number, keyId = this.outside.keyId): void {
    for (const { scripted } of this.verifiers) scripted.see(keyId, version);
  }

  async rotation(): Promise<Rotation | undefined> {
    const equals = { key_id: this.outside.keyId, ended: false };
    return (await this.disk.store.list("rotation", { equals }, { limit: 2 }))[0]?.value;
  }

  /** The holder takes the successor. It gets no other than before, and every verifier accepts it already (I2). */
  async claim(): Promise<void> {
    const { keyId, holder, handed } = this.outside;
    const rotation = (await this.rotation()) ?? expect.fail("there is no rotation to claim from");
    const answer = await this.keyover.call("POST", `/v1/rotations/${rotation.id}/claim`, undefined, { token: holder });
    expect(answer.status, answer.text).toBe(200);
    const { version, secret } = answer.body;
    handed.push({ keyId, version, secret });
    for (const { scripted } of this.verifiers) {
      const known = scripted.records.get(keyId)?.versions.map(({ sha256 }) => sha256);
      expect(known, "handed out before every verifier holds it").toContain(sha256Text(secret));
    }
  }

  /** What comes after every scenario: the consumer changes over, time passes, until no rotation runs (L1). */
  async finish(): Promise<void> {
    for (let round = 0; round < 4; round++) {
      const rotation = await this.rotation();
      if (rotation === undefined) break;
      const { phase, claimEndedAt, usedAt, to } = rotation;
      if (usedAt === null && ["offered", "overlapping", "retired"].includes(phase)) {
        if (claimEndedAt === null) await this.claim();
        this.use(to);
      }
      for (const ms of [SECOND, LONG, LONG]) if ((await this.rotation()) !== undefined) await this.pass(ms);
    }
    expect((await this.rotation())?.phase, "it does not end").toBe(undefined);
    await this.pass(SECOND);
  }

  /** What would be left if the process died now. */
  wreck(): Wreck {
    return this.disk.wreck("");
  }
}

function memoryOf({ boot, n, coveredTo, applied, records, sightings }: ScriptedVerifier): Memory {
  return { boot, n, coveredTo, applied, records, sightings };
}

const nothing: Wreck = { story: "", files: new Map(), outside: Buffer.alloc(0) };

/** A key in use, at two verifiers. */
export async function prepare(): Promise<Wreck> {
  const blank: Outside = {
    at: new TestClock().at,
    step: 0,
    until: undefined,
    masterKey: random(32),
    adminToken: "",
    apiId: "",
    consumerId: "",
    holder: "",
    keyId: "",
    own: makeKeyText("own", "live", random),
    asked: {},
    handed: [],
    verifiers: [],
  };
  const run = await Run.start({ ...nothing, outside: serialize(blank) });
  const { keyover, outside } = run;
  const api = await keyover.api({ policy: POLICY, staleness: STALENESS });
  const consumer = await keyover.consumer();
  const key = await keyover.key({ api, consumer });
  const holder = await keyover.token("consumer", { consumer: consumer.id });
  Object.assign(outside, { apiId: api.id, consumerId: consumer.id, keyId: key.id, holder });
  for (const instance of ["web-1", "web-2"]) await run.newVerifier(instance);
  outside.handed.push({ keyId: key.id, version: 1, secret: key.secret });
  run.use(1);
  await run.pass(SECOND);
  const left = run.wreck();
  await run.disk.close();
  return left;
}

/** A request of the operator's, repeated until it is answered; always the same one. */
export function ask(name: string, of: (outside: Outside) => Ask): Step {
  return async ({ keyover, outside }) => {
    outside.asked[name] ??= { ...of(outside), status: undefined, answer: undefined };
    const asked = outside.asked[name];
    const token = asked.by === "holder" ? outside.holder : undefined;
    const answer = await keyover.call("POST", asked.path, asked.body, { idempotencyKey: name, token });
    expect(answer.status, `${name}: ${answer.text}`).toBeLessThan(300);
    Object.assign(asked, { status: answer.status, answer: answer.body });
    const { id, secret } = answer.body;
    if (typeof secret === "string" && id.startsWith("key_")) outside.handed.push({ keyId: id, version: 1, secret });
  };
}

export const claim: Step = (run) => run.claim();

export function pass(ms: number): Step {
  return (run) => run.pass(ms);
}

export function use(version: number): Step {
  return async (run) => run.use(version);
}
