/** Rows of numbers: how they are made from rounds, and how they look. */

/** What the JSON holds for each thing measured. */
export interface Row {
  name: string;
  /** Median of the rounds; the smallest and the largest beside it. */
  value: number;
  min: number;
  max: number;
  unit: string;
  /** The same of what it is compared with, in the same unit, from the same run. */
  baseline: number;
  baselineName: string;
  /** value / baseline. */
  ratio: number;
  /** What was promised, where something was, and whether this run kept it. */
  mark?: string;
  met?: boolean;
}

export interface Measured {
  name: string;
  unit: string;
  /** One value for each round. */
  rounds: readonly number[];
  baselineName: string;
  baselineRounds: readonly number[];
}

/** Limits of the value or of the ratio. */
export interface Mark {
  valueMax?: number;
  valueMin?: number;
  ratioMax?: number;
  ratioMin?: number;
}

export function rowOf({ name, unit, rounds, baselineName, baselineRounds }: Measured, mark?: Mark): Row {
  const [value, baseline] = [median(rounds), median(baselineRounds)];
  const ratio = value / baseline;
  const row: Row = {
    name,
    value: rounded(value),
    min: rounded(Math.min(...rounds)),
    max: rounded(Math.max(...rounds)),
    unit,
    baseline: rounded(baseline),
    baselineName,
    ratio: rounded(ratio),
  };
  if (mark === undefined) return row;
  const { valueMax, valueMin, ratioMax, ratioMin } = mark;
  const parts = [
    ...(valueMax === undefined ? [] : [{ text: `≤ ${valueMax} ${unit}`, met: value <= valueMax }]),
    ...(valueMin === undefined ? [] : [{ text: `≥ ${valueMin} ${unit}`, met: value >= valueMin }]),
    ...(ratioMax === undefined ? [] : [{ text: `≤ ${ratioMax} x`, met: ratio <= ratioMax }]),
    ...(ratioMin === undefined ? [] : [{ text: `≥ ${ratioMin} x`, met: ratio >= ratioMin }]),
  ];
  return { ...row, mark: parts.map(({ text }) => text).join(", "), met: parts.every(({ met }) => met) };
}

function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** By nearest rank: of 100 values, the 99th is what 99 % do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number;
}

export function table(rows: readonly Row[]): string {
  const head = ["", "median", "min to max", "", "beside", "", "ratio", "mark"];
  const lines = rows.map((row) => [
    row.name,
    String(row.value),
    `${row.min} to ${row.max}`,
    row.unit,
    String(row.baseline),
    row.baselineName,
    String(row.ratio),
    row.mark === undefined ? "" : `${row.mark}: ${row.met ? "met" : "MISSED"}`,
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...lines].map((line) => (line[i] as string).length)));
  const text = [head, ...lines].map((line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i] as number))
      .join("  ")
      .trimEnd(),
  );
  return `${text.join("\n")}\n`;
}

/** Three digits are more than such numbers are worth. */
function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
