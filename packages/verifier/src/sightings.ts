/**
 * Who used which version, from where, since the last report. Counting is on the hot path and makes nothing on the heap:
 *
 *     use ──▶ cell of the slot, if it is this version's and the caller is the last one: a few comparisons and additions
 *               │ another version's or caller's: what it held is spilled, and it begins anew
 *               ▼
 *             list of spilled cells, in the order of time ──a report, a release, a long list──▶ tally by slot and source
 *
 * There are as many cells as fit the processor's cache, not one for each key: with ten million keys a place of its own for each would be one more
 * wait for memory in each decision, and 32 bytes more.
 *
 * Times are kept on the local monotonic clock and translated when a report is made, when the authority's clock is known
 * best. At most `SOURCES_MAX` sources of a version are told apart in one interval; the rest are one source, `other`.
 */
import { type Sighting, type Source, sourceId, truncatedNetwork } from "@keyover/core";

const SOURCES_MAX = 64;
const CALLERS_MAX = 65_536;
const LABEL_LENGTH_MAX = 64;
const MEMORY_MAX = 4_096;

/** A power of two: 2 MB of cells. */
const CELLS = 65_536;
const CELLS_PER_CHUNK = 16_384;
/** 32 MB of spilled cells are folded without waiting for the report. */
const CHUNKS_MAX = 64;
/** Kept from one interval to the next. */
const CHUNKS_KEPT = 8;

// Words of a cell. Times are milliseconds since the interval began.
const CELL = 8;
/** Slot + 1; 0: nothing is counted here. */
const OF = 0;
const CALLER = 1;
const ACCEPTED = 2;
const REFUSED = 3;
const FIRST = 4;
const LAST = 5;
const GAP = 6;
/** Of those accepted: refused for a limit of the key's plan. */
const LIMITED = 7;

/** Who is calling, as the request has it. */
export interface Caller {
  network?: string | undefined;
  /** The User-Agent. */
  client?: string | undefined;
  /** What the client calls itself: one of several instances behind one address. */
  instance?: string | undefined;
}

export interface VersionName {
  key: string;
  version: number;
}

/** The versions that are counted: a replica. */
export interface Counted {
  nameOf(slot: number): VersionName;
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
  limited: number;
  gap: number;
}

export class Sightings {
  /** When the interval began (monotonic). */
  #base: number;
  #callers = new KnownCallers();
  readonly #cells = new Int32Array(CELL * CELLS);
  /** Cells from here on were not used in this interval. */
  #cellsEnd = 0;
  #chunks: Int32Array[] = [];
  #spilled = 0;
  /** By slot: what is in no cell any more. */
  #folded = new Map<number, Tally[]>();
  /** Of versions that were replaced or taken away since. */
  #released: Sighting[] = [];

  constructor(at: number) {
    this.#base = at;
  }

