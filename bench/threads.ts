/** Threads that read one table: what it costs a decision, and how they get on together. In a process of their own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { outputOf } from "./processes.ts";
import { type Row, rowOf } from "./report.ts";
import type { ThreadFigures } from "./threads-process.ts";

const THREADS = 3;
const PROCESS = fileURLToPath(new URL("./threads-process.ts", import.meta.url));

export async function threads(quick: boolean): Promise<Row[]> {
  const keys = quick ? 5_000 : 1_000_000;
  const folder = mkdtempSync(join(tmpdir(), "keyover-threads-"));
  try {
    const line = await outputOf(PROCESS, [join(folder, "data"), String(keys), String(THREADS)]);
    return rowsOf(keys, JSON.parse(line) as ThreadFigures);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function rowsOf(keys: number, figures: ThreadFigures): Row[] {
  const name = (what: string) => `${keys.toLocaleString("en")} keys: ${what}`;
  const own = { unit: "ns", baselineName: "in the thread that writes", baselineRounds: figures.own };
  return [
    rowOf({ name: name("a decision in a thread that reads"), rounds: figures.read, ...own }),
    rowOf({ name: name("the same while 2,000 keys a second change"), rounds: figures.readUnderChanges, ...own }),
    rowOf({
      name: name(`${THREADS} threads at once`),
      unit: "/s",
      rounds: figures.allThreads,
      baselineName: "one thread",
      baselineRounds: figures.oneThread,
    }),
    rowOf({
      name: name("memory of one more thread"),
      unit: "MB",
      rounds: [figures.threadBytes / 1e6],
      baselineName: "the keys' file",
      baselineRounds: [figures.fileBytes / 1e6],
    }),
  ];
}
