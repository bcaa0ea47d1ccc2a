/** Is every deliberate bug caught, within so many seeds, and by which invariant? A gate that lets one through checks nothing. */
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Chance } from "./chance.ts";
import { type Mutant, mutants, type SomeSeeds } from "./mutants.ts";
import { drawOptions, type Options } from "./options.ts";
import { runSeeds } from "./seeds.ts";

export interface GateOptions {
  workers: number | undefined;
  only: string | undefined;
  json: boolean;
  /** Puts the table into the README. */
  write: boolean;
}

interface Verdict {
  mutant: Mutant;
  /** How many seeds it took; undefined: it was not caught. */
  seeds: number | undefined;
  invariant: string;
  message: string;
}

/** A mutant has to be caught within this many seeds. */
const SEEDS_MAX = 200;
const FIRST_SEED = 1;

export async function runMutants({ workers, only, json, write }: GateOptions): Promise<boolean> {
  const chosen = mutants.filter(({ name }) => only === undefined || only.split(",").includes(name));
  const waiting = [...chosen];
  const verdicts: Verdict[] = [];
  const work = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const verdict = await runMutant(mutant);
      verdicts.push(verdict);
      const { seeds, invariant, message } = verdict;
      console.log(
        seeds === undefined
          ? `MISSED  ${mutant.name}: ${message || `${SEEDS_MAX} seeds found nothing`}`
          : `caught  ${mutant.name}: ${seeds} seeds, ${invariant}: ${message.slice(0, 140)}`,
      );
    }
  };
  await Promise.all(Array.from({ length: workers ?? availableParallelism() }, work));
  const ordered = chosen.map((mutant) => verdicts.find((each) => each.mutant === mutant) as Verdict);
  const missed = ordered.filter(({ seeds }) => seeds === undefined);
  if (write) writeTable(ordered);
  if (json)
    console.log(
      JSON.stringify({
        mutants: ordered.length,
        caught: ordered.length - missed.length,
        missed: missed.map(({ mutant }) => mutant.name),
      }),
    );
  else console.log(`${ordered.length - missed.length} of ${ordered.length} mutants caught`);
  return missed.length === 0;
}

async function runMutant(mutant: Mutant): Promise<Verdict> {
  const seeds = seedsFor(mutant);
  const verdict: Verdict = { mutant, seeds: undefined, invariant: "", message: "" };
  let count = 0;
  const run = runSeeds(seeds, {
    workers: 1,
    mutant: mutant.name,
    onReport({ violation }) {
      count++;
      if (violation === undefined) return true;
      Object.assign(verdict, { seeds: count, invariant: violation.invariant, message: violation.message });
      return false;
    },
  });
  // One that can't be planted any more is missed as well: the process has said why.
  await run.catch((error: unknown) => {
    verdict.message = String(error);
  });
  return verdict;
}

function seedsFor({ among }: Mutant): string[] {
  const seeds: string[] = [];
  for (let i = FIRST_SEED; seeds.length < SEEDS_MAX; i++) {
    const seed = String(i);
    if (among === undefined || has(drawOptions(new Chance(seed).fork("options")), among)) seeds.push(seed);
  }
  return seeds;
}

function has(options: Options, what: SomeSeeds): boolean {
  const { restores, campaignDeeds, idle, grouped, consumers, policyDeeds, caches, plans } = options;
  const brownouts = consumers.some(({ kind, policy }) => kind === "partly" && policy.onDeadline === "brownout");
  const expiry = policyDeeds.includes("expire");
  const campaigns = campaignDeeds.length > 0;
  const has = { restores: restores > 0, campaigns, idle, grouped, brownouts, expiry };
  return { ...has, caches: caches.length > 0, plans: Object.keys(plans).length > 0 }[what];
}

const [BEGIN, END] = ["<!-- mutants -->", "<!-- /mutants -->"];

/** Rows of mutants that were not run stay; those of mutants that are gone do not. */
function writeTable(verdicts: readonly Verdict[]): void {
  const path = join(import.meta.dirname, "README.md");
  const text = readFileSync(path, "utf8");
  const [before, rest] = text.split(BEGIN) as [string, string];
  const [former = "", after = ""] = rest.split(END);
  const rowOf = ({ mutant, seeds, invariant }: Verdict) =>
    `| \`${mutant.name}\` | ${mutant.why} | \`${mutant.file.replace("/src/", "/")}\` | ${seeds ?? "not caught"} | ${invariant} |`;
  const rows = mutants.flatMap((mutant) => {
    const fresh = verdicts.find((verdict) => verdict.mutant === mutant);
    if (fresh !== undefined) return [rowOf(fresh)];
    return former.split("\n").filter((line) => line.startsWith(`| \`${mutant.name}\` |`));
  });
  const table = ["| mutant | the bug | file | seeds | caught by |", "|---|---|---|---|---|", ...rows].join("\n");
  writeFileSync(path, `${before}${BEGIN}\n\n${table}\n\n${END}${after}`);
}
