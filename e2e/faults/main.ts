/**
 * Faults on real processes: three authority processes on a PostgreSQL, APIs with verifiers, bots, real HTTP; and kill -9, SIGSTOP, cut and
 * slow networks, wrong clocks, a full disk. What bots and APIs wrote down must agree with the model.
 *
 *     npm run test:faults -- [--seconds 120] [--seed S] [--json]
 *
 * More for whoever looks for something: [--short] [--sqlite] [--replicas 3] [--apis 5] [--bots 40]. How to read it: e2e/README.md.
 */
import "../canary-watch.ts";
import { parseArgs } from "node:util";
import { type RunSettings, runFaults, type Summary } from "./scene.ts";

const usage =
  "npm run test:faults -- [--seconds 120] [--seed S] [--json] [--short] [--sqlite] [--replicas 3] [--apis 5] [--bots 40]";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
const { json, ...settings } = readOptions();
settings.say(`seed ${settings.seed}`);
const summary = await runFaults(settings).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
});
for (const problem of summary.problems) settings.say(`PROBLEM ${problem}`);
if (!json) tell(summary);
process.stdout.write(`${JSON.stringify(summary)}\n`);
process.exit(summary.problems.length === 0 ? 0 : 1);

function tell({
  requests,
  wronglyRefused,
  acceptedAfterBound,
  stale,
  excused,
  starvedMs,
  looked,
  history,
  seed,
}: Summary): void {
  settings.say(
    `${requests} requests; wrongly refused: ${wronglyRefused}; accepted after a revocation's bound: ${acceptedAfterBound}`,
  );
  settings.say(`${stale} answers were 503, from APIs that were cut off for longer than their policy lets them go on`);
  const starved = `for ${(starvedMs / 1_000).toFixed(1)} s the machine had no time for all its processes`;
  if (starvedMs > 0) settings.say(`${starved}; nothing else explains ${excused} of these`);
  settings.say(`looked for ${looked.secrets} secrets in the ${looked.files} files that all this left`);
  if (history !== undefined)
    settings.say(`what was written down is kept in ${history}; the same faults again: --seed ${seed}`);
}

function readOptions(): RunSettings & { json: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: "string", default: "120" },
        seed: { type: "string" },
        json: { type: "boolean", default: false },
        short: { type: "boolean", default: false },
        sqlite: { type: "boolean", default: false },
        replicas: { type: "string" },
        apis: { type: "string" },
        bots: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(`usage: ${usage}\n`);
      process.exit(0);
    }
    const { short, json, sqlite } = values;
    const number = (name: string, text: string | undefined, otherwise: number, from: number, to: number) => {
      const value = text === undefined ? otherwise : Number(text);
      if (!Number.isInteger(value) || value < from || value > to)
        throw new Error(`--${name} takes a whole number from ${from} to ${to}`);
      return value;
    };
    const startedAt = performance.now();
    return {
      json,
      short,
      store: sqlite ? "sqlite" : "postgres",
      seed: number("seed", values.seed, Math.floor(Math.random() * 2 ** 31), 0, 2 ** 32),
      seconds: number("seconds", values.seconds, 120, 10, 86_400),
      replicas: sqlite ? 1 : number("replicas", values.replicas, 3, 1, 9),
      apis: number("apis", values.apis, short ? 3 : 5, 1, 20),
      bots: number("bots", values.bots, short ? 12 : 40, 4, 500),
      pace: short
        ? { rotateEveryMs: 400, killEveryMs: 6_000, revokeEveryMs: 3_000, forMs: 16_000 }
        : { rotateEveryMs: 300, killEveryMs: 10_000, revokeEveryMs: 5_000, forMs: Number.POSITIVE_INFINITY },
      say(text) {
        if (!json)
          process.stderr.write(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${text}\n`);
      },
    };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nusage: ${usage}\n`);
    process.exit(2);
  }
}
