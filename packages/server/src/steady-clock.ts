/**
 * The authority's time. Deadlines are set by one clock for all processes: the database's (or, with the embedded store, the machine's,
 * which is the same thing there). Between two looks at it this clock counts on by itself, with the monotonic clock, and it never goes back.
 *
 *     the reference's time is found at some moment between asking and being answered:
 *
 *     found − ours > 0             we are behind: taken over at once, if it is no more than a second and what the last look left open
 *     ours − found > the wait      we are ahead: we go slower until we are not
 *     more than that, either way   somebody set the clock: we go 5 % faster or slower until we are there
 *
 * What was found is never later than the true time when it arrives, so this clock is not ahead of the reference, however long the answer
 * took. It must not be: a verifier's lease is over for the others when it is over by this clock.
 *
 * So a clock that is set an hour ahead shortens no overlap by more than a twentieth, and one that is set back lengthens none for long (I12).
 * Whoever sets a clock on purpose restarts the server: the first look is taken as it is.
 */
import type { Clock, Log } from "@keyover/core";

const TAKEN_OVER_MS = 1_000;
const SLEW = 0.05;
/** A database's time comes in whole milliseconds. */
const ROUNDED_MS = 1;

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
  /** By so much we may be behind, because the answer that we went by took so long. */
  let open = 0;
  let offset = 0;
  let told = false;

  const exact = () => {
    const passed = clock.elapsed() - since;
    const made = Math.min(Math.abs(owed), SLEW * passed);
    return base + passed + Math.sign(owed) * made;
  };

  /** The reference's time, no later than it is now, and by how much it may be later by now. */
  const look = async () => {
    const asked = clock.elapsed();
    const found = await reference();
    return { found, waited: clock.elapsed() - asked };
  };

  const adopt = (at: number, makeUpFor: number) => {
    base = at;
    since = clock.elapsed();
    owed = makeUpFor;
  };

  const first = await look();
  adopt(first.found, 0);
  open = first.waited;

  return {
    now: () => Math.floor(exact()),
    elapsed: () => clock.elapsed(),
    after: (delayMs, run) => clock.after(delayMs, run),
    async sync() {
      const { found, waited } = await look();
      const ours = exact();
      const ahead = ours - (found + waited);
      offset = ahead > ROUNDED_MS ? -ahead : Math.max(0, found - ours);
      if (offset === 0) return adopt(ours, 0);
      const stepped = Math.abs(offset) > TAKEN_OVER_MS + (offset > 0 ? open : 0);
      if (stepped && !told) log("warn", "clock.stepped", { byMs: Math.round(offset) });
      told = stepped;
      if (stepped || offset < 0) return adopt(ours, offset);
      adopt(found, 0);
      open = waited;
    },
    offsetMs: () => offset,
  };
}
