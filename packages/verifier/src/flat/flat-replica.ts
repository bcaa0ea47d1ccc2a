/**
 * A replica (replica.ts) in a flat table: nothing of a key is on the heap.
 */
import type { FeedEntry, KeyRecord } from "@keyover/core";
import type { PlanBook } from "../limits/plan-book.ts";
import type { Known, WritableReplica } from "../replica.ts";
import { FlatDecisions } from "./flat-decisions.ts";
import { FlatTable } from "./flat-table.ts";
import { environmentOf } from "./line.ts";

export class FlatReplica extends FlatDecisions implements WritableReplica {
  readonly isWhole: boolean = true;
  #seq = 0;
  #table: FlatTable;
  readonly #onRelease: (slot: number) => void;
  /** Called with a table that takes the place of the one before. */
  onTable: (table: FlatTable) => void = () => undefined;

  /** `onRelease`: before a slot is taken from its version. */
  constructor(onRelease: (slot: number) => void = () => undefined, plans?: PlanBook) {
    super(plans);
    this.#onRelease = onRelease;
    this.#table = this.#owned(new FlatTable());
  }

  get seq(): number {
    return this.#seq;
  }

  get size(): number {
    return this.#table.size;
  }

  override get table(): FlatTable {
    return this.#table;
  }

  seqOf(key: string): number | undefined {
    const head = this.#table.headOf(key);
    return head < 0 ? undefined : this.#table.seqOf(head);
  }

  used(_slot: number): void {}

  isCurrent(_digest: Int32Array, _record: KeyRecord | null, _asOf: number): boolean {
    return true;
  }

  apply(entry: FeedEntry): "applied" | "old" | "gap" {
    if (entry.seq > this.#seq + 1) return "gap";
    if (entry.plan !== undefined) this.plans.put(entry.plan);
    if (entry.record !== undefined) this.put(entry.record);
    if (entry.seq <= this.#seq) return "old";
    this.#seq = entry.seq;
    return "applied";
  }

  put(record: KeyRecord): boolean {
    const head = this.#table.headOf(record.key);
    if (head >= 0 && record.seq <= this.#table.seqOf(head)) return false;
    this.#table.write(record, head);
    return true;
  }

  settle(seq: number, present: Known): void {
    const table = this.#table;
    for (const head of table.heads()) {
      if (table.seqOf(head) <= seq && !present.has(table.keyOf(head))) table.drop(head);
    }
    this.#seq = Math.max(this.#seq, seq);
  }

  keepEnvironments(environments: readonly string[]): void {
    const table = this.#table;
    const isOurs = (head: number) => {
      const name = table.profiles.environments[environmentOf(table.metaOf(head))];
      return environments.includes(name ?? table.recordOf(head).environment);
    };
    // Mostly there is nothing to forget, and no walk over ten million lines to find that.
    const others = [...table.perEnvironment].some(
      ([id, keys]) => keys > 0 && !environments.includes(table.profiles.environments[id] ?? ""),
    );
    if (!others) return;
    for (const head of table.heads()) if (!isOurs(head)) table.drop(head);
  }

  clear(): void {
    for (const head of this.#table.heads()) this.#table.drop(head);
    this.#begin(new FlatTable());
    this.plans.clear();
    this.#seq = 0;
  }

  adopt(table: FlatTable): void {
    if (this.size > 0) throw new Error("only an empty replica takes a table over");
    this.#begin(table);
  }

  *records(): IterableIterator<KeyRecord> {
    const table = this.#table;
    for (const head of table.heads()) yield table.recordOf(head);
  }

  #begin(table: FlatTable): void {
    this.#table = this.#owned(table);
    this.onTable(table);
  }

  #owned(table: FlatTable): FlatTable {
    table.onRelease = (slot) => {
      this.#onRelease(slot);
      this.forget(slot);
    };
    return table;
  }
}
