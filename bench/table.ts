/** The replica's table at a million and at ten million keys: decisions, memory, loading, stops. Each size in a process of its own. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { outputOf } from "./processes.ts";
import { type Row, rowOf } from "./report.ts";
import type { TableFigures } from "./table-process.ts";

const PUBLISHED = fileURLToPath(new URL("./table-published.mjs", import.meta.url));
const BUILT = fileURLToPath(new URL("../packages/verifier/dist/verifier.js", import.meta.url));
const PROCESS = fileURLToPath(new URL("./table-process.ts", import.meta.url));
/** As many texts as are presented in a round. */
const KNOWN = 1_000_000;

export async function table(quick: boolean): Promise<Row[]> {
  const sizes: [keys: number, uniform: number][] = quick
    ? [
        [5_000, 2],
        [20_000, 2.5],
      ]
    : [
        [1_000_000, 2],
        [10_000_000, 2.5],
      ];
  const rows: Row[] = [];
  for (const [keys, uniform] of sizes) {
    const folder = mkdtempSync(join(tmpdir(), "keyover-table-"));
    const args = [join(folder, "data"), String(keys), String(Math.min(keys, quick ? 2_000 : KNOWN))];
    try {
      await outputOf(PROCESS, ["write", ...args]);
      const figures = JSON.parse(await outputOf(PROCESS, ["measure", ...args])) as TableFigures;
      rows.push(...rowsOf(keys, uniform, figures));
      if (existsSync(BUILT)) rows.push(await published(keys, figures, args[0] as string));
      else process.stderr.write("the built package is left out: there is none, `npm run build` makes it\n");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return rows;
}

async function published(keys: number, { fileBytes }: TableFigures, folder: string): Promise<Row> {
  // Without the condition by which packages are found as sources.
  const rss = await outputOf(PUBLISHED, [BUILT, folder], { ...process.env, NODE_OPTIONS: "" });
  return rowOf(
    {
      name: `${keys.toLocaleString("en")} keys: memory, built, a key`,
      unit: "B",
      rounds: [Number(rss) / keys],
      baselineName: "its file on disk",
      baselineRounds: [fileBytes / keys],
    },
    { valueMax: 82 },
  );
}

function rowsOf(keys: number, uniformMax: number, figures: TableFigures): Row[] {
  const name = (what: string) => `${keys.toLocaleString("en")} keys: ${what}`;
  const decisions = ({ verify, bare }: TableFigures["uniform"]) => ({
    unit: "ns",
    rounds: verify,
    baselineName: "crypto.hash, latin1",
    baselineRounds: bare,
  });
  const { loadMs, readMs, fileBytes, rssBytes, emptyRssBytes, stops } = figures;
  const each = (bytes: number) => [bytes / keys];
  return [
    rowOf({ name: name("a decision, all as often"), ...decisions(figures.uniform) }, { ratioMax: uniformMax }),
    rowOf({ name: name("a decision, 10,000 of them"), ...decisions(figures.hot) }, { ratioMax: 1.5 }),
    rowOf(
      {
        name: name("memory of the process, a key"),
        unit: "B",
        rounds: each(rssBytes),
        baselineName: "its file on disk",
        baselineRounds: each(fileBytes),
      },
      { valueMax: 82 },
    ),
    rowOf({
      name: name("the same less an empty process"),
      unit: "B",
      rounds: each(rssBytes - emptyRssBytes),
      baselineName: "its file on disk",
      baselineRounds: each(fileBytes),
    }),
    rowOf(
      {
        name: name("load from disk"),
        unit: "ms",
        rounds: [loadMs],
        baselineName: "the file read, and no more",
        baselineRounds: [readMs],
      },
      { valueMax: 5_000 },
    ),
    rowOf(
      {
        name: name(`longest stops in ${stops.changes.toLocaleString("en")} changes in 10 s`),
        unit: "ms",
        rounds: stops.withChanges.slice(0, 1),
        baselineName: "in 2 s without",
        baselineRounds: stops.without.slice(0, 1),
      },
      { valueMax: 5 },
    ),
  ];
}
