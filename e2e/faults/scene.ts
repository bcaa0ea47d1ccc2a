/**
 * A whole run:
 *
 *     start everything ─▶ every bot served ─▶ faults and the operator's work, side by side ─▶ mend everything ─▶ every rotation ends
 *       ─▶ every bot's last requests ─▶ audit log ─▶ stop ─▶ what was written down against the model
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { REPLICA_LEASE_MS } from "../../packages/server/src/authority.ts";
import { readAudit } from "../audit.test-support.ts";
import { ask } from "../authority.test-support.ts";
import { type Found, findPlanted, openCanary, plant } from "../canary.test-support.ts";
import { endAll } from "../processes.test-support.ts";
import type { SmallDisk } from "../small-disk.test-support.ts";
import { chance } from "../writers.test-support.ts";
import { auditProblems } from "./audit-model.ts";
import { Bots } from "./bots.ts";
import { Cluster } from "./cluster.ts";
import { Fleet } from "./fleet.ts";
import { type Folder, openFolder } from "./folder.ts";
import { openHistory, readHistory } from "./history.ts";
import { inject, type Scene } from "./inject.ts";
import { check } from "./model.ts";
import { Operator } from "./operator.ts";
import { Recovery } from "./recovery.ts";
import { drawSchedule, type Fault, type FaultKind, type Schedule, shortSchedule } from "./schedule.ts";
import { watchStarvation } from "./starvation.ts";
import { type Pace, Work } from "./work.ts";

export interface RunSettings {
  seed: number;
  /** Of faults; start and end come on top. Not for the short form, which ends with its list. */
  seconds: number;
  short: boolean;
  store: "postgres" | "sqlite";
  replicas: number;
  apis: number;
  bots: number;
  pace: Pace;
  say: (text: string) => void;
}

export interface Summary {
  seed: number;
  /** From the first fault to the last mend. */
  seconds: number;
  requests: number;
  wronglyRefused: number;
  acceptedAfterBound: number;
  /** 503 of APIs that were cut off for longer than their lease: what their policy says. */
  stale: number;
  /** Of those, the ones that only a machine without time for its processes explains. */
  excused: number;
  rotations: number;
  completed: number;
  revocations: number;
  faults: Partial<Record<FaultKind, number>>;
  /** The longest; null if it was not measured. */
  recoveryMs: number | null;
  /** For so long the machine had no time for all its processes: then an API may be past its lease without a fault. */
  starvedMs: number;
  /** For how many secrets, in how many files. */
  looked: { secrets: number; files: number };
  skipped: FaultKind[];
  /** What should not be. A run is good if there is none. */
  problems: string[];
  /** Kept if there is a problem. */
  history?: string;
}

/**
 * A rotation goes on when the dead replica's lease is over (in virtual time: server/replicas.test.ts), its successor was used and that was
 * reported. Speed is not what is tested here: twice the lease is a stand-still.
 */
const RECOVERY_MS_MAX = 2 * REPLICA_LEASE_MS;
const FRESH_MS_MAX = 15_000;
const FINDINGS_TOLD = 5;
const ROTATIONS_MS_MAX = 90_000;

export async function runFaults(settings: RunSettings): Promise<Summary> {
  const folder = openFolder();
  openCanary(folder.canary);
  const disk = folder.smallHome("api-1");
  process.on("exit", () => disk?.remove());
  try {
    const cast = await assemble(settings, folder, disk);
    const played = await play(cast, settings);
    const summary = await conclude(cast, played, settings);
    if (summary.problems.length === 0) return summary;
    folder.keep();
    return { ...summary, history: folder.path };
  } catch (error) {
    folder.keep();
    settings.say(`the run broke off; what its processes said is in ${folder.path}`);
    throw error;
  } finally {
    await endAll();
  }
}

interface Cast extends Omit<Scene, "work"> {
  folder: Folder;
  operator: Operator;
  bots: Bots;
  starvedMs: () => number;
}

async function assemble(settings: RunSettings, folder: Folder, disk: SmallDisk | undefined): Promise<Cast> {
  const { store, replicas, apis, bots: count, say } = settings;
  say(`starting ${replicas} authority process(es) on ${store}, ${apis} APIs, ${count} bots`);
  const history = openHistory(join(folder.history, "driver.jsonl"));
  const starvedMs = watchStarvation(history);
  const cluster = await Cluster.open(folder, store, replicas);
  plant(cluster.adminToken);
  if (cluster.database !== undefined) plant(new URL(cluster.database.url).password);
  const operator = new Operator(cluster, history);
  const token = await operator.prepare();
  const fleet = await Fleet.open({ folder, disk, history, cluster, token, count: apis });
  const bots = await Bots.open({ folder, apis: fleet.addresses, authorityUrl: cluster.url, count }, operator);
  const probe = bots.applications.find(({ kind }) => kind === "naive");
  if (probe === undefined) throw new Error("too few bots: none of them is naive");
  return { folder, disk, cluster, operator, fleet, bots, recovery: new Recovery(cluster, operator, probe), starvedMs };
}

