/** What the operator does while the faults go on: several things at once, each without end until told to stop. */
import { setTimeout as sleep } from "node:timers/promises";
import { ask, type Rotation } from "../authority.test-support.ts";
import { until } from "../processes.test-support.ts";
import { type Application, type Bots, secretOf } from "./bots.ts";
import { markets, moment } from "./history.ts";
import type { KeyOf, Operator } from "./operator.ts";

export interface Pace {
  rotateEveryMs: number;
  killEveryMs: number;
  revokeEveryMs: number;
  /** Nothing new is begun after this long: what was begun takes as long again. */
  forMs: number;
}

export interface WorkParts {
  operator: Operator;
  bots: Bots;
  apis: { url: string }[];
  /** The applications whose keys are rotated. */
  applications: readonly Application[];
  random: () => number;
  pace: Pace;
}

/** Of so many rotations one is rolled back. */
const ROLLED_BACK = 8;
/** A thief goes on for longer than anybody may accept what was revoked. */
const AFTER_BOUND_MS = 2_000;
const VICTIMS = 3;
const LOOK_EVERY_MS = 500;
const BOUND_MS = markets.static.leaseMs + markets.static.staticMs;

export class Work {
  readonly #parts: WorkParts;
  readonly #loops: Promise<void>[];
  readonly #jobs = new Set<Promise<void>>();
  readonly problems: string[] = [];
  /** Keys whose rotation is to be rolled back: a kill after that would offer the same rotation twice, which the audit check takes for a fault. */
  readonly #turning = new Set<string>();
  readonly #endsAt: number;
  #running = true;
  #rotated = 0;
  #issued = 0;
  readonly #victims: { key: KeyOf; stopThief: () => void }[] = [];

  constructor(parts: WorkParts) {
    this.#parts = parts;
    const { pace } = parts;
    this.#endsAt = moment() + pace.forMs;
    for (let i = 0; i < VICTIMS; i++) this.#beside(this.#addVictim());
    this.#loops = [
      this.#every(pace.rotateEveryMs, () => this.#rotate()),
      this.#every(pace.killEveryMs, () => this.#kill()),
      this.#every(pace.revokeEveryMs, () => this.revoke()),
      this.#look(),
    ];
  }

  /** Begins nothing new. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#loops);
  }

  /** Resolves when all that was begun is done. */
  async done(): Promise<void> {
    while (this.#jobs.size > 0) await Promise.all(this.#jobs);
  }

  async #every(pauseMs: number, act: () => Promise<void>): Promise<void> {
    for (;;) {
      await sleep(pauseMs * (0.5 + this.#parts.random()));
      if (!this.#running || moment() > this.#endsAt) return;
      await this.#noting(act());
    }
  }

  async #look(): Promise<void> {
    while (this.#running) {
      await this.#noting(this.#parts.operator.lookAtAll());
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** Beside the loop that began it. */
  #beside(job: Promise<void>): void {
    const noted = this.#noting(job).finally(() => this.#jobs.delete(noted));
    this.#jobs.add(noted);
  }

  async #noting(act: Promise<void>): Promise<void> {
    await act.catch((error: unknown) => {
      this.problems.push(`the operator could not go on: ${String(error)}`);
    });
  }

  async #rotate(): Promise<void> {
    const { operator, applications } = this.#parts;
    const application = this.#any(applications.filter(({ key }) => operator.live(key.id) === undefined));
    const rotation = application === undefined ? undefined : await operator.rotate(application);
    if (application === undefined || rotation === undefined) return;
    this.#rotated++;
    if (application.kind === "naive") this.#beside(this.#moveByHand(application, rotation));
    else if (this.#rotated % ROLLED_BACK === 0) {
      this.#turning.add(rotation.key);
      this.#beside(this.#rollBackLater(rotation));
    }
  }

  /** Its owner sees to it some time after the offer. */
  async #moveByHand(application: Application, { id }: Rotation): Promise<void> {
    const { operator, random } = this.#parts;
    for (;;) {
      const rotation = await operator.look(id);
      if (rotation.endedAt !== null) return;
      if (rotation.offeredAt !== null) break;
      await sleep(200);
    }
    await sleep(3_000 * random());
    await operator.move(application, await operator.look(id));
  }

  async #rollBackLater({ id, key }: Rotation): Promise<void> {
    const { operator, random } = this.#parts;
    await sleep(8_000 * random());
    const rotation = await operator.look(id);
    if (rotation.endedAt === null) await operator.rollBack(rotation);
    this.#turning.delete(key);
  }

  /** The version that an application uses has leaked, and a thief is at work with it. */
  async #kill(): Promise<void> {
    const { operator, bots, applications, random } = this.#parts;
    const application = this.#any(
      applications.filter(
        ({ kind, key }) => kind === "holder" && !this.#turning.has(key.id) && !this.#isTurned(key.id),
      ),
    );
    if (application === undefined) return;
    const secret = secretOf(application);
    const version = await this.#versionOf(application, secret);
    if (version === undefined || this.#isOnTrial(application, version)) return;
    const thief = bots.steal(application.key.market, secret);
    await sleep(500 * random());
    if (!this.#turning.has(application.key.id)) await operator.kill(application.key, version);
    this.#beside(sleep(BOUND_MS + AFTER_BOUND_MS).then(thief.stop));
  }

  #isTurned(key: string): boolean {
    return this.#parts.operator.live(key)?.phase === "rolled-back";
  }

  /** A client whose successor is killed works on with the old version, but does not make it its own again. */
  #isOnTrial({ key }: Application, version: number): boolean {
    const live = this.#parts.operator.live(key.id);
    return live?.to === version && (live.phase === "offered" || live.phase === "overlapping");
  }

  /**
   * The key that has been used longest, by a thief alone, is revoked; another takes its place. Every API knows it by then, also one that was
   * cut off just now: that is who must not go on accepting it.
   */
  async revoke(): Promise<void> {
    const victim = this.#victims.shift();
    this.#beside(this.#addVictim());
    if (victim === undefined) return;
    await this.#parts.operator.revoke(victim.key);
    this.#beside(sleep(BOUND_MS + AFTER_BOUND_MS).then(victim.stopThief));
  }

  async #addVictim(): Promise<void> {
    const { operator, bots, random } = this.#parts;
    const key = await operator.issue(`victim-${++this.#issued}`, random() < 0.5 ? "static" : "closed");
    const thief = bots.steal(key.market, key.secret);
    await until(() => thief.accepted() > 0, "a thief to be at work", { waitMs: 60_000 });
    this.#victims.push({ key, stopThief: thief.stop });
  }

  /** As any API that answers says. In the application's name: another that asks once a minute would have to be waited for, as a monthly job is. */
  async #versionOf({ key, instance }: Application, secret: string): Promise<number | undefined> {
    const headers = { "keyover-instance": instance };
    for (const { url } of this.#parts.apis) {
      const signal = AbortSignal.timeout(1_000);
      const reply = await ask(`${url}/${key.market}`, { token: secret, headers, signal }).catch(() => undefined);
      if (reply?.status === 200) return Number(reply.body.version);
    }
    return undefined;
  }

  #any<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#parts.random() * items.length)];
  }
}
