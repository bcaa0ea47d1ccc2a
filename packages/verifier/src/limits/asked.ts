/**
 * The request at hand, as its limits look at it: one object for all of them, so that a decision makes nothing on the heap but what it
 * answers. Times stand in an array: a double that is handed to a function is wrapped up.
 */
import { limitBounds } from "@keyover/core";
import { Subject } from "./limit-cells.ts";
import type { ReadyLimit } from "./plan-book.ts";

/** When it is asked: monotonic. */
export const AT = 0;
/** By the authority's clock. */
export const NOW = 1;
/** Of how many verifiers this is one: 1, or `verifiers` while it hears nothing. */
export const SHARE = 2;

export class Asked {
  readonly times: Float64Array = new Float64Array(3);
  readonly key: Subject = new Subject();
  readonly consumer: Subject = new Subject();
  /** The cells of its limits, and what rates' cells said before. */
  readonly found: Int32Array = new Int32Array(limitBounds.limits);
  readonly tats: Float64Array = new Float64Array(limitBounds.limits);

  of({ ofConsumer }: ReadyLimit): Subject {
    return ofConsumer ? this.consumer : this.key;
  }
}
