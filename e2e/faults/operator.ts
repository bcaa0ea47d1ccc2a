/**
 * The provider's engineer: rotates keys all the time, rolls some back, kills versions that leaked, revokes keys, all at once and whatever the
 * authority is going through. A call that got no answer is made again under the same Idempotency-Key until it gets one; both times are
 * written down.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Api, ApiError, createApi } from "@keyover/client/api";
import type { Rotation, RotationPolicy } from "../authority.test-support.ts";
import { type Application, replace } from "./bots.ts";
import { fingerprint, type History, type Market, markets, moment, type OperationLine } from "./history.ts";

export interface KeyOf {
  id: string;
  market: Market;
  secret: string;
  /** Of its consumer. */
  token: string;
}

/** Days become seconds. */
const policy: RotationPolicy = {
  overlapMinMs: 1_000,
  overlapMs: 3_000,
  quietMs: 3_000,
  gapMargin: 1.2,
  rollbackMs: 2_000,
  claimMs: 600_000,
  onDeadline: "hold",
};

const PERSIST_MS = 90_000;
const AGAIN_MS = 100;
/** A rotation that is over as far as its consumer is concerned. */
const DONE: readonly Rotation["phase"][] = ["retired", "completed", "cancelled"];

export class Operator {
  /** All that were started, as last seen. */
  readonly rotations = new Map<string, Rotation>();
  revocations = 0;
  readonly #admin: Api;
  readonly #url: string;
  readonly #history: History;

  constructor({ admin, url }: { admin: Api; url: string }, history: History) {
    this.#admin = admin;
    this.#url = url;
    this.#history = history;
  }

