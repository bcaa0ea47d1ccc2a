/** Rounds of single measurements that alternate with the baseline's, so that both meet the same noise. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "./fleet.ts";
import { type Mark, percentile, type Row, rowOf } from "./report.ts";

const ROUNDS = 5;
const SAMPLES = 100;
/** After a measurement: the acknowledgements that follow it, and the reports that it held up, are not the next one's. */
const SETTLE_MS = 40;

export interface Alternating {
  fleet: Fleet;
  quick: boolean;
  /** What a measurement answers, in order; the mark is of the 99th percentile. */
  figures: { name: string; mark?: Mark }[];
  /** For a round of so many samples: what is measured must not be made while it is measured. */
  prepare: (samples: number) => Promise<(sample: number) => Promise<number[]>>;
}

/** Two rows for each figure: the medians over the rounds of each round's median and of its 99th percentile. */
export async function alternate({ fleet, quick, figures, prepare }: Alternating): Promise<Row[]> {
  const samples = quick ? 10 : SAMPLES;
  const rounds: { found: number[][]; bare: number[] }[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    // Round -1, a short one, is for the compilers of all processes.
    const count = round < 0 ? Math.min(20, samples) : samples;
    const measure = await prepare(count);
    const found: number[][] = [];
    const bare: number[] = [];
    await sleep(10 * SETTLE_MS);
    for (let sample = 0; sample < count; sample++) {
      found.push(await measure(sample));
      await sleep(SETTLE_MS);
      bare.push((await fleet.bareWrite()).at(-1) as number);
      await sleep(SETTLE_MS / 4);
    }
    if (round >= 0) rounds.push({ found, bare });
  }
  const row = (figure: number, share: number, mark: Mark | undefined) =>
    rowOf(
      {
        name: `${figures[figure]?.name}, p${100 * share}`,
        unit: "ms",
        rounds: rounds.map(({ found }) =>
          percentile(
            found.map((each) => each[figure] as number),
            share,
          ),
        ),
        baselineName: "bare SSE write",
        baselineRounds: rounds.map(({ bare }) => percentile(bare, share)),
      },
      mark,
    );
  return figures.flatMap(({ mark }, i) => [row(i, 0.5, undefined), row(i, 0.99, mark)]);
}
