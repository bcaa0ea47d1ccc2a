/** A process of its own that runs the seeds that it is sent. Its argument, if any, is the name of a mutant. */
import { leaveOutDocumentation, plant, sendOverSimulatedSockets, shortenTimes } from "./hooks.ts";
import { mutants } from "./mutants.ts";
import type { SeedReport } from "./seeds.ts";

leaveOutDocumentation();
sendOverSimulatedSockets();
const shortened = shortenTimes();
const [name] = process.argv.slice(2);
const mutant = mutants.find((each) => each.name === name);
if (name !== undefined && mutant === undefined) throw new Error(`there is no mutant ${name}`);
const check = mutant === undefined ? () => {} : plant(mutant);
const { simulate } = await import("./simulation.ts");
for (const checked of [check, ...shortened]) checked();

process.on("message", (seed: string) => void run(seed));
// Whoever waited for it is gone.
process.on("disconnect", () => process.exit());

async function run(seed: string): Promise<void> {
  const { violation, struck, counts, hash, story, crashes, partitions } = await simulate(seed);
  const { rotations, requests, wronglyRefused, wronglyAccepted } = counts;
  const report: SeedReport = {
    seed,
    violation: violation && { invariant: violation.invariant, key: violation.key, message: violation.message },
    story,
    hash,
    rotations,
    requests,
    wronglyRefused,
    wronglyAccepted,
    crashes,
    partitions,
    struck: [...struck],
  };
  // Nobody waits for it once another seed has ended the run.
  if (process.connected) process.send?.(report);
}
