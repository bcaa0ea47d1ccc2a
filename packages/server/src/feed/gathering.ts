/**
 * Gathers what is to be sent to many, so that each of them is written to once for all that came close together.
 *
 *     quiet:  add ─▶ sent in the same turn, with what else was added in it
 *     busy:   sent ──pause──▶ all that was added meanwhile ──pause──▶ …
 *
 * Sending to all takes the longer the more they are (300 streams: 3 ms of this process), however little is sent. So after it there is a pause
 * in proportion: with few there is next to none, and with many a change waits a little rather than have the process do nothing but send.
 * What presses waits for less, so that a revocation is under way at once also while much else changes.
 */
import type { Clock } from "@keyover/core";

export interface Gathering<T> {
  add(item: T, pressing: boolean): void;
  /** Sends what was gathered, now. */
  flush(): void;
}

/**
 * The pause, in times that the last sending took: about an eighth of the time goes into sending, or half where it presses. And at most so many
 * milliseconds: on a busy machine sending takes long because others have the processor, and no pause makes up for that.
 */
const PAUSES = { usual: { times: 7, msMax: 50 }, pressing: { times: 1, msMax: 5 } };

export function createGathering<T>(clock: Clock, send: (items: readonly T[]) => void): Gathering<T> {
  let gathered: T[] = [];
  let pressing = false;
  /** When it was last sent, and how long that took. */
  let sentAt = Number.NEGATIVE_INFINITY;
  let tookMs = 0;
  let soon = false;
  let cancel: (() => void) | undefined;

  const flush = () => {
    cancel?.();
    cancel = undefined;
    if (gathered.length === 0) return;
    const items = gathered;
    gathered = [];
    pressing = false;
    const from = clock.elapsed();
    send(items);
    sentAt = clock.elapsed();
    tookMs = sentAt - from;
  };

  const plan = () => {
    const { times, msMax } = pressing ? PAUSES.pressing : PAUSES.usual;
    const pauseMs = Math.min(msMax, tookMs * times);
    const waitMs = sentAt + pauseMs - clock.elapsed();
    cancel?.();
    cancel = undefined;
    if (waitMs > 0) cancel = clock.after(Math.ceil(waitMs), flush);
    else if (!soon) {
      soon = true;
      // Behind what is settled in this turn already: the other commits of a group.
      queueMicrotask(() => {
        soon = false;
        flush();
      });
    }
  };

  return {
    add(item, presses) {
      gathered.push(item);
      const more = presses && !pressing;
      pressing ||= presses;
      if (gathered.length === 1 || more) plan();
    },
    flush,
  };
}
