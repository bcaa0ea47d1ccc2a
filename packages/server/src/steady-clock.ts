/**
 * The authority's time. Deadlines are set by one clock for all processes: the database's (or, with the embedded store, the machine's,
 * which is the same thing there). Between two looks at it this clock counts on by itself, with the monotonic clock, and it never goes back.
 *
 *     measured − ours    up to a second: taken over, forward at once, backward by going slower
 *                        more: somebody set the clock. We go 5 % faster or slower until we are there
 *
 * So a clock that is set an hour ahead shortens no overlap by more than a twentieth, and one that is set back lengthens none for long (I12).
 * Whoever sets a clock on purpose restarts the server: the first look is taken as it is.
 */
import type { Clock, Log } from "@keyover/core";

const TAKEN_OVER_MS = 1_000;
const SLEW = 0.05;

export interface SteadyClock extends Clock {
  /** Looks at the reference, which answers epoch milliseconds. */
  sync(): Promise<void>;
  /** How far the reference was from this clock at the last look, in milliseconds; positive: we are behind. */
  offsetMs(): number;
}

export async function createSteadyClock(
  clock: Clock,
  reference: () => Promise<number>,
  log: Log,
): Promise<SteadyClock> {
  let base = 0;
  let since = 0;
  /** What is still to be made up for, at `since`. */
  let owed = 0;
  let offset = 0;
  let told = false;

  const exact = () => {
    const passed = clock.elapsed() - since;
    const made = Math.min(Math.abs(owed), SLEW * passed);
    return base + passed + Math.sign(owed) * made;
  };

  /** The reference's time now, and by how much that may be wrong. */
  const measure = async () => {
    const asked = clock.elapsed();
    const found = await reference();
    const waited = clock.elapsed() - asked;
    return { at: found + waited / 2, error: waited / 2 + 1 };
  };

  const adopt = (at: number, makeUpFor: number) => {
    base = at;
    since = clock.elapsed();
    owed = makeUpFor;
  };

  adopt((await measure()).at, 0);

  return {
    now: () => Math.floor(exact()),
    elapsed: () => clock.elapsed(),
    after: (delayMs, run) => clock.after(delayMs, run),
    async sync() {
      const { at, error } = await measure();
      const ours = exact();
      offset = at - ours;
      if (Math.abs(offset) <= error) return adopt(ours, 0);
      const stepped = Math.abs(offset) > TAKEN_OVER_MS + error;
      if (stepped && !told) log("warn", "clock.stepped", { byMs: Math.round(offset) });
      told = stepped;
      if (!stepped && offset > 0) adopt(at, 0);
      else adopt(ours, offset);
    },
    offsetMs: () => offset,
  };
}
