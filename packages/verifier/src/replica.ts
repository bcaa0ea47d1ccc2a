/**
 * What a verifier knows of one api's keys. It only ever moves forward (I5): a record replaces an older record of the same
 * key and never a newer one, whatever snapshots, feed entries and answers to misses arrive in whatever order.
 *
 * Two ways to a decision. The long one is core's `judgeCode` on the held version. The short one is for the usual version
 * (active key, accepted version, no expiry, no fence): all that its decision depends on, its environment and its lists of
 * scopes and networks, is put in one word beside the digest (`RULE`), so that a hit among a million keys does not wait for
 * eight objects to come from memory (at a million keys 2.8 µs on the long way, more where an address is parsed). replica.test.ts holds the two equal.
 */
import {
  type Ask,
  type FeedEntry,
  type HeldKey,
  type HeldVersion,
  holdKey,
  isAccepted,
  type KeyRecord,
  type NetworkMatcher,
  parseDigestText,
  type ScopeMatcher,
  type Verdict,
  verdictOf,
} from "@keyover/core";
import { type DigestIndex, DigestTable, LINE, RULE } from "./digest-table.ts";

export interface Replica {
  /** Every feed entry up to this number is applied. */
  readonly seq: number;
  /** Keys held. */
  readonly size: number;
  /** The number of the key's record, if it is held. */
  seqOf(key: string): number | undefined;
  /** `LINE` words per slot, the last seven for the counters of sightings.ts. Another array after any change. */
  readonly lines: Int32Array;
  /** The slot of a version, or -1. Good until the next change. */
  find(digest: Int32Array): number;
  held(slot: number): HeldVersion;
  /** True only if `judgeCode` would say `ok`; false says nothing. */
  isPlainlyOk(slot: number, ask: Ask): boolean;
  /** The frozen verdict `ok`: the same object each time, so that a hit makes nothing. */
  okVerdict(slot: number): Verdict;
  /** The next entry of the feed; `gap` (nothing applied) if one is missing before it. */
  apply(entry: FeedEntry): "applied" | "old" | "gap";
  /** One record from outside the feed. False if the replica holds the same or a newer one. */
  put(record: KeyRecord): boolean;
  /**
   * After a snapshot that began at `seq`: follow from there. `present` names the keys it held; a key that it lacks and that
   * no later entry brought is gone, or no longer ours to see.
   */
  settle(seq: number, present: ReadonlySet<string>): void;
  /** Forgets the keys of other environments than these. */
  keepEnvironments(environments: readonly string[]): void;
  /** Forgets everything: it was another api's, whose numbers say nothing of this one's. */
  clear(): void;
  records(): IterableIterator<KeyRecord>;
}

// RULE: 1 bit that it is set, 8 bits of environment, 20 bits of lists, of which we use 17: lists are never forgotten.
const ENVIRONMENTS_MAX = 256;
const LISTS_MAX = 1 << 17;

export class TableReplica implements Replica {
  #seq = 0;
  #keys = new Map<string, HeldKey>();
  #index: DigestIndex;
  #held: (HeldVersion | undefined)[] = [];
  #verdicts: (Verdict | undefined)[] = [];
  #environments: string[] = [];
  #lists = new SharedLists();
  #digest = new Int32Array(8);
  /** Called before a slot is taken from its version. */
  readonly #onRelease: (slot: number) => void;

  constructor(onRelease: (slot: number) => void = () => undefined, index: DigestIndex = new DigestTable()) {
    this.#onRelease = onRelease;
    this.#index = index;
  }

  get seq(): number {
    return this.#seq;
  }

  get size(): number {
    return this.#keys.size;
  }

  seqOf(key: string): number | undefined {
    return this.#keys.get(key)?.record.seq;
  }

  get lines(): Int32Array {
    return this.#index.lines;
  }

  find(digest: Int32Array): number {
    return this.#index.find(digest);
  }

  held(slot: number): HeldVersion {
    return this.#held[slot] as HeldVersion;
  }

