/**
 * How far what verifiers know was compared with a restored database: by epoch, because numbers mean something within one alone, and by
 * environment, because a verifier speaks of those that it may see. Pure.
 *
 *     the epoch that was restored      `after` at first; as far as somebody had *followed* who was heard when an operator chose
 *     earlier ones, compared before    what was compared then (`comparedBefore`)
 *     any other of this api            nothing: of a life of the database that the backup knows nothing of
 *
 * Followed: every entry up to there was taken in. A number beyond it, of a record that came by the side, says nothing of those between.
 */
import type { Api, Restoration, RestoreMark } from "../store/entities.ts";
import { epochOf } from "./restorations.ts";

/** A verifier's word of how much it knows. */
export interface Knows {
  epoch: string;
  /** The highest number that it holds. */
  seq: number;
  /** Up to here it lacks nothing; absent in the words of older verifiers. */
  followed?: number | undefined;
}

/** By environment; what is not named is compared up to "". */
type ByEnvironment = Record<string, number>;

type Compared = Pick<Restoration, "compared" | "comparedBefore">;

/** Up to this number everything is known of what anybody of that epoch may know. */
export function comparedTo(restoration: Restoration, epoch: string, environment: string): number {
  const { after, compared, comparedBefore, formerEpoch } = restoration;
  // Verifiers of before there were epochs say nothing.
  if (epoch === "" || epoch === formerEpoch) return Math.max(after, compared[environment] ?? 0);
  const before: ByEnvironment = comparedBefore?.[epoch] ?? {};
  return before[environment] ?? before[""] ?? 0;
}

export function comparedToInAll(restoration: Restoration, epoch: string, environments: readonly string[]): number {
  return Math.min(...environments.map((name) => comparedTo(restoration, epoch, name)));
}

/** Nothing that who holds this may know was left out when an operator chose. `mark`: what it has told of itself. */
export function isCompared(
  api: Api,
  restoration: Restoration,
  knows: Knows,
  environments: readonly string[],
  mark: RestoreMark | undefined,
): boolean {
  if (restoration.reconciledAt === null) return false;
  if (knows.epoch === epochOf(api.id, restoration)) return true;
  if (knows.seq <= comparedToInAll(restoration, knows.epoch, environments)) return true;
  return wasTold(restoration, knows, environments, mark) && mark.at <= (restoration.chosenAt ?? 0);
}

/** All that who holds this may know has been told already, under the same name. */
export function wasTold(
  { restore }: Restoration,
  knows: Knows,
  environments: readonly string[],
  mark: RestoreMark | undefined,
): mark is RestoreMark {
  if (mark === undefined || mark.restore !== restore || !mark.complete) return false;
  const all = mark.environments.length === 0 || environments.every((name) => mark.environments.includes(name));
  return all && mark.epoch === knows.epoch && knows.seq <= mark.seq;
}

/** With this compared as well. */
export function comparedTill(
  restoration: Restoration,
  { epoch, seq, followed = seq }: Knows,
  environments: readonly string[],
): Compared {
  const { compared, comparedBefore = {}, formerEpoch } = restoration;
  const own = environments.map((name) => [name, Math.max(comparedTo(restoration, epoch, name), followed)] as const);
  const more = Object.fromEntries(own);
  if (epoch === "" || epoch === formerEpoch) return { compared: { ...compared, ...more }, comparedBefore };
  return { compared, comparedBefore: { ...comparedBefore, [epoch]: { ...comparedBefore[epoch], ...more } } };
}

/** What a new restore takes over from the one before it, whose epoch is the one before the last. */
export function comparedUntilNow(before: Restoration | undefined): Restoration["comparedBefore"] {
  if (before === undefined) return {};
  const { comparedBefore, reconciledAt, formerEpoch, after, compared } = before;
  return reconciledAt === null
    ? { ...comparedBefore }
    : { ...comparedBefore, [formerEpoch]: { "": after, ...compared } };
}