  /** One use at the monotonic time `at`. */
  count(slot: number, caller: Caller, at: number, accepted: boolean): void {
    const cells = this.#cells;
    const cell = CELL * (slot & (CELLS - 1));
    // Rounded up: a gap that looks longer than it was asks for more silence, not for less.
    const time = Math.ceil(at - this.#base);
    if (cells[cell + OF] === slot + 1 && this.#callers.is(cells[cell + CALLER] as number, caller)) {
      const gap = time - (cells[cell + LAST] as number);
      if (gap > (cells[cell + GAP] as number)) cells[cell + GAP] = gap;
    } else {
      if (cells[cell + OF] !== 0) this.#spill(cell);
      this.#begin(cell, slot, caller, time);
    }
    cells[cell + LAST] = time;
    const counter = cell + (accepted ? ACCEPTED : REFUSED);
    cells[counter] = (cells[counter] as number) + 1;
  }

  /** The use that was just counted as accepted was refused for a limit of the key's plan. */
  limited(slot: number): void {
    const counter = CELL * (slot & (CELLS - 1)) + LIMITED;
    this.#cells[counter] = (this.#cells[counter] as number) + 1;
  }

  /** The slot is about to be taken from its version: what was counted is kept. */
  release(versions: Counted, slot: number): void {
    const cell = CELL * (slot & (CELLS - 1));
    if (this.#cells[cell + OF] === slot + 1) {
      this.#spill(cell);
      this.#cells[cell + OF] = 0;
    }
    if (this.#spilled > 0) this.#foldSpilled();
    const tallies = this.#folded.get(slot);
    if (tallies === undefined) return;
    pushSightings(this.#released, versions.nameOf(slot), tallies);
    this.#folded.delete(slot);
  }

  /** All slots are about to be taken from their versions. */
  releaseAll(versions: Counted): void {
    for (let cell = 0; cell < this.#cellsEnd; cell += CELL) {
      if (this.#cells[cell + OF] === 0) continue;
      this.#spill(cell);
      this.#cells[cell + OF] = 0;
    }
    this.#foldSpilled();
    for (const [slot, tallies] of this.#folded) pushSightings(this.#released, versions.nameOf(slot), tallies);
    this.#folded.clear();
  }

  /** Everything since the last call, its times translated by `timeOf`; and begins anew at the monotonic time `at`. */
  drain(versions: Counted, at: number, timeOf: (at: number) => number): Sighting[] {
    this.releaseAll(versions);
    const drained = this.#released;
    for (const sighting of drained) {
      sighting.first = Math.ceil(timeOf(this.#base + sighting.first));
      sighting.last = Math.ceil(timeOf(this.#base + sighting.last));
    }
    this.#released = [];
    this.#cellsEnd = 0;
    this.#chunks.length = Math.min(this.#chunks.length, CHUNKS_KEPT);
    this.#callers.tidy();
    this.#base = at;
    return drained;
  }

  #begin(cell: number, slot: number, caller: Caller, time: number): void {
    const cells = this.#cells;
    cells[cell + OF] = slot + 1;
    cells[cell + CALLER] = this.#callers.idOf(caller);
    cells[cell + ACCEPTED] = 0;
    cells[cell + REFUSED] = 0;
    cells[cell + FIRST] = time;
    cells[cell + GAP] = 0;
    cells[cell + LIMITED] = 0;
    if (cell >= this.#cellsEnd) this.#cellsEnd = cell + CELL;
  }

  #spill(cell: number): void {
    const index = Math.floor(this.#spilled / CELLS_PER_CHUNK);
    let chunk = this.#chunks[index];
    if (chunk === undefined) {
      chunk = new Int32Array(CELL * CELLS_PER_CHUNK);
      this.#chunks.push(chunk);
    }
    const to = CELL * (this.#spilled % CELLS_PER_CHUNK);
    for (let i = 0; i < CELL; i++) chunk[to + i] = this.#cells[cell + i] as number;
    if (++this.#spilled === CELLS_PER_CHUNK * CHUNKS_MAX) this.#foldSpilled();
  }

  #foldSpilled(): void {
    for (let i = 0; i < this.#spilled; i++) {
      this.#fold(this.#chunks[Math.floor(i / CELLS_PER_CHUNK)] as Int32Array, CELL * (i % CELLS_PER_CHUNK));
    }
    this.#spilled = 0;
  }

  /** Adds a cell to the tally of its source. */
  #fold(cells: Int32Array, at: number): void {
    const slot = (cells[at + OF] as number) - 1;
    const source = this.#callers.sourceOf(cells[at + CALLER] as number);
    const accepted = cells[at + ACCEPTED] as number;
    const refused = cells[at + REFUSED] as number;
    const limited = cells[at + LIMITED] as number;
    const [first, last, gap] = [cells[at + FIRST] as number, cells[at + LAST] as number, cells[at + GAP] as number];
    const tallies = this.#folded.get(slot);
    const known = tallies?.find((each) => each.source === source);
    const tally = known ?? (tallies !== undefined && tallies.length >= SOURCES_MAX ? otherOf(tallies) : undefined);
    if (tally === undefined) {
      const place = tallies !== undefined && tallies.length >= SOURCES_MAX ? OTHER : source;
      const made = { source: place, first, last, accepted, refused, limited, gap };
      if (tallies === undefined) this.#folded.set(slot, [made]);
      else tallies.push(made);
    } else {
      tally.gap = Math.max(tally.gap, gap, first - tally.last);
      tally.last = last;
      tally.accepted += accepted;
      tally.refused += refused;
      tally.limited += limited;
    }
  }
}

function otherOf(tallies: readonly Tally[]): Tally | undefined {
  return tallies.find((each) => each.source === OTHER);
}

/** Their times still the interval's own. */
function pushSightings(to: Sighting[], { key, version }: VersionName, tallies: readonly Tally[]): void {
  for (const { source, first, last, accepted, refused, limited, gap } of tallies) {
    const sighting = { key, version, source, first, last, accepted, refused, longestGapMs: gap };
    to.push(limited === 0 ? sighting : { ...sighting, limited });
  }
}

/** Callers that send more about themselves than this are counted together: they are kept in memory as they came. */
const CALLER_LENGTH_MAX = 500;
const OTHER: Source = { network: "other", client: "other", instance: "" };

/** Callers by a small number, so that a cell can hold one. Number 0 is everybody who was one too many. */
class KnownCallers {
  #list: KnownCaller[] = [{ network: "\0", source: OTHER }];
  #ids = new Map<string, number>();
  /** By network: the caller from there that was asked for last. */
  #last = new Map<string | undefined, number>();
  /** One object for each, so that two that are the same are the same object. */
  #sources = new Map<string, Source>();
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

  idOf(caller: Caller): number {
    const last = this.#last.get(caller.network);
    if (last !== undefined && this.is(last, caller)) return last;
    const id = this.#idOf(caller);
    if (id > 0) this.#last.set(caller.network, id);
    return id;
  }

  #idOf({ network, client, instance }: Caller): number {
    const name = `${network}\0${client}\0${instance}`;
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    if (this.#list.length >= CALLERS_MAX || name.length > CALLER_LENGTH_MAX) return 0;
    const source = this.#sourceOf({
      network: network === undefined ? "unknown" : this.#networks.get(network),
      client: client === undefined ? "" : this.#clients.get(client),
      instance: instance === undefined ? "" : this.#instances.get(instance),
    });
    const id = this.#list.push({ network, client, instance, source }) - 1;
    this.#ids.set(name, id);
    return id;
  }

  #sourceOf(source: Source): Source {
    const id = sourceId(source);
    const known = this.#sources.get(id) ?? source;
    this.#sources.set(id, known);
    return known;
  }

  /** Between two intervals, when no cell's number counts: forgets all if the list has grown long. */
  tidy(): void {
    if (this.#list.length < CALLERS_MAX / 16) return;
    this.#list.length = 1;
    this.#ids.clear();
    this.#last.clear();
    this.#sources.clear();
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
