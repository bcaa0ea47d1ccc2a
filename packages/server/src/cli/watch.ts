/** `keyover watch <rotation>`: the changeover, live, until it has ended. */
import { ApiError } from "@keyover/client/api";
import { phases, sleep } from "@keyover/core";
import { type Command, Option } from "commander";
import { type Call, calls } from "./command-group.ts";
import type { EvidenceAnswer, RotationRow } from "./entity-tables.ts";
import { RefusedError } from "./exit-codes.ts";
import { frameOf, summaryOf } from "./frame.ts";
import { type Io, remark, say } from "./io.ts";
import { namesOf } from "./names.ts";
import { duration } from "./options.ts";
import { formatDuration } from "./render.ts";

interface WatchOptions {
  every?: number;
  until?: RotationRow["phase"];
}

interface Sight {
  rotation: RotationRow;
  evidence: EvidenceAnswer;
}

const EVERY_MS = 1_000;
const EVERY_MS_MIN = 100;

export function watchCommand(program: Command, io: Io): void {
  const command = program
    .command("watch")
    .argument("<rotation>", "handle, rot_…")
    .description("follow a rotation live until it ends; exit 1 if it was cancelled or rolled back")
    .option("--every <duration>", "how often to look (otherwise 1s)", duration)
    .addOption(new Option("--until <phase>", "stop as soon as it has come this far").choices(phases));
  calls<WatchOptions, [string]>(
    command,
    io,
    ["keyover watch rot_…", "keyover watch rot_… --until retired", "keyover watch rot_… --json | jq .rotation.phase"],
    watch,
  );
}

async function watch(call: Call<WatchOptions>, id: string): Promise<void> {
  const { io, options } = call;
  const every = Math.max(EVERY_MS_MIN, options.every ?? EVERY_MS);
  let sight: Sight | undefined = await look(call, id);
  const { key } = sight.rotation;
  const name = io.isTty ? (await namesOf(call, { keys: [key] })).key(key) : undefined;
  const screen = options.json ? jsonScreen(io) : io.isTty ? liveScreen(io, name) : lineScreen(io);
  for (;;) {
    if (sight !== undefined) {
      screen.show(sight);
      const { phase, endedAt } = sight.rotation;
      if (options.until !== undefined && cameTo(phase, options.until)) return;
      // What is left of a rollback is silence, for as long as the policy asks; there is nothing more to watch.
      if (endedAt !== null || phase === "rolled-back") return end(sight.rotation, options.until);
    }
    await sleep(io.world.clock, every);
    sight = await lookAgain(call, id, screen, every);
  }
}

function cameTo(phase: RotationRow["phase"], wanted: RotationRow["phase"]): boolean {
  const order: RotationRow["phase"][] = ["planned", "propagating", "offered", "overlapping", "retired", "completed"];
  return phase === wanted || (order.includes(wanted) && order.indexOf(phase) > order.indexOf(wanted));
}

function end({ phase, id }: RotationRow, until: string | undefined): void {
  if (until !== undefined) throw new RefusedError(`${id} ended as ${phase} and did not come to ${until}`);
  if (phase !== "completed")
    throw new RefusedError(`${id} ${phase === "rolled-back" ? "was rolled back" : `ended as ${phase}`}`);
}

async function look({ api }: Call<object>, rotation: string): Promise<Sight> {
  const params = { rotation };
  const [row, evidence] = await Promise.all([
    api.request("get", "/v1/rotations/{rotation}", { params }),
    api.request("get", "/v1/rotations/{rotation}/evidence", { params }),
  ]);
  return { rotation: row, evidence };
}

/** An authority that restarts, or a network that stumbles, does not end the watch; a refusal does. */
async function lookAgain(call: Call<object>, id: string, screen: Screen, every: number): Promise<Sight | undefined> {
  try {
    return await look(call, id);
  } catch (error) {
    const passing = error instanceof ApiError && (error.code === "unreachable" || error.status >= 500);
    if (!passing) throw error;
    screen.trouble(`${error.message}; looking again every ${formatDuration(every)}`);
    return undefined;
  }
}

interface Screen {
  show(sight: Sight): void;
  trouble(text: string): void;
}

/** Redraws in place: up over the last picture, and clear to the end of the screen. */
function liveScreen(io: Io, name: string | undefined): Screen {
  let drawn = 0;
  let last: string[] = [];
  const draw = (lines: string[]) => {
    const rows = (io.stdout as { rows?: number }).rows ?? 24;
    const shown = lines.slice(0, rows - 1);
    const up = drawn === 0 ? "" : `\u001b[${drawn}A`;
    io.stdout.write(`${up}\r\u001b[J${shown.map((line) => `${line}\n`).join("")}`);
    drawn = shown.length;
  };
  return {
    show({ rotation, evidence }) {
      last = frameOf(rotation, evidence, Math.max(20, (io.stdout.columns ?? 80) - 1), name);
      draw(last);
    },
    trouble: (text) => draw([...last, text]),
  };
}

function lineScreen(io: Io): Screen {
  return { ...onChange((sight) => say(io, summaryOf(sight.rotation, sight.evidence))), trouble: once(io) };
}

function jsonScreen(io: Io): Screen {
  return { ...onChange((sight) => say(io, JSON.stringify(sight))), trouble: once(io) };
}

/** Shows a sight only if it differs from the one before in more than the time. */
function onChange(show: (sight: Sight) => void): { show(sight: Sight): void } {
  let before = "";
  return {
    show(sight) {
      const now = gist(sight);
      if (now === before) return;
      before = now;
      show(sight);
    },
  };
}

/** The same trouble is told once. */
function once(io: Io): (text: string) => void {
  let told = "";
  return (text) => {
    if (text !== told) remark(io, text);
    told = text;
  };
}

function gist({ rotation, evidence }: Sight): string {
  return JSON.stringify([
    rotation,
    evidence.gates.map(({ met }) => met),
    evidence.shares.map(({ version, share }) => [version, Math.round(share * 100)]),
    evidence.waitingFor.map(({ boot }) => boot),
    evidence.quiet.sources.map(({ source, quiet, moved }) => [source, quiet, moved]),
  ]);
}
