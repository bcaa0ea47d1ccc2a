/** Options that several commands share, and how their text becomes a value. A text that can't be read names itself and shows one that can. */

import type { paths } from "@keyover/client/api";
import { defaultRotationPolicy, defaultStalenessPolicy, policyLimits } from "@keyover/core";
import { type Command, InvalidArgumentError, Option } from "commander";
import { UsageError } from "./exit-codes.ts";
import { valueText } from "./policy-values.ts";
import { formatDuration, parseDuration, parseTime } from "./render.ts";

// ---- single values ------------------------------------------------------------------------------------------------------

export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError("write a duration such as 90s, 36h, 14d or 1h30m.");
  return ms;
}

export function whole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("write a whole number.");
  return Number(text);
}

export function positive(text: string): number {
  const value = whole(text);
  if (value === 0) throw new InvalidArgumentError("write a number from 1 on.");
  return value;
}

function decimal(text: string): number {
  if (!/^\d{1,6}(\.\d{1,6})?$/.test(text)) throw new InvalidArgumentError("write a number such as 1.5.");
  return Number(text);
}

/** For options that are given several times. */
export function several(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** A moment, once the clock is at hand. */
export function timeOf(text: string, now: number, option: string): number {
  const at = parseTime(text, now);
  if (at === undefined) {
    throw new UsageError(
      `${option} takes a time such as 2027-01-31, "2027-01-31 09:00", 2027-01-31T09:00:00Z, or a duration from now such as 90d; got "${text}"`,
    );
  }
  return at;
}

/** Of something new: one that had ended before it began would work nowhere, without a word. */
export function newExpiryOf(text: string | undefined, now: number): number | null | undefined {
  const at = expiryOf(text, now);
  if (typeof at === "number" && at <= now)
    throw new UsageError(`--expires takes a time that is still to come; got "${text}"`);
  return at;
}

/** `never` is null. */
export function expiryOf(text: string | undefined, now: number): number | null | undefined {
  if (text === undefined) return undefined;
  return text === "never" ? null : timeOf(text, now, "--expires");
}

// ---- labels ---------------------------------------------------------------------------------------------------------------

export function labelOption(command: Command, about = "label; may be given several times"): Command {
  return command.option("--label <name=value>", about, several);
}

export function labelsOf(pairs: readonly string[] | undefined): Record<string, string> | undefined {
  if (pairs === undefined) return undefined;
  const labels: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw new UsageError(`--label takes name=value, such as team=desk; got "${pair}"`);
    const name = pair.slice(0, equals);
    if (Object.hasOwn(labels, name)) throw new UsageError(`--label ${name} is given twice`);
    labels[name] = pair.slice(equals + 1);
  }
  return labels;
}

// ---- lists ----------------------------------------------------------------------------------------------------------------

export interface ListOptions {
  limit?: number | undefined;
}

export function listOptions(command: Command): Command {
  return command.option("--limit <n>", "stop after so many; without it, all", positive);
}

// ---- policies -------------------------------------------------------------------------------------------------------------

type NewKeyBody = paths["/v1/keys"]["post"]["requestBody"]["content"]["application/json"];
type Policy = NonNullable<NewKeyBody["policy"]>;
type NewApiBody = paths["/v1/apis"]["post"]["requestBody"]["content"]["application/json"];
type Staleness = NonNullable<NewApiBody["staleness"]>;

export interface PolicyOptions {
  overlapMin?: number | undefined;
  overlap?: number | undefined;
  quiet?: number | undefined;
  gapMargin?: number | undefined;
  youngQuiet?: number | undefined;
  onDeadline?: Policy["onDeadline"] | undefined;
  rollbackWindow?: number | undefined;
  claimTime?: number | undefined;
  claim?: "token" | "self" | undefined;
}

function policyHelp(about: string, member: keyof typeof defaultRotationPolicy): string {
  return `policy: ${about} (${valueText(member, defaultRotationPolicy[member], "none")} where nothing says otherwise)`;
}

function stalenessHelp(about: string, member: keyof typeof defaultStalenessPolicy): string {
  return `verifiers: ${about} (${valueText(member, defaultStalenessPolicy[member], "none")} where nothing says otherwise)`;
}

