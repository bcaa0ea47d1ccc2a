/**
 * The verdict `ok` of a plain line. It is made on each accepted request, so what of it takes time, the names of the key and its
 * consumer as texts, is made when it is asked for: from words copied here, because the line may be another's by then.
 */
import type { LimitState, RotationRecord, Verdict, VerdictCode } from "@keyover/core";
import { handleText } from "./handle-words.ts";
import { CONSUMER, environmentOf, HANDLE, META, NUMBER } from "./line.ts";
import type { Consumers } from "./profiles.ts";
import { placeOf, segmentOf } from "./segments.ts";
import type { TableView } from "./table-view.ts";

const words = new Int32Array(5);

class PlainVerdict implements Verdict {
  readonly valid: boolean;
  readonly code: VerdictCode;
  readonly version: number;
  readonly environment: string;
  readonly scopes: readonly string[];
  readonly limits: readonly LimitState[] | undefined;
  declare readonly rotation?: RotationRecord;
  declare readonly retiredAt?: number;
  declare readonly retryAfterMs?: number;
  declare readonly stale?: boolean;
  readonly #consumers: Consumers;
  readonly #consumer: number;
  readonly #w0: number;
  readonly #w1: number;
  readonly #w2: number;
  readonly #w3: number;
  readonly #w4: number;

  constructor(table: TableView, line: Int32Array, at: number, limits: readonly LimitState[] | undefined) {
    const meta = line[at + META] as number;
    this.valid = true;
    this.code = "ok";
    this.version = (line[at + NUMBER] as number) >>> 16;
    this.environment = table.profiles.environments[environmentOf(meta)] as string;
    this.scopes = table.profileOf(meta).scopes;
    this.limits = limits;
    this.#consumers = table.consumers;
    this.#consumer = line[at + CONSUMER] as number;
    this.#w0 = line[at + HANDLE] as number;
    this.#w1 = line[at + HANDLE + 1] as number;
    this.#w2 = line[at + HANDLE + 2] as number;
    this.#w3 = line[at + HANDLE + 3] as number;
    this.#w4 = line[at + HANDLE + 4] as number;
  }

  get key(): string {
    words[0] = this.#w0;
    words[1] = this.#w1;
    words[2] = this.#w2;
    words[3] = this.#w3;
    words[4] = this.#w4;
    return handleText("key", words, 0);
  }

  get consumer(): string {
    return this.#consumers.name(this.#consumer);
  }

  /** All members, as of any other verdict. */
  toJSON(): Verdict {
    const { valid, code, key, version, consumer, environment, scopes, limits } = this;
    return { valid, code, key, version, consumer, environment, scopes, ...(limits === undefined ? {} : { limits }) };
  }
}

export function plainVerdict(table: TableView, slot: number, limits?: readonly LimitState[]): Verdict {
  return new PlainVerdict(table, table.lines.words[segmentOf(slot)] as Int32Array, placeOf(slot), limits);
}
