/** Rounds of several measurements, in turn, so that all meet the same noise. */

const ROUNDS = 7;

export type Measure = () => Promise<number>;

/** What each of them measured, round by round. The first round, which is for the compilers, is left out. */
export async function inTurn(measures: readonly Measure[]): Promise<number[][]> {
  const rounds: number[][] = measures.map(() => []);
  for (let round = -1; round < ROUNDS; round++) {
    const order = [...measures.entries()];
    for (const [which, measure] of round % 2 === 0 ? order : order.toReversed()) {
      const measured = await measure();
      if (round >= 0) rounds[which]?.push(measured);
    }
  }
  return rounds;
}
