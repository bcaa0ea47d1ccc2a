/** What the feed's stream brings: server-sent events `entry` and `beat`, applied as they come, until one of them is wrong. */
import type { AuthorityClock, Lease } from "./lease.ts";
import type { WritableReplica } from "./replica.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";
import { asBeat, asEntry, parseJson } from "./shapes.ts";
import { EventParser } from "./sse.ts";

export interface FeedReaderParts {
  clock: AuthorityClock;
  lease: Lease;
  replica: WritableReplica;
  keeper: ReplicaKeeper;
}

export class FeedReader {
  readonly #parts: FeedReaderParts;
  readonly #parser = new EventParser((event, data) => this.#event(event, data));
  /** What is wrong, if anything: nothing more is applied then. */
  trouble: string | undefined;
  /** An entry or a beat came that was right. */
  heard = false;
  /** The highest number heard of. */
  lastSeq = 0;
  /** The highest number applied of those that somebody waits for. */
  awaited = 0;

  constructor(parts: FeedReaderParts) {
    this.#parts = parts;
  }

  push(text: string): void {
    try {
      this.#parser.push(text);
    } catch (error) {
      this.trouble = (error as Error).message;
    }
  }

  #event(event: string, data: string): void {
    if (this.trouble !== undefined) return;
    if (event === "entry") this.trouble = this.#entry(data);
    if (event === "beat") this.trouble = this.#beat(data);
    this.heard ||= this.trouble === undefined;
  }

  #entry(data: string): string | undefined {
    const { replica, keeper } = this.#parts;
    const entry = asEntry(parseJson(data));
    if (entry === undefined) return "an entry that does not have the form of one";
    this.lastSeq = Math.max(this.lastSeq, entry.seq);
    const outcome = replica.apply(entry);
    if (outcome === "gap") return `entry ${entry.seq} after ${replica.seq}`;
    if (outcome === "applied") keeper.applied(entry);
    if (entry.awaited === true) this.awaited = entry.seq;
    return undefined;
  }

  /** Only a beat makes the replica whole; and only one that speaks of exactly what is held. */
  #beat(data: string): string | undefined {
    const { clock, lease, replica } = this.#parts;
    const beat = asBeat(parseJson(data));
    if (beat === undefined) return "a beat that does not have the form of one";
    this.lastSeq = Math.max(this.lastSeq, beat.seq);
    if (beat.seq !== replica.seq) return `a beat at ${beat.seq} after ${replica.seq}`;
    lease.whole(clock.localOf(beat.now));
    return undefined;
  }
}
