/**
 * Who used which version, from where, since the last report. Counting is on the hot path. The counters of the last caller of
 * a version stand in the version's line of the replica's table, which the look-up has just brought into the cache:
 *
 *     same caller as last time    a few comparisons and additions; nothing is made
 *     another caller              the counters are folded into a tally of their source, and begin anew for this one
 *
 * Times are kept on the local monotonic clock and translated when a report is made, when the authority's clock is known
 * best. At most `SOURCES_MAX` sources of a version are told apart in one interval; the rest are one source, `other`.
 */
import { type HeldVersion, type Sighting, type Source, sourceId, truncatedNetwork } from "@keyover/core";
import { LINE } from "./digest-table.ts";

const SOURCES_MAX = 64;
const CALLERS_MAX = 65_536;
const LABEL_LENGTH_MAX = 64;
const MEMORY_MAX = 4_096;

// Words of a line, after the digest and RULE. Times are milliseconds since the interval began.
const CALLER = 9;
const ACCEPTED = 10;
const REFUSED = 11;
const FIRST = 12;
const LAST = 13;
const GAP = 14;

/** Who is calling, as the request has it. */
export interface Caller {
  network?: string | undefined;
  /** The User-Agent. */
  client?: string | undefined;
  /** What the client calls itself: one of several instances behind one address. */
  instance?: string | undefined;
}

/** The versions that are counted: a replica. */
export interface Counted {
  readonly lines: Int32Array;
  held(slot: number): HeldVersion;
}

interface KnownCaller extends Caller {
  source: Source;
}

interface Tally {
  source: Source;
  first: number;
  last: number;
  accepted: number;
  refused: number;
  gap: number;
}

export class Sightings {
  /** When the interval began (monotonic). */
  #base: number;
  /** Slots counted in this interval; twice if the slot was taken from its version meanwhile. */
  #touched: number[] = [];
  #callers = new KnownCallers();
  /** By slot and `sourceId`: what is not in the line any more. */
  #folded = new Map<number, Map<string, Tally>>();
  /** Of versions that were replaced or taken away since. */
  #released: Sighting[] = [];

  constructor(at: number) {
    this.#base = at;
  }

  /** One use at the monotonic time `at`. */
  count(versions: Counted, slot: number, caller: Caller, at: number, accepted: boolean): void {
    const { lines } = versions;
    const line = LINE * slot;
    const time = at - this.#base;
    if ((lines[line + ACCEPTED] as number) + (lines[line + REFUSED] as number) === 0) {
      this.#touched.push(slot);
      this.#begin(lines, line, caller, time);
    } else if (this.#callers.is(lines[line + CALLER] as number, caller)) {
      // Rounded up: a gap that looks longer than it was asks for more silence, not for less.
      const gap = Math.ceil(time) - (lines[line + LAST] as number);
      if (gap > (lines[line + GAP] as number)) lines[line + GAP] = gap;
    } else {
      this.#fold(versions, slot);
      this.#begin(lines, line, caller, time);
    }
    lines[line + LAST] = Math.ceil(time);
    const counter = line + (accepted ? ACCEPTED : REFUSED);
    lines[counter] = (lines[counter] as number) + 1;
  }

  /** The slot is about to be taken from its version: what was counted is kept. */
  release(versions: Counted, slot: number): void {
    this.#fold(versions, slot);
    const folded = this.#folded.get(slot);
    if (folded === undefined) return;
    const { held, version } = versions.held(slot);
    for (const tally of folded.values()) this.#released.push(sightingOf(held.record.key, version.number, tally));
    this.#folded.delete(slot);
  }

