/** A snapshot as it comes: lines of JSON: SnapshotHead, KeyRecord …, SnapshotEnd with the number of records. */
import type { KeyRecord, SnapshotHead } from "@keyover/core";
import { asRecord, asSnapshotEnd, asSnapshotHead, parseJson } from "./shapes.ts";
import { LineSplitter } from "./text-lines.ts";

const CUT_OFF = "the snapshot was cut off";

/** Which records to keep. */
export type Wants = "all" | "none" | ((record: KeyRecord) => boolean);

export class SnapshotReader {
  readonly records: KeyRecord[] = [];
  head: SnapshotHead | undefined;
  problem: string | undefined = CUT_OFF;
  readonly #wantsAll: (head: SnapshotHead) => boolean;
  readonly #wants: Wants;
  #count = 0;
  #enough = false;
  readonly #lines = new LineSplitter((line) => this.#line(line));

  /** `wantsAll`: asked once, when the head is there; if not, nothing more is read. */
  constructor(wantsAll: (head: SnapshotHead) => boolean, wants: Wants = "all") {
    this.#wantsAll = wantsAll;
    this.#wants = wants;
  }

  /** False once nothing more is wanted. */
  push(text: string): boolean {
    try {
      this.#lines.push(text);
    } catch (error) {
      this.problem = (error as Error).message;
      return false;
    }
    return this.problem === CUT_OFF && !this.#enough;
  }

  #line(line: string): void {
    if (this.problem !== CUT_OFF || line === "") return;
    const value = parseJson(line);
    if (this.head === undefined) {
      this.head = asSnapshotHead(value);
      if (this.head === undefined) this.problem = "the snapshot has no head";
      else this.#enough = !this.#wantsAll(this.head);
      return;
    }
    const end = asSnapshotEnd(value);
    if (end !== undefined) {
      const count = this.#count;
      this.problem = end.end === count ? undefined : `the snapshot ends at ${end.end}, but brought ${count} records`;
      return;
    }
    const record = asRecord(value);
    this.#count++;
    if (record === undefined) this.problem = "a record does not have the form of one";
    else if (this.#wants === "none") this.problem = "the authority sends all keys: it is older than cache mode";
    else if (this.#wants === "all" || this.#wants(record)) this.records.push(record);
  }
}
