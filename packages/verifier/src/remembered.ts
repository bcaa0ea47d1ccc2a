/**
 * Tells a restored authority what this verifier knows and its database lacks (I17): every record it holds that is newer than the
 * restored feed. What an operator then decides on comes back by the feed.
 *
 * Once for each restore, in parts; a part that fails is tried again when the authority says the next time that it still
 * reconciles, and all of them where it has lost the thread (`conflict`). A part that is refused for what it is would be refused again: that is said, and the rest is not sent.
 */
import { type KeyRecord, REMEMBERED_PER_CALL_MAX, type Remembered, type World } from "@keyover/core";
import type { AuthorityCalls, Refusal, Restored } from "./authority-calls.ts";
import type { WritableReplica } from "./replica.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";

export interface RememberedParts {
  world: World;
  calls: AuthorityCalls;
  replica: WritableReplica;
  keeper: ReplicaKeeper;
  instance: string;
}

interface Upload {
  restored: Restored;
  records: KeyRecord[];
  /** The part that is to be sent next; undefined if there is none. */
  n: number | undefined;
}

export class RememberedUpload {
  readonly #parts: RememberedParts;
  #upload: Upload | undefined;

  constructor(parts: RememberedParts) {
    this.#parts = parts;
  }

  /** The authority is in service again: should it say the same once more, it means another restore. */
  forget(): void {
    this.#upload = undefined;
  }

  /** Resolves when everything is sent, a call has failed, or `goOn` says no. */
  async tell(restored: Restored, callMs: number, goOn: () => boolean): Promise<void> {
    const { calls, keeper, instance } = this.#parts;
    const upload = this.#uploadFor(restored);
    const { records } = upload;
    while (upload.n !== undefined && goOn()) {
      const { n } = upload;
      const part = records.slice((n - 1) * REMEMBERED_PER_CALL_MAX, n * REMEMBERED_PER_CALL_MAX);
      const last = n * REMEMBERED_PER_CALL_MAX >= records.length;
      const held = { epoch: keeper.epoch, seq: keeper.newest, followed: keeper.followed };
      const body: Remembered = { instance, ...held, n, last, records: part };
      const answer = await calls.post("remembered", body, callMs);
      if (!answer.ok && answer.code === "conflict") upload.n = 1;
      if (!answer.ok && !this.#refusedForGood(answer)) return;
      upload.n = answer.ok && !last ? n + 1 : undefined;
    }
  }

  #uploadFor(restored: Restored): Upload {
    const { world, replica, keeper } = this.#parts;
    const { epoch, after } = restored;
    const known = this.#upload;
    if (known !== undefined && known.restored.epoch === epoch && known.restored.after === after) return known;
    const seq = keeper.newest;
    const records = [...replica.records()].filter((record) => record.seq > after && record.seq <= seq);
    records.sort((a, b) => a.seq - b.seq);
    const upload: Upload = { restored, records, n: seq > after ? 1 : undefined };
    if (seq > after) world.log("warn", "remembered.upload", { after, seq, records: records.length });
    this.#upload = upload;
    return upload;
  }

  #refusedForGood({ code, status, detail }: Refusal): boolean {
    if (status < 400 || status >= 500 || [401, 403, 408, 409, 429].includes(status) || code === "unreachable")
      return false;
    this.#parts.world.log("error", "remembered.refused", { code, detail });
    return true;
  }
}