  /** Everything since the last call, its times translated by `timeOf`; and begins anew at the monotonic time `at`. */
  drain(versions: Counted, at: number, timeOf: (at: number) => number): Sighting[] {
    const drained = this.#released;
    for (const slot of this.#touched) {
      this.#fold(versions, slot);
      const folded = this.#folded.get(slot);
      if (folded === undefined) continue;
      const { held, version } = versions.held(slot);
      for (const tally of folded.values()) drained.push(sightingOf(held.record.key, version.number, tally));
      this.#folded.delete(slot);
    }
    for (const sighting of drained) {
      sighting.first = Math.ceil(timeOf(this.#base + sighting.first));
      sighting.last = Math.ceil(timeOf(this.#base + sighting.last));
    }
    this.#released = [];
    this.#touched = [];
    this.#callers.tidy();
    this.#base = at;
    return drained;
  }

  #begin(lines: Int32Array, line: number, caller: Caller, time: number): void {
    const known = lines[line + CALLER] as number;
    if (!this.#callers.is(known, caller)) lines[line + CALLER] = this.#callers.idOf(caller);
    lines[line + FIRST] = Math.ceil(time);
    lines[line + GAP] = 0;
  }

  /** Moves what the line has counted to the tally of its source. */
  #fold({ lines }: Counted, slot: number): void {
    const line = LINE * slot;
    const accepted = lines[line + ACCEPTED] as number;
    const refused = lines[line + REFUSED] as number;
    if (accepted + refused === 0) return;
    let tallies = this.#folded.get(slot);
    if (tallies === undefined) {
      tallies = new Map();
      this.#folded.set(slot, tallies);
    }
    const source = this.#callers.sourceOf(lines[line + CALLER] as number);
    const [first, last, gap] = [
      lines[line + FIRST] as number,
      lines[line + LAST] as number,
      lines[line + GAP] as number,
    ];
    const place = tallies.has(sourceId(source)) || tallies.size < SOURCES_MAX ? source : OTHER;
    const tally = tallies.get(sourceId(place));
    if (tally === undefined) {
      tallies.set(sourceId(place), { source: place, first, last, accepted, refused, gap });
    } else {
      tally.gap = Math.max(tally.gap, gap, first - tally.last);
      tally.last = last;
      tally.accepted += accepted;
      tally.refused += refused;
    }
    lines[line + ACCEPTED] = 0;
    lines[line + REFUSED] = 0;
  }
}

/** Its times still the interval's own. */
function sightingOf(key: string, version: number, { source, first, last, accepted, refused, gap }: Tally): Sighting {
  return { key, version, source, first, last, accepted, refused, longestGapMs: gap };
}

/** Callers that send more about themselves than this are counted together: they are kept in memory as they came. */
const CALLER_LENGTH_MAX = 500;
const OTHER: Source = { network: "other", client: "other", instance: "" };

/** Callers by a small number, so that a line can hold one. Number 0 is everybody who was one too many. */
class KnownCallers {
  #list: KnownCaller[] = [{ network: "\0", source: OTHER }];
  #ids = new Map<string, number>();
  #networks = new Memory(truncatedNetwork);
  #clients = new Memory(clientProduct);
  #instances = new Memory(label);

  is(id: number, { network, client, instance }: Caller): boolean {
    const known = this.#list[id];
    if (known === undefined) return false;
    return known.network === network && known.client === client && known.instance === instance;
  }

  sourceOf(id: number): Source {
    return this.#list[id]?.source ?? OTHER;
  }

  idOf({ network, client, instance }: Caller): number {
    const name = `${network}\0${client}\0${instance}`;
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    if (this.#list.length >= CALLERS_MAX || name.length > CALLER_LENGTH_MAX) return 0;
    const source: Source = {
      network: network === undefined ? "unknown" : this.#networks.get(network),
      client: client === undefined ? "" : this.#clients.get(client),
      instance: instance === undefined ? "" : this.#instances.get(instance),
    };
    const id = this.#list.push({ network, client, instance, source }) - 1;
    this.#ids.set(name, id);
    return id;
  }

  /** Between two intervals, when no line's number counts: forgets all if the list has grown long. */
  tidy(): void {
    if (this.#list.length < CALLERS_MAX / 16) return;
    this.#list.length = 1;
    this.#ids.clear();
  }
}

/** The first product token of a User-Agent (RFC 9110 §10.1.5): `acme-bot/2.1`, without comments and what follows. */
export function clientProduct(userAgent: string): string {
  return label(userAgent.trimStart().split(/[\s(]/, 1)[0] as string);
}

/** Printable ASCII, at most 64 characters; what a caller sends must not break a log or a screen. */
export function label(text: string): string {
  return text.slice(0, LABEL_LENGTH_MAX).replace(/[^\x20-\x7e]|\|/g, "?");
}

/** The last few thousand results of a pure function of a text. Long texts are not worth their memory. */
class Memory {
  #results = new Map<string, string>();
  readonly #compute: (text: string) => string;

  constructor(compute: (text: string) => string) {
    this.#compute = compute;
  }

  get(text: string): string {
    const known = this.#results.get(text);
    if (known !== undefined) return known;
    const result = this.#compute(text);
    if (text.length > 500) return result;
    if (this.#results.size >= MEMORY_MAX) this.#results.clear();
    this.#results.set(text, result);
    return result;
  }
}
