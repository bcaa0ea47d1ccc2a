/**
 * What Keyover costs, measured, each time beside something that everybody can run:
 *
 *     npm run bench -- NAME [--json] [--quick]      NAME: verify, text, floor, table, threads, http, gateway, changeover, revocation, revocation-busy, start, throughput,
 *                                                 fan-out, fleet-rotation, million, evidence, campaign, noise, peers, all
 *
 * A row is the median of the rounds, with the smallest and the largest. The ratio is to the baseline of the same run, so that
 * it says something on a busy machine too. `--quick` shows in seconds that everything works; its numbers mean little.
 * bench/README.md says what each one measures and how.
 */
import { spawn } from "node:child_process";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { campaign } from "./campaign.ts";
import { changeover } from "./changeover.ts";
import { evidence } from "./evidence.ts";
import { fanOut } from "./fan-out.ts";
import { fleetRotation } from "./fleet-rotation.ts";
import { floor } from "./floor.ts";
import { gateway } from "./gateway.ts";
import { http } from "./http.ts";
import { million } from "./million.ts";
import { noise } from "./noise.ts";
import { peers } from "./peers.ts";
import { type Row, table } from "./report.ts";
import { revocation } from "./revocation.ts";
import { revocationBusy } from "./revocation-busy.ts";
import { start } from "./start.ts";
import { table as tableBench } from "./table.ts";
import { text } from "./text.ts";
import { threads } from "./threads.ts";
import { throughput } from "./throughput.ts";
import { verify } from "./verify.ts";

const benches: Record<string, (quick: boolean) => Promise<Row[]>> = {
  verify,
  text,
  floor,
  table: tableBench,
  threads,
  http,
  gateway,
  changeover,
  revocation,
  "revocation-busy": revocationBusy,
  start,
  throughput,
  "fan-out": fanOut,
  "fleet-rotation": fleetRotation,
  million,
  evidence,
  campaign,
  noise,
  peers,
  all,
};
const usage = `npm run bench -- NAME [--json] [--quick], NAME one of ${Object.keys(benches).join(", ")}`;

const { name, json, quick } = readOptions();
const rows = await (benches[name] as (quick: boolean) => Promise<Row[]>)(quick);
const [processor] = cpus();
const machine = { node: process.version, cpu: `${processor?.model ?? "unknown"} x ${cpus().length}` };
if (!json)
  process.stdout.write(`\n${name}${quick ? " (quick)" : ""}, Node ${machine.node}, ${machine.cpu}\n\n${table(rows)}`);
else process.stdout.write(`${JSON.stringify({ bench: name, ...machine, quick, rows })}\n`);

/** Each in a process of its own: the memory that one has filled is not the next one's. */
async function all(fast: boolean): Promise<Row[]> {
  const found: Row[] = [];
  for (const each of Object.keys(benches)) {
    if (each === "all") continue;
    for (const row of await inItsOwnProcess(each, fast)) found.push({ ...row, name: `${each}: ${row.name}` });
  }
  return found;
}

function inItsOwnProcess(bench: string, fast: boolean): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    const args = [fileURLToPath(import.meta.url), bench, "--json", ...(fast ? ["--quick"] : [])];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve((JSON.parse(said.trimEnd().split("\n").at(-1) as string) as { rows: Row[] }).rows);
      else reject(new Error(`the bench ${bench} ended with exit code ${code}`));
    });
  });
}

function readOptions(): { name: string; json: boolean; quick: boolean } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { json: { type: "boolean", default: false }, quick: { type: "boolean", default: false } },
    });
    const [wanted, more] = positionals;
    if (wanted === undefined) throw new Error("name a bench");
    if (!Object.hasOwn(benches, wanted)) throw new Error(`there is no bench ${wanted}`);
    if (more !== undefined) throw new Error("one bench at a time");
    return { name: wanted, json: values.json, quick: values.quick };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nusage: ${usage}\n`);
    process.exit(2);
  }
}