  /** Makes both markets; answers a token for their verifiers. */
  async prepare(): Promise<string> {
    for (const [name, staleness] of Object.entries(markets)) {
      const prefix = name.slice(0, 3);
      const body = { name, prefix, environments: ["live"], scopes: ["market:read"], policy, staleness };
      await this.#admin.request("post", "/v1/apis", { body });
    }
    const body = { name: "verifiers", role: "verifier" as const, apis: Object.keys(markets), environments: ["live"] };
    return (await this.#admin.request("post", "/v1/tokens", { body })).secret as string;
  }

  async issue(name: string, market: Market): Promise<KeyOf> {
    const admin = this.#admin;
    const consumer = await persist((idempotencyKey) =>
      admin.request("post", "/v1/consumers", { body: { name }, idempotencyKey }),
    );
    const token = await persist((idempotencyKey) => {
      const body = { name, role: "consumer" as const, consumer: consumer.id };
      return admin.request("post", "/v1/tokens", { body, idempotencyKey });
    });
    const key = await persist((idempotencyKey) => {
      const body = { api: market, environment: "live", consumer: consumer.id, scopes: ["market:read"] };
      return admin.request("post", "/v1/keys", { body, idempotencyKey });
    });
    const secret = key.secret as string;
    this.#history.write({ line: "key", key: key.id, market });
    this.#handed(name, key.id, 1, secret);
    return { id: key.id, market, secret, token: token.secret as string };
  }

  /** Undefined if the key can't be rotated just now. */
  async rotate({ key }: Application): Promise<Rotation | undefined> {
    const began = moment();
    const rotation = await accepted((idempotencyKey) =>
      this.#admin.request("post", "/v1/keys/{key}/rotations", {
        params: { key: key.id },
        body: { reason: "faults" },
        idempotencyKey,
      }),
    );
    if (rotation !== undefined) this.#did("rotate", began, key.id, rotation.from);
    return this.#seen(rotation);
  }

  async rollBack(rotation: Rotation): Promise<void> {
    const began = moment();
    const rolledBack = await accepted((idempotencyKey) =>
      this.#admin.request("post", "/v1/rotations/{rotation}/rollback", {
        params: { rotation: rotation.id },
        body: { reason: "faults" },
        idempotencyKey,
      }),
    );
    if (rolledBack !== undefined) this.#did("rollback", began, rotation.key, rotation.from);
    this.#seen(rolledBack);
  }

  /** This version has leaked. */
  async kill(key: KeyOf, version: number): Promise<void> {
    const began = moment();
    const rotation = await accepted((idempotencyKey) =>
      this.#admin.request("post", "/v1/keys/{key}/emergency", {
        params: { key: key.id },
        body: { mode: "kill", version, reason: "faults" },
        idempotencyKey,
      }),
    );
    if (rotation !== undefined) this.#did("kill", began, key.id, version);
    this.#seen(rotation);
  }

  async revoke(key: KeyOf): Promise<void> {
    const began = moment();
    await persist((idempotencyKey) =>
      this.#admin.request("post", "/v1/keys/{key}/revoke", {
        params: { key: key.id },
        body: { reason: "faults" },
        idempotencyKey,
      }),
    );
    this.#did("revoke", began, key.id);
  }

  /** What the owner of a program without the client does by hand: takes the successor, if there is one, and puts it into the file. */
  async move({ name, key, keyFile }: Application, rotation: Rotation): Promise<void> {
    const consumer = createApi({ url: this.#url, token: key.token, timeoutMs: 3_000 });
    const claim = await accepted((idempotencyKey) =>
      consumer.request("post", "/v1/rotations/{rotation}/claim", {
        params: { rotation: rotation.id },
        body: {},
        idempotencyKey,
      }),
    );
    if (claim === undefined) return;
    this.#handed(name, key.id, claim.version, claim.secret);
    replace(keyFile, claim.secret);
  }

  async look(id: string): Promise<Rotation> {
    const rotation = await persist(() =>
      this.#admin.request("get", "/v1/rotations/{rotation}", { params: { rotation: id } }),
    );
    return this.#seen(rotation) as Rotation;
  }

  /** Looks at all that have not ended. */
  async lookAtAll(): Promise<void> {
    for (const { id, endedAt } of this.rotations.values()) if (endedAt === null) await this.look(id);
  }

  /** The rotation of a key that has not ended, as last seen. */
  live(keyId: string): Rotation | undefined {
    return [...this.rotations.values()].findLast(({ key, endedAt }) => key === keyId && endedAt === null);
  }

  /** Resolves once every rotation has ended or retired its old version, with those that did not in time. */
  async allDone(waitMs: number): Promise<string[]> {
    const open = () =>
      [...this.rotations.values()].filter(({ endedAt, phase }) => endedAt === null && !DONE.includes(phase));
    for (const deadline = moment() + waitMs; moment() < deadline; await sleep(200)) {
      await this.lookAtAll();
      if (open().length === 0) return [];
    }
    return Promise.all(open().map((rotation) => this.#why(rotation)));
  }

  async #why({ id, key, phase }: Rotation): Promise<string> {
    const { gates, waitingFor } = await this.#admin.request("get", "/v1/rotations/{rotation}/evidence", {
      params: { rotation: id },
    });
    const waits = gates.filter(({ met }) => !met).map(({ explanation }) => explanation);
    return `${id} of ${key} is ${phase}: ${waits.join("; ")} without it: ${waitingFor.map(({ instance }) => instance).join(" ") || "nobody"}`;
  }

  #handed(who: string, key: string, version: number, secret: string): void {
    this.#history.write({ line: "handed", who, key, version, sha: fingerprint(secret), at: moment() });
  }

  #did(what: OperationLine["what"], began: number, key: string, version?: number): void {
    if (what !== "rotate") this.revocations += what === "rollback" ? 0 : 1;
    this.#history.write({ line: "operation", what, key, version, began, answered: moment() });
  }

  #seen<T extends Rotation | undefined>(rotation: T): T {
    if (rotation !== undefined) this.rotations.set(rotation.id, rotation);
    return rotation;
  }
}

/** Until there is an answer. Refusals are thrown. */
async function persist<T>(request: (idempotencyKey: string) => Promise<T>): Promise<T> {
  const idempotencyKey = crypto.randomUUID();
  const deadline = moment() + PERSIST_MS;
  for (;;) {
    try {
      return await request(idempotencyKey);
    } catch (error) {
      const passing =
        error instanceof ApiError && (error.status === 0 || error.status > 500 || error.code === "conflict");
      if (!passing || moment() > deadline) throw error;
      await sleep(AGAIN_MS);
    }
  }
}

/** The answer; undefined where the authority says that this can't be done to the key as it is by now. */
async function accepted<T>(request: (idempotencyKey: string) => Promise<T>): Promise<T | undefined> {
  try {
    return await persist(request);
  } catch (error) {
    if (error instanceof ApiError && [404, 409, 410].includes(error.status)) return undefined;
    throw error;
  }
}
