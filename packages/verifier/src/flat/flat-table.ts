/**
 * The keys of an api without an object for each: lines and buckets in shared memory.
 *
 *     digest ──byDigest──▶ line (line.ts) ──profile, environment, consumer: by number──▶ profiles.ts
 *     handle ──byKey─────▶ head line        └──rare: block──▶ arena.ts, the record as text
 *
 * **A line is written once.** Whatever changes of a key, its lines are written anew in other slots, the buckets are turned to them, and
 * the old lines lose the bit that says they are in use. Nothing else of them changes until their slots are used again.
 *
 * One thread writes. Where others read (threads/shared-table.ts has the argument), three things are for them: a line's words are written plainly and
 * then its meta by `Atomics.store`; a bucket is turned in one word, and buckets that move back are counted before and after; slots and blocks that
 * became free go to `onFree`, which gives them back when no reader can be looking at them any more.
 */
import { type KeyRecord, parseDigestText, type VersionRecord } from "@keyover/core";
import { Buckets, HOT_LOAD_MAX, type Table, WRITERS_LOAD_MAX } from "./buckets.ts";
import { handleHash, packBeside, packHandle, SEQ_LIMIT, sameHandle, seqOfWords } from "./handle-words.ts";
import * as line from "./line.ts";
import { plainVersion } from "./plain.ts";
import { placeOf, UNIT_WORDS } from "./segments.ts";
import { TableView } from "./table-view.ts";

/** In a rare head it says that the record itself must be asked: a number that came round to a low one would let an older record in. */
const SEQ_TOP = SEQ_LIMIT - 1;
/** Lines whose buckets are looked at in advance: so few that all of them stay in the cache until their turn comes. */
const FORESEEN = 512;

const { BLOCK, CONSUMER, DIGEST_WORDS, FIRST, HANDLE, META, NEXT, SEQ } = line;

