// The memory of a process that has loaded a replica by the package as it is published: no types to strip. Prints bytes.
//     node --expose-gc table-published.mjs <built verifier> <folder>
import { setTimeout as sleep } from "node:timers/promises";

const [built, folder] = process.argv.slice(2);
const { fileDisk } = await import(built);
const { table } = await fileDisk(folder, () => {}).load("market");
globalThis.gc?.();
await sleep(200);
if (table.size === 0) throw new Error("no keys were loaded");
process.stdout.write(String(process.memoryUsage().rss));
