/** What the year came to, for people and for the test. */
import type { Change } from "./replay.ts";
import { DAY, HOUR, MINUTE } from "./rhythms.ts";

export interface Row {
  kind: string;
  rotations: number;
  /** Genuine calls that were refused. */
  cutOff: number;
  /** Of those that retired by evidence: from the last genuine call with the old version to the retirement; the middle one. */
  waitedMs: number | undefined;
  /** Behind the earliest moment at which the evidence allowed it, at most. */
  lateMs: number | undefined;
  /** Retired after their deadline: held there. */
  held: number;
  /** The replay ended before. */
  open: number;
}

export function rowsOf(changes: readonly Change[]): Row[] {
  const groups = new Map<string, Change[]>();
  for (const change of changes) groups.set(nameOf(change), [...(groups.get(nameOf(change)) ?? []), change]);
  return [...groups].sort(([a], [b]) => a.localeCompare(b)).map(([kind, of]) => rowOf(kind, of));
}

function nameOf({ kind, known, thief }: Change): string {
  if (kind.startsWith("thief") && thief === undefined) return "the same consumers, without the thief";
  return known ? kind : `${kind}; seen once before the offer`;
}

function rowOf(kind: string, changes: readonly Change[]): Row {
  const retired = changes.flatMap((change) =>
    change.retiredAt === undefined || change.killed ? [] : [{ ...change, retiredAt: change.retiredAt }],
  );
  const waited = retired.map(({ retiredAt, lastServed }) => retiredAt - lastServed).sort((a, b) => a - b);
  const late = retired.map(({ lateMs }) => lateMs);
  return {
    kind,
    rotations: changes.length,
    cutOff: changes.reduce((sum, { cutOff }) => sum + cutOff, 0),
    waitedMs: waited[Math.floor(waited.length / 2)],
    lateMs: late.length === 0 ? undefined : Math.max(...late),
    held: retired.filter(({ retiredAt, deadline }) => retiredAt > deadline).length,
    open: changes.filter(({ retiredAt }) => retiredAt === undefined).length,
  };
}

export function yearTable(rows: readonly Row[]): string {
  const cells = rows.map(({ kind, rotations, cutOff, waitedMs, lateMs, held, open }) =>
    [kind, rotations, cutOff, lengthOf(waitedMs), lengthOf(lateMs), held, open].join(" | "),
  );
  return [
    "| consumer | rotations | calls cut off | retired after its last call | later than the earliest, at most | held at the deadline | open at the end |",
    "|---|--:|--:|--:|--:|--:|--:|",
    ...cells.map((row) => `| ${row} |`),
  ].join("\n");
}

function lengthOf(ms: number | undefined): string {
  if (ms === undefined) return "";
  const [unit, name] = ms >= 2 * DAY ? [DAY, "d"] : ms >= 2 * HOUR ? [HOUR, "h"] : [MINUTE, "min"];
  return `${Math.round((10 * ms) / unit) / 10} ${name}`;
}

/** What no rotation may show, whoever its consumer is; in words. `toleranceMs`: between two looks of the authority. */
export function breaches(changes: readonly Change[], toleranceMs: number): string[] {
  return changes.flatMap((change) => {
    const { kind, rotation, retiredAt, earliest, latest, earliestGenuine, thief, killed } = change;
    const say = (what: string) => `${kind}, ${rotation}: ${what}`;
    const unseen = (thief?.missed ?? 0) > 0 ? [say(`the evidence misses the thief ${thief?.missed} times`)] : [];
    if (retiredAt === undefined || killed) return unseen;
    return [
      ...unseen,
      ...(retiredAt < earliest - 1
        ? [say(`retired ${lengthOf(earliest - retiredAt)} before the evidence allows it`)]
        : []),
      ...(retiredAt > latest + toleranceMs ? [say(`retired ${lengthOf(retiredAt - latest)} after it had to`)] : []),
      ...(retiredAt < earliestGenuine - 1 ? [say("the thief made it retire earlier")] : []),
    ];
  });
}
