/**
 * Tells the authority how far the feed is applied, and on disk if there is one: at once, where somebody waits for it. Of all else the next
 * report tells, and no call is made: 300 verifiers under 1,000 changes a second would do nothing but acknowledge. One acknowledgement at a
 * time; what is applied meanwhile goes with the next.
 */
import type { Ack, World } from "@keyover/core";
import type { Answer, AuthorityCalls } from "./authority-calls.ts";
import type { Lease } from "./lease.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";
import { Tries } from "./tries.ts";

export interface AcknowledgerParts {
  world: World;
  calls: AuthorityCalls;
  lease: Lease;
  keeper: Pick<ReplicaKeeper, "kept">;
  /** The answer to an acknowledgement tells the time. It renews no lease: only a report does, because that is durable. */
  onAck: (answer: Answer) => void;
}

export class Acknowledger {
  readonly #parts: AcknowledgerParts;
  readonly #tries: Tries;
  readonly #onBootOver: (boot: string, code: string) => void;
  #boot: string | undefined;
  #busy = false;
  /** It moved while we were busy. */
  #again = false;
  /** -1: this boot has said nothing yet. */
  #acknowledged = -1;
  /** Somebody waits for the acknowledgement of this number. */
  #awaited = 0;
  #kept = 0;

  constructor(parts: AcknowledgerParts, onBootOver: (boot: string, code: string) => void) {
    this.#parts = parts;
    this.#tries = new Tries(parts.world, parts.calls, parts.lease);
    this.#onBootOver = onBootOver;
  }

  /** Every entry up to here is applied, and on disk if there is one; the authority was or will be told. */
  get kept(): number {
    return this.#kept;
  }

  /** For this boot; undefined: for none. */
  serve(boot: string | undefined): void {
    this.#boot = boot;
    this.#acknowledged = -1;
    this.#awaited = 0;
  }

  /** The replica may be further than it was, and somebody waits for what it has at `awaited`. */
  moved(awaited: number): void {
    this.#awaited = Math.max(this.#awaited, awaited);
    this.#again = true;
    if (this.#busy || this.#boot === undefined) return;
    this.#busy = true;
    void this.#tellAll().finally(() => {
      this.#busy = false;
      // What came while the disk was waited for is not in what was told.
      if (this.#again) this.moved(0);
    });
  }

  async #tellAll(): Promise<void> {
    const { calls, keeper, onAck } = this.#parts;
    while (this.#boot !== undefined) {
      const boot: string = this.#boot;
      this.#again = false;
      const applied = await keeper.kept();
      this.#kept = applied;
      if (applied <= this.#acknowledged || this.#acknowledged >= this.#awaited) return;
      const ack: Ack = { boot, applied };
      const answer = await calls.post("acks", ack, this.#tries.patience.callMs);
      if (boot !== this.#boot) continue;
      if (answer.ok) {
        this.#acknowledged = applied;
        this.#tries.succeeded();
        onAck(answer);
        continue;
      }
      if (answer.code === "unknown_boot" || answer.code === "reconciling") {
        this.#onBootOver(boot, answer.code);
        continue;
      }
      await this.#tries.next(answer.elsewhere);
    }
  }
}