  isPlainlyOk(slot: number, { environment, scope, network }: Ask): boolean {
    const rule = this.#index.lines[LINE * slot + RULE] as number;
    if (rule === 0) return false;
    if (environment !== undefined && environment !== this.#environments[(rule >> 1) & (ENVIRONMENTS_MAX - 1)])
      return false;
    const list = this.#lists.at(rule >> 9);
    if (!list.networks.any && network !== list.allowed) {
      if (network === undefined || !list.networks.allows(network)) return false;
      list.allowed = network;
    }
    if (scope === undefined) return true;
    return typeof scope === "string" ? list.scopes.allows(scope) : scope.every((name) => list.scopes.allows(name));
  }

  okVerdict(slot: number): Verdict {
    let verdict = this.#verdicts[slot];
    if (verdict === undefined) {
      verdict = okVerdictOf(this.held(slot));
      this.#verdicts[slot] = verdict;
    }
    return verdict;
  }

  apply(entry: FeedEntry): "applied" | "old" | "gap" {
    if (entry.seq > this.#seq + 1) return "gap";
    if (entry.record !== undefined) this.put(entry.record);
    if (entry.seq <= this.#seq) return "old";
    this.#seq = entry.seq;
    return "applied";
  }

  put(record: KeyRecord): boolean {
    const before = this.#keys.get(record.key);
    if (before !== undefined && record.seq <= before.record.seq) return false;
    if (before !== undefined) this.#release(before);
    const held = holdKey(record);
    const list = this.#lists.share(held);
    this.#keys.set(record.key, held);
    for (const version of held.versions) {
      if (!parseDigestText(version.version.sha256, this.#digest)) continue;
      const taken = this.#index.find(this.#digest);
      if (taken >= 0) this.#vacate(taken);
      const slot = this.#index.add(this.#digest);
      this.#held[slot] = version;
      const rule = this.#ruleOf(version, list);
      // Made now, while the objects are at hand: made at a key's first use, that decision took 4.1 µs instead of 2.2.
      this.#verdicts[slot] = rule === 0 ? undefined : okVerdictOf(version);
      this.#index.lines[LINE * slot + RULE] = rule;
    }
    return true;
  }

  settle(seq: number, present: ReadonlySet<string>): void {
    for (const [key, held] of this.#keys) {
      if (held.record.seq <= seq && !present.has(key)) this.#drop(key, held);
    }
    this.#seq = Math.max(this.#seq, seq);
  }

  keepEnvironments(environments: readonly string[]): void {
    for (const [key, held] of this.#keys) {
      if (!environments.includes(held.record.environment)) this.#drop(key, held);
    }
  }

  clear(): void {
    for (const [key, held] of this.#keys) this.#drop(key, held);
    this.#seq = 0;
  }

  *records(): IterableIterator<KeyRecord> {
    for (const held of this.#keys.values()) yield held.record;
  }

  /** 0 wherever anything but environment, scopes and networks could speak against the version. */
  #ruleOf(presented: HeldVersion, list: number): number {
    const { held, version, fenceNetworks, fenceScopes } = presented;
    const { record } = held;
    if (record.status !== "active" || !isAccepted(version.state) || record.expiresAt !== undefined) return 0;
    if (fenceNetworks !== undefined || fenceScopes !== undefined) return 0;
    if (version.scopes !== undefined || version.brownoutUntil !== undefined || list < 0) return 0;
    let environment = this.#environments.indexOf(record.environment);
    if (environment < 0) environment = this.#environments.push(record.environment) - 1;
    return environment < ENVIRONMENTS_MAX ? (list << 9) | (environment << 1) | 1 : 0;
  }

  #drop(key: string, held: HeldKey): void {
    this.#release(held);
    this.#keys.delete(key);
  }

  #release(held: HeldKey): void {
    for (const { version } of held.versions) {
      if (!parseDigestText(version.sha256, this.#digest)) continue;
      const slot = this.#index.find(this.#digest);
      // A digest that another key has taken since is no longer this one's to remove.
      if (slot < 0 || this.#held[slot]?.held !== held) continue;
      this.#vacate(slot);
      this.#index.remove(this.#digest);
    }
  }

  #vacate(slot: number): void {
    this.#onRelease(slot);
    this.#held[slot] = undefined;
    this.#verdicts[slot] = undefined;
  }
}

function okVerdictOf(version: HeldVersion): Verdict {
  return Object.freeze(verdictOf(version, "ok"));
}

/** What keys with the same scopes and networks have in common. */
interface SharedList {
  scopes: ScopeMatcher;
  names: string[];
  networks: NetworkMatcher;
  /** The address that was allowed last: it mostly comes again, and need not be parsed again then. */
  allowed: string | null;
}

/**
 * Most keys of an api have one of a few lists of scopes, and many no networks or the same: they share one array and the
 * matchers. That also saves half the memory of a million keys.
 */
class SharedLists {
  #ids = new Map<string, number>();
  #lists: SharedList[] = [];

  at(id: number): SharedList {
    return this.#lists[id] as SharedList;
  }

  /** The number of the key's list, which the key uses from now on; -1 if there are too many different ones. */
  share(held: HeldKey): number {
    const { record, versions } = held;
    const plain = versions.filter((version) => version.version.scopes === undefined);
    const first = plain[0];
    if (first === undefined) return -1;
    const name = `${record.scopes.join(" ")}|${record.networks.join(" ")}`;
    let id = this.#ids.get(name);
    if (id === undefined) {
      if (this.#lists.length >= LISTS_MAX) return -1;
      const names = Object.freeze(record.scopes) as string[];
      id = this.#lists.push({ scopes: first.scopes, names, networks: held.networks, allowed: null }) - 1;
      this.#ids.set(name, id);
    }
    const shared = this.at(id);
    record.scopes = shared.names;
    held.networks = shared.networks;
    for (const version of plain) {
      version.scopes = shared.scopes;
      if (version.version.fence?.scopes === undefined) version.grants = record.scopes;
    }
    return id;
  }
}
