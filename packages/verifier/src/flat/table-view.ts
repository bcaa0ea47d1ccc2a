/**
 * What a flat table (flat-table.ts) answers: which line a digest leads to, and what a line says. Nothing here changes anything, so that it serves
 * whoever may look: the thread that writes the table, and others (threads/shared-table.ts).
 *
 * A line that was given up keeps its words until its slot is used again: what was found stays readable for as long as whoever gives slots
 * anew waits for the reader.
 */
import { digestText, type HeldVersion, holdKey, type KeyRecord } from "@keyover/core";
import { Arena } from "./arena.ts";
import type { Table } from "./buckets.ts";
import { handleText, seqOfWords } from "./handle-words.ts";
import * as line from "./line.ts";
import { Consumers, type Profile, Profiles } from "./profiles.ts";
import { placeOf, Segments, segmentOf } from "./segments.ts";

const { BLOCK, CONSUMER, DIGEST_WORDS, HANDLE, META, NUMBER, SEQ } = line;

export abstract class TableView {
  readonly lines: Segments = new Segments();
  readonly arena: Arena = new Arena();
  readonly consumers: Consumers = new Consumers();
  readonly profiles: Profiles = new Profiles();

  /** From digests to lines. */
  abstract readonly digests: Table;

  wordsOf(slot: number): Int32Array {
    return this.lines.words[segmentOf(slot)] as Int32Array;
  }

  metaOf(slot: number): number {
    return this.wordsOf(slot)[placeOf(slot) + META] as number;
  }

  /** The slot of a digest (eight words), or -1. */
  find(digest: Int32Array): number {
    const table = this.digests;
    const { buckets, capacity, slotBits } = table;
    const segments = this.lines.words;
    const hash = digest[0] as number;
    const tag = hash << slotBits;
    const mask = (1 << slotBits) - 1;
    for (let bucket = table.home(hash); ; ) {
      const held = buckets[bucket] as number;
      if (held === 0) return -1;
      if ((held ^ tag) >>> slotBits === 0) {
        const slot = (held & mask) - 1;
        if (isDigestAt(segments[segmentOf(slot)] as Int32Array, placeOf(slot), digest)) return slot;
      }
      if (++bucket === capacity) bucket = 0;
    }
  }

  keyOf(slot: number): string {
    const [words, at] = [this.wordsOf(slot), placeOf(slot)];
    const meta = words[at + META] as number;
    return line.isNameHashed(meta) ? this.rareRecord(slot).key : handleText("key", words, at + HANDLE);
  }

  /** The record of the key that the slot, its head or one of its versions, belongs to. A new object each time. */
  recordOf(slot: number): KeyRecord {
    const [words, at] = [this.wordsOf(slot), placeOf(slot)];
    return line.isRare(words[at + META] as number) ? this.rareRecord(slot) : this.plainRecord(words, at);
  }

  /** The record that a plain line, here or elsewhere, says. */
  plainRecord(words: Int32Array, at: number): KeyRecord {
    const meta = words[at + META] as number;
    const { scopes, networks, plan } = this.profileOf(meta);
    const number = (words[at + NUMBER] as number) >>> 16;
    const sha256 = digestText(words.subarray(at, at + DIGEST_WORDS));
    return {
      seq: seqOfWords(words[at + SEQ] as number, words, at + HANDLE),
      key: handleText("key", words, at + HANDLE),
      consumer: this.consumers.name(words[at + CONSUMER] as number),
      environment: this.profiles.environments[line.environmentOf(meta)] as string,
      status: line.statusOf(meta),
      scopes: [...scopes],
      networks: [...networks],
      current: number,
      ...(plan === undefined ? {} : { plan }),
      versions: [{ number, state: line.stateOf(meta), sha256, compromised: line.isCompromised(meta) }],
    };
  }

  profileOf(meta: number): Profile {
    return this.profiles.list[line.profileOf(meta)] as Profile;
  }

  /** The version of a slot that `find` answered, ready to be judged. A new object each time. */
  heldOf(slot: number): HeldVersion {
    const held = holdKey(this.recordOf(slot));
    const [words, at] = [this.wordsOf(slot), placeOf(slot)];
    const place = line.isRare(words[at + META] as number) ? (words[at + NUMBER] as number) >>> 16 : 0;
    return held.versions[place] as HeldVersion;
  }

  /** Of a rare line. */
  protected rareRecord(slot: number): KeyRecord {
    return JSON.parse(this.arena.text(this.wordsOf(slot)[placeOf(slot) + BLOCK] as number)) as KeyRecord;
  }
}

/** Written out: a loop took half as long again. */
export function isDigestAt(words: Int32Array, at: number, digest: Int32Array): boolean {
  return (
    words[at] === digest[0] &&
    words[at + 1] === digest[1] &&
    words[at + 2] === digest[2] &&
    words[at + 3] === digest[3] &&
    words[at + 4] === digest[4] &&
    words[at + 5] === digest[5] &&
    words[at + 6] === digest[6] &&
    words[at + 7] === digest[7]
  );
}
