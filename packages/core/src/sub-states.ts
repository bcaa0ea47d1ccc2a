/**
 * What a move means for the fence and the brownouts. One place, so that no way out of an overlap forgets them:
 *
 *     brownouts   end, and what is planned is withdrawn, with every way out of `offered` and `overlapping`, with a pause, with a kill, and
 *                 where the deadline moves
 *     fence       is lifted where the old version is to go on (rolled back, cancelled); it stays on one in wrong hands
 */
import { mayBrownOut, withoutBrownouts } from "./brownout.ts";
import type { Move } from "./moves.ts";
import type { Rotation } from "./rotation.ts";
import { isFenced, limits } from "./rule-fence.ts";

export function settled(before: Rotation, move: Move, now: number): Move {
  if (move.next === before) return move;
  return settledFence(before, settledBrownouts(before, move, now));
}

function settledBrownouts(before: Rotation, { next, effects }: Move, now: number): Move {
  // A resumed rotation's deadline lies later, and that is the same one.
  const { paused, overlapEndsAt } = before;
  const deadlineMoved = paused === null && overlapEndsAt !== null && next.overlapEndsAt !== overlapEndsAt;
  if (mayBrownOut(next) && !deadlineMoved) return { ok: true, next, effects };
  const without = withoutBrownouts(next, now, deadlineMoved);
  return { ok: true, next: without.next, effects: [...effects, ...without.effects] };
}

function settledFence(before: Rotation, { next, effects }: Move): Move {
  if (next.fenced === null) return { ok: true, next, effects };
  if (next.fromCompromised && !before.fromCompromised) return { ok: true, next: { ...next, fenced: null }, effects };
  const goesOn = next.phase === "rolled-back" || next.phase === "cancelled";
  if (!goesOn) return { ok: true, next, effects };
  const lift = isFenced(next) ? [{ do: "set-fence", version: next.from, fence: null } as const] : [];
  return { ok: true, next: { ...next, fenced: null }, effects: [...effects, ...lift] };
}

/** When refusals that this rotation brought about itself began, by its fence or a brownout; null: it has refused nobody. */
export function refusesSince({ fenced, brownouts }: Pick<Rotation, "fenced" | "brownouts">): number | null {
  const times = (brownouts?.slots ?? []).flatMap(({ begunAt }) => begunAt ?? []);
  if (fenced !== null && limits(fenced.fence)) times.push(fenced.at);
  return times.length === 0 ? null : Math.min(...times);
}
