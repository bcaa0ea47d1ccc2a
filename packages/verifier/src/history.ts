/**
 * Is the authority's feed still the one that was followed?
 *
 *     whole ──its numbers went back (feed_ahead)──▶ behind ──a snapshot that contradicts nothing held──▶ whole
 *       └───────a snapshot that contradicts what is held──┴──▶ another one, for good: until a new epoch
 *
 * Numbers that went back belong to a database that was restored without saying so. Nothing that is held goes back with it; and
 * because its numbers will be given a second time, for other changes, that they reach ours again proves nothing (I5, I17).
 */
import type { KeyRecord, World } from "@keyover/core";
import type { WritableReplica } from "./replica.ts";

const ADVICE =
  "the authority's database is older than what this verifier remembers; was it restored without `keyover restore`?";

export class FollowedHistory {
  readonly #world: World;
  readonly #replica: WritableReplica;
  #state: "whole" | "behind" | "another" = "whole";

  constructor(world: World, replica: WritableReplica) {
    this.#world = world;
    this.#replica = replica;
  }

  get state(): "whole" | "behind" | "another" {
    return this.#state;
  }

  /** A snapshot was taken, or the feed is a new one. */
  whole(): void {
    this.#state = "whole";
  }

  /** The feed has not reached what is held. */
  behind(detail: string): void {
    this.#say(detail);
    if (this.#state === "whole") this.#state = "behind";
  }

  /** What the feed has at numbers that were followed is not what it had. */
  another(detail: string): void {
    this.#say(detail);
    this.#state = "another";
  }

  /**
   * The keys that show that the feed which this snapshot belongs to, at `head`, is not the one that was followed: it has an older
   * record than the feed had brought by then. Or, where it was behind once, none: what was made since is not given up for that.
   */
  contradictions(records: readonly KeyRecord[], present: ReadonlySet<string>, head: number): number {
    const isOlder = ({ key, seq }: KeyRecord) => {
      const held = this.#replica.seqOf(key);
      return held !== undefined && held > seq && held <= head;
    };
    const isGone = ({ key, seq }: KeyRecord) => seq <= head && !present.has(key);
    const gone = this.#state === "behind" ? [...this.#replica.records()].filter(isGone).length : 0;
    return records.filter(isOlder).length + gone;
  }

  /** Once. */
  #say(detail: string): void {
    if (this.#state !== "whole") return;
    const fields = { held: this.#replica.seq, detail, advice: ADVICE };
    this.#world.log("error", "follower.authority_behind", fields);
  }
}