export class FlatTable extends TableView {
  readonly byDigest: Buckets;
  readonly byKey: Buckets;
  /** Slots below were in use once. */
  end = 0;
  /** The highest number of a record that was ever written. */
  newest = 0;
  readonly #adopted = { profile: -1, environment: -1, consumer: -1 };
  /** Keys by the number of their environment; at -1 those whose environment has none. */
  readonly perEnvironment: Map<number, number> = new Map();
  #free: number[] = [];
  #walks = new Set<Walk>();
  readonly #digest = new Int32Array(DIGEST_WORDS);
  readonly #handle = new Int32Array(5);
  readonly #wanted = new Int32Array(5);
  /** The line elsewhere whose key is looked for; one function for all lines, because one for each is work for the garbage collector. */
  readonly #sought: { words: Int32Array; at: number } = { words: new Int32Array(0), at: 0 };
  readonly #isSought = (slot: number): boolean =>
    sameHandle(this.wordsOf(slot), placeOf(slot) + HANDLE, this.#sought.words, this.#sought.at + HANDLE);

  /** Called before a slot is taken from its version. */
  onRelease: (slot: number) => void = () => undefined;
  /** Where others read: called with what became free, which `reuse` brings back. Undefined: it is used again at once. */
  onFree: ((freed: Freed) => void) | undefined;

  constructor() {
    super();
    const slots = (isIn: (meta: number) => boolean, hashOf: (words: Int32Array, at: number) => number) => ({
      hashOf: (slot: number) => hashOf(this.wordsOf(slot), placeOf(slot)),
      isIn: (slot: number) => isIn(this.metaOf(slot)),
      end: () => this.end,
    });
    this.byDigest = new Buckets(
      slots(line.hasDigest, (words, at) => words[at] as number),
      HOT_LOAD_MAX,
    );
    this.byKey = new Buckets(
      slots(line.isHead, (words, at) => handleHash(words, at + HANDLE)),
      WRITERS_LOAD_MAX,
    );
  }

  override get digests(): Table {
    return this.byDigest.table;
  }

  /** Keys. */
  get size(): number {
    return this.byKey.size;
  }

  /** The slot that stands for the key, or -1. */
  headOf(key: string): number {
    packKey(key, this.#wanted);
    return this.byKey.table.find(handleHash(this.#wanted, 0), (slot) => this.#isOf(slot, key));
  }

  seqOf(head: number): number {
    const [words, at] = [this.wordsOf(head), placeOf(head)];
    const seq = seqOfWords(words[at + SEQ] as number, words, at + HANDLE);
    return seq === SEQ_TOP && line.isRare(words[at + META] as number) ? this.rareRecord(head).seq : seq;
  }

  /** Puts the record in the place of what is held of its key. `head`: of that, or -1. */
  write(record: KeyRecord, head: number): void {
    this.newest = Math.max(this.newest, record.seq);
    const lost = this.#claim(record);
    const environment = this.profiles.environment(record.environment);
    const version = lost.length > 0 || environment < 0 ? undefined : plainVersion(record);
    if (version === undefined || !this.#writePlain(record, version, head, environment)) {
      this.#writeRare(record, head, environment, lost);
    }
  }

  /** Makes room for so many keys, now. */
  reserve(keys: number): void {
    this.byDigest.reserve(keys);
    this.byKey.reserve(keys);
  }

  /**
   * Takes plain lines as they stand in `words`, before their consumers and lists are known: `isWhole` must follow. Answers those that it
   * did not take, because their key or their digest is here already. Throws at one that is not plain: nobody may use the table then.
   */
  adopt(words: Int32Array): Int32Array[] {
    const late: Int32Array[] = [];
    this.#prepare(words.length / UNIT_WORDS);
    for (let at = 0; at < words.length; at += UNIT_WORDS) {
      if (at % (UNIT_WORDS * FORESEEN) === 0) this.#foresee(words.subarray(at, at + UNIT_WORDS * FORESEEN));
      if (!line.isPlain(words[at + META] as number) || (words[at + CONSUMER] as number) < 0)
        throw new RangeError("a line is not a plain one");
      if (!this.#adoptLine(words, at)) late.push(words.slice(at, at + UNIT_WORDS));
    }
    return late;
  }

  /**
   * Looks at the buckets that many lines will want, so that the waits for memory overlap: one by one, each line
   * waits for two of them in turn. The sum is of no use to anybody, but reads whose value nobody takes are left out.
   */
  #foresee(words: Int32Array): number {
    const [byDigest, byKey] = [this.byDigest.table, this.byKey.table];
    let sum = 0;
    for (let at = 0; at < words.length; at += UNIT_WORDS) {
      sum ^= byDigest.buckets[byDigest.home(words[at] as number)] as number;
      sum ^= byKey.buckets[byKey.home(handleHash(words, at + HANDLE))] as number;
    }
    return sum;
  }

  #adoptLine(words: Int32Array, at: number): boolean {
    const digest = this.#digest;
    for (let i = 0; i < DIGEST_WORDS; i++) digest[i] = words[at + i] as number;
    const hash = handleHash(words, at + HANDLE);
    if (this.find(digest) >= 0 || this.#lineOf(words, at, hash) >= 0) return false;
    const slot = this.#take();
    const [to, place] = [this.wordsOf(slot), placeOf(slot)];
    for (let i = 0; i < UNIT_WORDS; i++) to[place + i] = words[at + i] as number;
    this.byDigest.add(slot, digest[0] as number);
    this.byKey.add(slot, hash);
    this.#count(slot, 1);
    this.newest = Math.max(this.newest, seqOfWords(words[at + SEQ] as number, words, at + HANDLE));
    const meta = words[at + META] as number;
    const top = this.#adopted;
    top.profile = Math.max(top.profile, line.profileOf(meta));
    top.environment = Math.max(top.environment, line.environmentOf(meta));
    top.consumer = Math.max(top.consumer, words[at + CONSUMER] as number);
    return true;
  }

  /** The head of the key that a line elsewhere is of, or -1. */
  #lineOf(words: Int32Array, at: number, hash: number): number {
    this.#sought.words = words;
    this.#sought.at = at;
    return this.byKey.table.find(hash, this.#isSought);
  }

  /** True if all that the lines taken over refer to is here. */
  isWhole(): boolean {
    const { profile, environment, consumer } = this.#adopted;
    const { list, environments } = this.profiles;
    return profile < list.length && environment < environments.length && consumer < this.consumers.count;
  }

  /** All slots of the key that the head stands for, the head first. */
  slotsOf(head: number): number[] {
    const slots = [head];
    if (this.#blockOf(head) < 0) return slots;
    const first = this.wordsOf(head)[placeOf(head) + FIRST] as number;
    for (let next = first; next !== 0; next = this.wordsOf(next - 1)[placeOf(next - 1) + NEXT] as number)
      slots.push(next - 1);
    return slots;
  }

  /** What `onFree` was called with: nobody looks at it any more. */
  reuse(freed: Freed): void {
    if ("slot" in freed) this.#free.push(freed.slot);
    else this.arena.free(freed.block);
  }

  /** Forgets the key. */
  drop(head: number): void {
    this.byKey.remove(head, handleHash(this.wordsOf(head), placeOf(head) + HANDLE));
    this.#release(head);
  }

  /** The heads of all keys. What changes meanwhile may come twice; of what stays none is left out. */
  *heads(): IterableIterator<number> {
    const walk: Walk = { cursor: 0, behind: new Set() };
    this.#walks.add(walk);
    try {
      for (; walk.cursor < this.end; walk.cursor++) if (line.isHead(this.metaOf(walk.cursor))) yield walk.cursor;
      for (const slot of walk.behind) {
        walk.behind.delete(slot);
        if (line.isHead(this.metaOf(slot))) yield slot;
      }
    } finally {
      this.#walks.delete(walk);
    }
  }

  /**
   * A digest belongs to the newest record that has it: takes the record's digests from older ones, and answers the places of the
   * versions whose digest belongs to a newer one.
   */
  #claim(record: KeyRecord): number[] {
    const lost: number[] = [];
    for (const [place, { sha256 }] of record.versions.entries()) {
      const owner = parseDigestText(sha256, this.#digest) ? this.find(this.#digest) : -1;
      if (owner < 0 || this.#isOf(owner, record.key)) continue;
      const other = this.recordOf(owner);
      if (other.seq > record.seq) lost.push(place);
      else if (line.isRare(this.metaOf(owner))) this.#dropVersion(owner);
      else this.#writeRare(other, owner, line.environmentOf(this.metaOf(owner)), [0]);
    }
    return lost;
  }

  /** False if the record is not a plain one. */
  #writePlain(record: KeyRecord, version: VersionRecord, head: number, environment: number): boolean {
    const handle = this.#handle;
    if (!parseDigestText(version.sha256, this.#digest) || !packKey(record.key, handle)) return false;
    const profile = this.profiles.profile(record.scopes, record.networks, record.plan);
    const meta = profile < 0 ? undefined : line.plainMeta(version, record.status, environment, profile);
    const consumer = meta === undefined ? -1 : this.consumers.id(record.consumer);
    if (meta === undefined || consumer < 0) return false;
    this.#prepare(1);
    const slot = this.#take();
    const [words, at] = [this.wordsOf(slot), placeOf(slot)];
    words.set(this.#digest, at);
    words[at + CONSUMER] = consumer;
    words[at + SEQ] = record.seq;
    packBeside(handle, record.seq, version.number);
    words.set(handle, at + HANDLE);
    Atomics.store(words, at + META, meta);
    this.#turnDigest(slot);
    this.#turnKey(head, slot);
    return true;
  }

  /** `lost`: the places of versions that cannot be found by their digest. */
  #writeRare(record: KeyRecord, head: number, environment: number, lost: readonly number[]): void {
    this.#prepare(record.versions.length + 1);
    const handle = this.#handle;
    const hashed = !packKey(record.key, handle);
    const block = this.arena.put(JSON.stringify(record));
    let next = 0;
    for (let place = record.versions.length - 1; place >= 0; place--) {
      const { sha256 } = record.versions[place] as VersionRecord;
      if (lost.includes(place) || !parseDigestText(sha256, this.#digest)) continue;
      // Of two versions with one digest the last counts.
      if (this.#blockOf(this.find(this.#digest)) === block) continue;
      const slot = this.#take();
      const [words, at] = [this.wordsOf(slot), placeOf(slot)];
      words.set(this.#digest, at);
      words[at + BLOCK] = block;
      words[at + NEXT] = next;
      packBeside(handle, record.seq, place);
      words.set(handle, at + HANDLE);
      Atomics.store(words, at + META, line.rareMeta("version", environment, hashed));
      this.#turnDigest(slot);
      next = slot + 1;
    }
    const slot = this.#take();
    const [words, at] = [this.wordsOf(slot), placeOf(slot)];
    words.fill(0, at, at + DIGEST_WORDS);
    words[at + FIRST] = next;
    words[at + BLOCK] = block;
    words[at + SEQ] = Math.min(record.seq, SEQ_TOP);
    packBeside(handle, Math.min(record.seq, SEQ_TOP), 0);
    words.set(handle, at + HANDLE);
    Atomics.store(words, at + META, line.rareMeta("head", environment, hashed));
    this.#turnKey(head, slot);
  }

  /** The digest in `#digest`, which nobody else's version has, leads to this slot from now on. */
  #turnDigest(slot: number): void {
    const hash = this.#digest[0] as number;
    const old = this.find(this.#digest);
    if (old < 0) this.byDigest.add(slot, hash);
    else this.byDigest.replace(old, slot, hash);
  }

  #turnKey(head: number, slot: number): void {
    const hash = handleHash(this.wordsOf(slot), placeOf(slot) + HANDLE);
    this.#count(slot, 1);
    if (head < 0) {
      this.byKey.add(slot, hash);
      return;
    }
    for (const walk of this.#walks) {
      const unseen = head >= walk.cursor || walk.behind.delete(head);
      if (unseen && slot < walk.cursor) walk.behind.add(slot);
    }
    this.byKey.replace(head, slot, hash);
    this.#release(head);
  }

  /** All that the key of a head has, except its bucket in `byKey`. */
  #release(head: number): void {
    this.#count(head, -1);
    const block = this.#blockOf(head);
    const slots = this.slotsOf(head);
    for (const slot of slots) this.#leaveDigest(slot);
    for (const slot of slots) this.#give(slot);
    if (block < 0) return;
    if (this.onFree === undefined) this.arena.free(block);
    else this.onFree({ block });
  }

  /** Takes one version from a rare key. */
  #dropVersion(slot: number): void {
    const head = this.headOf(this.keyOf(slot));
    const after = this.wordsOf(slot)[placeOf(slot) + NEXT] as number;
    let [before, word] = [head, FIRST as number];
    while (this.wordsOf(before)[placeOf(before) + word] !== slot + 1) {
      before = (this.wordsOf(before)[placeOf(before) + word] as number) - 1;
      word = NEXT;
    }
    this.#leaveDigest(slot);
    this.wordsOf(before)[placeOf(before) + word] = after;
    this.#give(slot);
  }

  /** Its digest, if it has one that is still its own, leads nowhere. */
  #leaveDigest(slot: number): void {
    const [words, at] = [this.wordsOf(slot), placeOf(slot)];
    if (!line.hasDigest(words[at + META] as number)) return;
    const digest = words.subarray(at, at + DIGEST_WORDS);
    if (this.find(digest) === slot) this.byDigest.remove(slot, digest[0] as number);
  }

  #prepare(count: number): void {
    this.byDigest.prepare(count);
    this.byKey.prepare(count);
  }

  #take(): number {
    const slot = this.#free.pop() ?? this.end++;
    this.lines.reach(slot);
    return slot;
  }

  #give(slot: number): void {
    const meta = this.metaOf(slot);
    if (line.hasDigest(meta)) this.onRelease(slot);
    Atomics.store(this.wordsOf(slot), placeOf(slot) + META, line.notInUse(meta));
    if (this.onFree === undefined) this.#free.push(slot);
    else this.onFree({ slot });
  }

  /** By environment. */
  #count(head: number, by: number): void {
    const environment = line.environmentOf(this.metaOf(head));
    this.perEnvironment.set(environment, (this.perEnvironment.get(environment) ?? 0) + by);
  }

  #isOf(slot: number, key: string): boolean {
    const hashed = !packKey(key, this.#wanted);
    const [words, at] = [this.wordsOf(slot), placeOf(slot)];
    if (line.isNameHashed(words[at + META] as number) !== hashed) return false;
    return sameHandle(words, at + HANDLE, this.#wanted, 0) && (!hashed || this.rareRecord(slot).key === key);
  }

  /** Of a rare line; -1 for any other. */
  #blockOf(slot: number): number {
    if (slot < 0) return -1;
    const [words, at] = [this.wordsOf(slot), placeOf(slot)];
    return line.isRare(words[at + META] as number) ? (words[at + BLOCK] as number) : -1;
  }
}

export type Freed = { slot: number } | { block: number };

/** A walk over all slots, and those behind the cursor that keys moved to before they were seen. */
interface Walk {
  cursor: number;
  behind: Set<number>;
}

/** The key's words: its digits, or a hash of a name that is no handle; false for those. */
function packKey(key: string, words: Int32Array): boolean {
  if (packHandle(key, "key", words)) return true;
  words.fill(0);
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i);
    words[0] = Math.imul((words[0] as number) ^ code, 0x0100_0193);
    words[1] = Math.imul((words[1] as number) + code, 0x9e37_79b1) ^ i;
  }
  return false;
}
