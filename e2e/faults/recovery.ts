/**
 * How long a rotation stands still when the replica that works on it is killed. A rotation belongs to one replica, which says in its log what it
 * did; the next step, noticing the successor's first use, is that replica's alone. So: wait for its offer, kill it, use the successor, and
 * look when another replica has noticed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Rotation } from "../authority.test-support.ts";
import { until } from "../processes.test-support.ts";
import type { Application } from "./bots.ts";
import type { Cluster } from "./cluster.ts";
import { moment } from "./history.ts";
import type { Operator } from "./operator.ts";

const WAIT_MS = 60_000;

export class Recovery {
  /** One for each time that it was measured. */
  readonly took: number[] = [];
  readonly #cluster: Cluster;
  readonly #operator: Operator;
  /** Its key is rotated here and nowhere else; it does not move by itself. */
  readonly application: Application;

  constructor(cluster: Cluster, operator: Operator, application: Application) {
    this.#cluster = cluster;
    this.#operator = operator;
    this.application = application;
  }

  /** `downMs`: the killed one is started again so long after its rotation went on, or, where it is the only one, after the kill. */
  async measure(downMs: number): Promise<void> {
    const rotation = await this.#begin();
    const owner = await until(() => this.#ownerOf(rotation), "the offer in a replica's log", { waitMs: WAIT_MS });
    const killedAt = moment();
    await this.#cluster.kill(owner.i);
    const alone = this.#cluster.replicas.length === 1;
    if (alone) await this.#startLater(owner.i, downMs);
    await this.#operator.move(this.application, rotation);
    await until(async () => (await this.#operator.look(rotation.id)).usedAt, "the rotation to go on", {
      waitMs: WAIT_MS,
    });
    this.took.push(Math.round(moment() - killedAt));
    if (!alone) await this.#startLater(owner.i, downMs);
  }

  async #begin(): Promise<Rotation> {
    const { key } = this.application;
    await until(
      async () => {
        const live = this.#operator.live(key.id);
        return live === undefined || (await this.#operator.look(live.id)).endedAt !== null;
      },
      "the last rotation to end",
      { waitMs: WAIT_MS, everyMs: 200 },
    );
    return until(() => this.#operator.rotate(this.application), "a rotation to begin", { waitMs: WAIT_MS });
  }

  /** The replica whose running process has offered it. */
  #ownerOf({ id }: Rotation): { i: number } | undefined {
    const i = this.#cluster.replicas.findIndex((replica) => {
      const running = replica.process();
      const lines = (running.out() + running.err()).split("\n");
      return lines.some((line) => line.includes("rotation.moved") && line.includes(id) && line.includes('"offered"'));
    });
    return i === -1 ? undefined : { i };
  }

  async #startLater(i: number, downMs: number): Promise<void> {
    await sleep(downMs);
    await this.#cluster.start(i);
  }
}
