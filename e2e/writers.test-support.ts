/**
 * Writers that know what they have been told. Each makes its own consumer and keys, and goes on changing them; a write that got no
 * answer is repeated with the same Idempotency-Key until it gets one. Nobody else touches a writer's keys, so it can say what each must be.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ask, type Reply } from "./authority.test-support.ts";

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface HeldKey {
  id: string;
  name: string;
  status: "active" | "suspended" | "revoked";
  labels: Record<string, string>;
  /** By version number. */
  secrets: Map<number, string>;
  versionsMade: number;
  /** The rotation that was started, if one was. */
  rotation: string | undefined;
}

/** A write and the answer that it got in the end. */
export interface Write {
  action: string;
  key: HeldKey | undefined;
  attempts: number;
  reply: Reply;
  /** Once more, the same. */
  send(): Promise<Reply>;
}

/** This share of the requests hangs up before the answer is there. */
const LOST = 0.15;

type Action = [weight: number, act: () => Promise<void>];

export class Writer {
  readonly keys: HeldKey[] = [];
  readonly done: Write[] = [];
  /** Answers that should not have come. */
  readonly surprises: unknown[] = [];
  readonly #name: string;
  readonly #url: string;
  readonly #admin: string;
  readonly #random: () => number;
  /** Its consumer's. */
  token = "";
  #consumer = "";
  #count = 0;
  #running = true;
  #stopped = false;

  constructor(number: number, url: string, adminToken: string, random: () => number) {
    this.#name = `writer-${number}`;
    this.#url = url;
    this.#admin = adminToken;
    this.#random = random;
  }

  /** Ends after the write that is under way. */
  finish(): void {
    this.#running = false;
  }

  /** Ends now. */
  stop(): void {
    this.#running = false;
    this.#stopped = true;
  }

  async run(): Promise<void> {
    this.#consumer = String(
      (await this.#write("consumer.created", "POST", "/v1/consumers", { name: this.#name })).body.id,
    );
    await this.#makeToken();
    while (this.#running) {
      const actions: Action[] = [
        [3, () => this.#createKey()],
        [1, () => this.#makeToken()],
        [5, () => this.#startRotation()],
        [5, () => this.#claim()],
        [4, () => this.#label()],
        [3, () => this.#changeStatus()],
        [1, () => this.#kill()],
      ];
      await pick(actions, this.#random())();
    }
  }

  async #createKey(): Promise<void> {
    const name = `${this.#name}-${this.keys.length}`;
    const body = { api: "market", environment: "live", consumer: this.#consumer, name, scopes: ["market:read"] };
    const { body: made } = await this.#write("key.created", "POST", "/v1/keys", body);
    const secrets = new Map([[1, String(made.secret)]]);
    this.keys.push({
      id: String(made.id),
      name,
      status: "active",
      labels: {},
      secrets,
      versionsMade: 1,
      rotation: undefined,
    });
  }

  async #makeToken(): Promise<void> {
    const body = { name: `${this.#name}-${this.#count}`, role: "consumer", consumer: this.#consumer };
    this.token = String((await this.#write("token.created", "POST", "/v1/tokens", body)).body.secret);
  }

  async #startRotation(): Promise<void> {
    const key = this.#any((each) => each.status !== "revoked" && each.rotation === undefined);
    if (key === undefined) return;
    const { body } = await this.#write(
      "rotation.started",
      "POST",
      `/v1/keys/${key.id}/rotations`,
      { reason: "load" },
      key,
    );
    key.rotation = String(body.id);
    key.versionsMade++;
  }

  /** No idempotency key: the same secret comes each time. */
  async #claim(): Promise<void> {
    const key = this.#any((each) => each.status !== "revoked" && each.rotation !== undefined);
    if (key === undefined) return;
    const reply = await this.#ask(() =>
      ask(`${this.#url}/v1/rotations/${key.rotation}/claim`, { token: this.token, body: {} }),
    );
    if (reply === undefined || reply.body.code === "rotation_not_offered") return;
    const version = Number(reply.body.version);
    const known = key.secrets.get(version);
    if (reply.status !== 200 || (known !== undefined && known !== reply.body.secret)) this.surprises.push(reply.body);
    else key.secrets.set(version, String(reply.body.secret));
  }

  async #label(): Promise<void> {
    const key = this.#any(() => true);
    if (key === undefined || key.status === "revoked") return;
    const labels = { turn: String(this.#count) };
    await this.#write("key.updated", "PATCH", `/v1/keys/${key.id}`, { labels }, key);
    key.labels = labels;
  }

  async #changeStatus(): Promise<void> {
    const key = this.#any((each) => each.status !== "revoked");
    if (key === undefined) return;
    const last = this.#random() < 0.2;
    const [change, status] = last
      ? (["revoke", "revoked"] as const)
      : key.status === "active"
        ? (["suspend", "suspended"] as const)
        : (["restore", "active"] as const);
    const action = `key.${status === "active" ? "restored" : status}`;
    await this.#write(action, "POST", `/v1/keys/${key.id}/${change}`, { reason: "load" }, key);
    key.status = status;
  }

  async #kill(): Promise<void> {
    const key = this.#any((each) => each.status === "active" && each.rotation === undefined);
    if (key === undefined) return;
    const { body } = await this.#write(
      "emergency",
      "POST",
      `/v1/keys/${key.id}/emergency`,
      { mode: "kill", version: 1, reason: "load" },
      key,
    );
    key.rotation = String(body.id);
    key.versionsMade++;
  }

  #any(wanted: (key: HeldKey) => boolean): HeldKey | undefined {
    const some = this.keys.filter(wanted);
    return some[Math.floor(this.#random() * some.length)];
  }

  async #write(action: string, method: string, path: string, body: object, key?: HeldKey): Promise<Reply> {
    const headers = { "idempotency-key": `${this.#name}-${++this.#count}` };
    const send = (signal?: AbortSignal) =>
      ask(this.#url + path, { token: this.#admin, method, body, headers, ...(signal === undefined ? {} : { signal }) });
    let attempts = 0;
    const reply = await this.#ask(() => {
      attempts++;
      // Now and then the answer is lost on its way.
      const lost = attempts < 3 && this.#random() < LOST;
      return send(lost ? AbortSignal.timeout(Math.floor(this.#random() * 12)) : undefined);
    });
    if (reply === undefined) throw new Error("the writer was stopped");
    if (reply.status >= 300) {
      this.surprises.push({ action, ...reply.body });
      throw new Error(`${action}: ${reply.status} ${reply.text}`);
    }
    this.done.push({ action, key, attempts, reply, send: () => send() });
    return reply;
  }

  /** Until there is an answer. */
  async #ask(send: () => Promise<Reply>): Promise<Reply | undefined> {
    while (!this.#stopped) {
      const reply = await send().catch(() => undefined);
      // A server that is just answering the attempt before this one says `conflict`.
      if (reply !== undefined && reply.status !== 503 && reply.body.code !== "conflict") return reply;
      await sleep(10);
    }
    return undefined;
  }
}

function pick(actions: Action[], random: number): () => Promise<void> {
  let left = random * actions.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, act] of actions) {
    left -= weight;
    if (left < 0) return act;
  }
  throw new Error("unreachable");
}