export function policyOptions(command: Command): Command {
  return command
    .option("--overlap <duration>", policyHelp("from the offer to the deadline", "overlapMs"), duration)
    .option(
      "--overlap-min <duration>",
      policyHelp("both versions are accepted at least this long", "overlapMinMs"),
      duration,
    )
    .option("--quiet <duration>", policyHelp("every source silent at least this long", "quietMs"), duration)
    .option("--gap-margin <factor>", policyHelp("and for its own usual gap times this", "gapMargin"), decimal)
    .option(
      "--young-quiet <duration>",
      policyHelp("a source known for less than this must be silent for this long", "youngQuietMs"),
      duration,
    )
    .addOption(
      new Option("--on-deadline <what>", policyHelp("what happens at the deadline", "onDeadline")).choices([
        "hold",
        "retire",
        "brownout",
      ]),
    )
    .option(
      "--rollback-window <duration>",
      policyHelp("how long a retirement can be taken back", "rollbackMs"),
      duration,
    )
    .option("--claim-time <duration>", policyHelp("how long the successor can be claimed", "claimMs"), duration)
    .addOption(
      new Option(
        "--claim <who>",
        policyHelp("the consumer's token may claim, or also the old version itself", "claim"),
      ).choices(["token", "self"]),
    );
}

/** Here rather than by the authority, which answers in milliseconds. */
function refuseOutside(
  limits: readonly (readonly [option: string, ms: number | undefined, limit: { min: number; max: number }])[],
): void {
  for (const [option, ms, { min, max }] of limits) {
    if (ms === undefined || (ms >= min && ms <= max)) continue;
    throw new UsageError(`${option} takes ${formatDuration(min)} to ${formatDuration(max)}; got ${formatDuration(ms)}`);
  }
}

/** The policy as far as it was given; undefined if nothing of it was. */
export function policyOf(options: PolicyOptions): Policy | undefined {
  refuseOutside([
    ["--overlap", options.overlap, policyLimits.overlapMs],
    ["--overlap-min", options.overlapMin, policyLimits.overlapMinMs],
    ["--quiet", options.quiet, policyLimits.quietMs],
    ["--young-quiet", options.youngQuiet, policyLimits.youngQuietMs],
    ["--rollback-window", options.rollbackWindow, policyLimits.rollbackMs],
    ["--claim-time", options.claimTime, policyLimits.claimMs],
  ]);
  return given({
    overlapMinMs: options.overlapMin,
    overlapMs: options.overlap,
    quietMs: options.quiet,
    gapMargin: options.gapMargin,
    youngQuietMs: options.youngQuiet,
    onDeadline: options.onDeadline,
    rollbackMs: options.rollbackWindow,
    claimMs: options.claimTime,
    claim: options.claim,
  });
}

export interface StalenessOptions {
  lease?: number | undefined;
  onStale?: "closed" | "static" | undefined;
  staticFor?: number | undefined;
}

export function stalenessOptions(command: Command): Command {
  return command
    .option(
      "--lease <duration>",
      stalenessHelp("how long one may answer without hearing from the authority", "leaseMs"),
      duration,
    )
    .addOption(
      new Option(
        "--on-stale <what>",
        stalenessHelp("past the lease refuse all, or go on with what is known", "onStale"),
      ).choices(["closed", "static"]),
    )
    .option("--static-for <duration>", stalenessHelp("for how long they go on", "staticMs"), duration);
}

export function stalenessOf(options: StalenessOptions): Staleness | undefined {
  refuseOutside([
    ["--lease", options.lease, policyLimits.leaseMs],
    ["--static-for", options.staticFor, policyLimits.staticMs],
  ]);
  return given({ leaseMs: options.lease, onStale: options.onStale, staticMs: options.staticFor });
}

// ---- bodies ---------------------------------------------------------------------------------------------------------------

/** An object without the members that were not given. */
export type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

export function present<T extends object>(members: T): Present<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Present<T>;
}

function given<T extends object>(members: T): Present<T> | undefined {
  const found = present(members);
  return Object.keys(found).length === 0 ? undefined : found;
}

/** A change that changes nothing is a mistake at the keyboard. */
export function refuseEmpty(body: object): void {
  if (Object.keys(body).length === 0) throw new UsageError("nothing to change: give at least one option (see --help)");
}