interface Played {
  seconds: number;
  faults: Summary["faults"];
  problems: string[];
}

/** Faults and work, side by side; then all is mended and must come to its end. */
async function play(cast: Cast, settings: RunSettings): Promise<Played> {
  const { cluster, fleet, operator, bots, recovery, disk } = cast;
  const { seed, short, say, pace } = settings;
  const size = {
    replicas: cluster.replicas.length,
    apis: settings.apis,
    postgres: cluster.database !== undefined,
    smallDisk: disk !== undefined,
  };
  const schedule = short ? { authority: shortSchedule(size), apis: none() } : drawSchedule(seed, size);
  const applications = bots.applications.filter((each) => each !== recovery.application);
  const work = new Work({ operator, bots, apis: fleet.addresses, applications, random: chance(seed + 2), pace });
  const startedAt = performance.now();
  const faults = await perform(schedule, { ...cast, work }, settings);
  await work.stop();
  const seconds = Math.round((performance.now() - startedAt) / 1_000);

  say("all is mended; waiting for every API to be fresh and every rotation to end");
  const stale = await fleet.settled(FRESH_MS_MAX);
  await work.done();
  const open = await operator.allDone(ROTATIONS_MS_MAX);
  const refused = await bots.finish();
  const problems = [
    ...work.problems,
    ...stale.map((name) => `${name} was not fresh ${FRESH_MS_MAX / 1_000} s after all was mended`),
    ...open.map((rotation) => `a rotation did not end: ${rotation}`),
    ...refused.map((bot) => `a bot was left with a key that is not good: ${bot}`),
  ];
  return { seconds, faults, problems };
}

async function conclude(cast: Cast, played: Played, { seed, short, say }: RunSettings): Promise<Summary> {
  const { folder, cluster, fleet, operator, bots, recovery, disk } = cast;
  const entries = await readAudit(cluster.url, cluster.adminToken);
  // Only to be looked through.
  for (const { url } of cluster.replicas) await ask(`${url}/metrics`, { token: cluster.adminToken });
  say("stopping, and comparing what was written down with the model");
  await bots.close();
  await fleet.close();
  await cluster.close();
  const { findings, ...looked } = lookForSecrets(folder, cluster);
  await cluster.remove();
  const { problems: contradictions, ...counts } = await check(() => readHistory(folder.history));
  const starvedMs = cast.starvedMs();
  const recoveryMs = recovery.took.length === 0 ? null : Math.max(...recovery.took);
  const rotations = [...operator.rotations.values()];
  const problems = [
    ...contradictions,
    ...played.problems,
    ...auditProblems(entries),
    ...findings.slice(0, FINDINGS_TOLD).map((finding) => `a secret was found: ${finding}`),
    ...cluster.surprises,
    ...fleet.surprises,
    ...bots.surprises,
  ];
  if ((recoveryMs ?? 0) > RECOVERY_MS_MAX + starvedMs) problems.push(`a rotation stood still for ${recoveryMs} ms`);
  return {
    seed,
    seconds: played.seconds,
    ...counts,
    rotations: rotations.length,
    completed: rotations.filter(({ phase }) => phase === "completed" || phase === "retired").length,
    revocations: operator.revocations,
    faults: played.faults,
    recoveryMs,
    starvedMs,
    looked,
    skipped: disk === undefined && !short ? ["disk-full"] : [],
    problems,
  };
}

/** I15: in what all processes wrote and keep, PostgreSQL's data, its log of writes and what it said among it. */
function lookForSecrets({ canary, path }: Folder, { database }: Cluster): Found {
  const kept = ["history", "logs", "homes"].map((name) => join(path, name));
  const ofDatabase = database === undefined ? [] : [join(database.folder, "data"), join(database.folder, "log")];
  return findPlanted(canary, ...kept, ...ofDatabase);
}

function* none(): Generator<Fault> {}

/** Both tracks, each fault after the other, until the time is over. What has begun is undone. */
async function perform(schedule: Schedule, scene: Scene, { short, seconds, say }: RunSettings) {
  const done: Partial<Record<FaultKind, number>> = {};
  const startedAt = performance.now();
  const isOver = () => !short && performance.now() - startedAt > seconds * 1_000;
  const follow = async (track: Generator<Fault>) => {
    for (const fault of track) {
      await sleep(fault.pauseMs);
      if (isOver()) return;
      say(describe(fault));
      await inject(scene, fault);
      await scene.fleet.settled(FRESH_MS_MAX);
      done[fault.kind] = (done[fault.kind] ?? 0) + 1;
    }
  };
  await Promise.all([follow(schedule.authority), follow(schedule.apis)]);
  return done;
}

function describe({ kind, target, forMs, wire, replica, all }: Fault): string {
  const cut = kind.startsWith("cut") ? ` ${wire}` : "";
  const which = kind === "cut-postgres" && all ? "all" : String(target + 1);
  const way = kind === "cut-one-wire" ? ` to ${replica + 1}` : "";
  return `${kind} ${which}${way}${cut} for ${(forMs / 1_000).toFixed(1)} s`;
}
