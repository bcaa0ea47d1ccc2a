/**
 * What many keys have in common, by number: environments, lists of scopes with lists of networks and a plan, consumers. Numbers are never given
 * to another, so that a line that holds one may be read at any time; what a key had and nobody has any more stays until the replica is emptied.
 */
import { compileNetworks, compileScopes, type NetworkMatcher, type ScopeMatcher } from "@keyover/core";
import { Buckets, WRITERS_LOAD_MAX } from "./buckets.ts";
import { handleHash, handleText, packHandle, sameHandle } from "./handle-words.ts";
import { ENVIRONMENTS_MAX, PROFILES_MAX } from "./line.ts";
import { firstUnitOf, placeOf, Segments, segmentOf, UNIT_WORDS } from "./segments.ts";

export interface Profile {
  readonly scopes: readonly string[];
  readonly networks: readonly string[];
  /** The plan that a key's record names. */
  readonly plan: string | undefined;
  readonly allowsScope: ScopeMatcher;
  readonly allowsNetwork: NetworkMatcher;
  /** The address that was allowed last: it mostly comes again, and need not be parsed again then. */
  allowed: string | null;
  /** The scope that was allowed last, likewise. */
  scope: string | null;
}

export class Profiles {
  readonly environments: string[] = [];
  readonly list: Profile[] = [];
  /** Called with what is new, before a line can refer to it. */
  onEnvironment: (name: string) => void = () => undefined;
  onProfile: (profile: Profile) => void = () => undefined;
  #ids = new Map<string, number>();

  /** The environment's number, or -1 if there are too many. */
  environment(name: string): number {
    const known = this.environments.indexOf(name);
    if (known >= 0 || this.environments.length >= ENVIRONMENTS_MAX) return known;
    this.onEnvironment(name);
    return this.environments.push(name) - 1;
  }

  /** The number of the two lists and the plan together, or -1 if there are too many. */
  profile(scopes: readonly string[], networks: readonly string[], plan: string | undefined): number {
    const name = JSON.stringify([scopes, networks, plan]);
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    if (this.list.length >= PROFILES_MAX) return -1;
    const profile = profileOf(scopes, networks, plan);
    this.onProfile(profile);
    const id = this.list.push(profile) - 1;
    this.#ids.set(name, id);
    return id;
  }
}

function profileOf(scopes: readonly string[], networks: readonly string[], plan: string | undefined): Profile {
  return {
    plan,
    scopes: Object.freeze([...scopes]),
    networks: Object.freeze([...networks]),
    allowsScope: compileScopes(scopes),
    allowsNetwork: compileNetworks(networks),
    allowed: null,
    scope: null,
  };
}

const WORDS = 5;
const PER_UNIT = 3;
const UNITS_AT_ONCE = 8_192;

/** Handles of consumers, three in a unit. */
export class Consumers {
  readonly segments: Segments = new Segments();
  count = 0;
  #appended = 0;
  readonly #words = new Int32Array(WORDS);
  readonly #index: Buckets;

  constructor() {
    this.#index = new Buckets(
      {
        hashOf: (id) => this.#hashOf(id),
        isIn: () => true,
        end: () => this.count,
      },
      WRITERS_LOAD_MAX,
    );
  }

  /** The consumer's number; -1 if its name is no handle. */
  id(name: string): number {
    const words = this.#words;
    if (!packHandle(name, "con", words)) return -1;
    const hash = handleHash(words, 0);
    const known = this.#index.table.find(hash, (id) => sameHandle(this.#wordsOf(id), this.#placeOf(id), words, 0));
    if (known >= 0) return known;
    this.#index.prepare(1);
    const id = this.count;
    this.segments.reach(Math.floor(id / PER_UNIT));
    this.#wordsOf(id).set(words, this.#placeOf(id));
    this.count++;
    this.#index.add(id, hash);
    return id;
  }

  name(id: number): string {
    return handleText("con", this.#wordsOf(id), this.#placeOf(id));
  }

  /** Writes the words of its handle. */
  copy(id: number, into: Int32Array): void {
    const [words, at] = [this.#wordsOf(id), this.#placeOf(id)];
    for (let i = 0; i < WORDS; i++) into[i] = words[at + i] as number;
  }

  /** Their handles as they stand in memory, in parts. */
  *units(): Generator<Buffer> {
    const end = Math.ceil(this.count / PER_UNIT);
    for (let unit = 0; unit < end; ) {
      const segment = segmentOf(unit);
      const to = Math.min(end, firstUnitOf(segment + 1), unit + UNITS_AT_ONCE);
      const { buffer } = this.segments.words[segment] as Int32Array;
      yield Buffer.from(buffer, 4 * placeOf(unit), 4 * UNIT_WORDS * (to - unit));
      unit = to;
    }
  }

  /** Puts such a part after those before it. `adopt` tells what of them counts. */
  append(part: Buffer): void {
    for (let at = 0; at < part.length; at += 4 * UNIT_WORDS, this.#appended++) {
      this.segments.reach(this.#appended);
      const { buffer } = this.segments.words[segmentOf(this.#appended)] as Int32Array;
      Buffer.from(buffer).set(part.subarray(at, at + 4 * UNIT_WORDS), 4 * placeOf(this.#appended));
    }
  }

  /** Fills the index with consumers that came from elsewhere. */
  adopt(count: number): void {
    if (Math.ceil(count / PER_UNIT) > this.#appended) throw new RangeError("fewer consumers than there should be");
    this.#index.reserve(count);
    for (let id = 0; id < count; id++) {
      this.#index.prepare(1);
      this.count = id + 1;
      this.#index.add(id, this.#hashOf(id));
    }
  }

  #hashOf(id: number): number {
    return handleHash(this.#wordsOf(id), this.#placeOf(id));
  }

  #wordsOf(id: number): Int32Array {
    return this.segments.words[segmentOf(Math.floor(id / PER_UNIT))] as Int32Array;
  }

  #placeOf(id: number): number {
    return placeOf(Math.floor(id / PER_UNIT)) + WORDS * (id % PER_UNIT);
  }
}
