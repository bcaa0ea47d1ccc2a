/**
 * `keyover verifier --workers N`: one process that holds the listening socket, and N workers that decide, each with a replica of its own.
 *
 *     SIGHUP   for each worker: a new one starts in the free slot ──ready──▶ gets connections ──▶ the old one drains and ends
 *     SIGTERM  all drain and end
 *     a worker ends unasked: it is started again in its slot, after a pause that doubles
 *
 * The socket is never closed in between, so no connection is refused, not even one that waits to be taken; the program on disk may be
 * another by now. node:cluster hands a new connection to the workers in turn.
 *
 * What it costs: each worker has all keys in memory and is a verifier of its own to the authority (a registration, a stream, reports).
 */
import cluster, { type Worker } from "node:cluster";
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import type { World } from "@keyover/core";
import type { Sample } from "@keyover/verifier/standalone";
import { seedSlot, slotFolder, slotsByFreshness } from "@keyover/verifier/standalone/slots";
import { exitCodes, RefusedError, UnsafeConfigurationError } from "./exit-codes.ts";
import { Gatherings, GatheringsAsked } from "./gatherings.ts";
import { type Io, say } from "./io.ts";
import { stopSignal } from "./stop-signal.ts";
import {
  drainWithin,
  listenAll,
  readySentence,
  standaloneOf,
  type VerifierSettings,
  verifierOf,
} from "./verifier-process.ts";
import type { Listen } from "./verifier-socket.ts";

export interface PoolSettings extends VerifierSettings {
  workers: number;
}

interface Start {
  slot: number;
  /** The slot that it begins with a copy of. */
  replaces?: number | undefined;
  /** It listens only once it is ready. */
  listenLate: boolean;
}

type ToWorker = { start: Start } | { samplesFor: number } | { gathered: number; samples: Sample[] };
type FromWorker = { ready: string } | { gather: number } | { samplesFor: number; samples: Sample[] };

const PAUSE_MS_MIN = 250;
const PAUSE_MS_MAX = 30_000;
const KILL_AFTER_MS = 10_000;

// ---- the process that listens -------------------------------------------------------------------------------------------

interface Member {
  slot: number;
  worker: Worker;
  /** The address that it listens on; undefined if it ended before. */
  ready: Promise<string | undefined>;
  /** The exit code; null if a signal ended it. */
  ended: Promise<number | null>;
  asked: boolean;
  /** Among the workers that there are to be. One that is to replace another is not, until it is ready. */
  counts: boolean;
}

export async function superviseWorkers(settings: PoolSettings, io: Io, world: World): Promise<void> {
  const pool = new Pool(settings, world, io.env.GLIBC_TUNABLES === undefined ? HUGE_PAGES : {});
  const stopped = stopSignal(world, "verifier.draining");
  process.on("SIGHUP", () => void pool.changeOver());
  const outcome = await Promise.race([
    stopped,
    pool.start().then((address) => {
      say(io, `${readySentence(address)} Change it over with SIGHUP (process ${process.pid}).`);
      return stopped;
    }),
  ]).catch((error: Error) => error);
  await pool.stop();
  if (outcome instanceof Error) throw outcome;
}

/**
 * A replica is read at random, so most of a decision is waiting for memory. In pages of 2 MB it waits a quarter less where glibc and the
 * kernel have them (bench/README.md); elsewhere nobody reads this.
 */
const HUGE_PAGES = { GLIBC_TUNABLES: "glibc.malloc.hugetlb=1" };

class Pool {
  readonly #environment: Record<string, string>;
  readonly #settings: PoolSettings;
  readonly #world: World;
  readonly #members = new Set<Member>();
  readonly #gatherings: Gatherings;
  #started = false;
  #stopping = false;
  #changing = false;

  constructor(settings: PoolSettings, world: World, environment: Record<string, string>) {
    this.#settings = settings;
    this.#world = world;
    this.#environment = environment;
    this.#gatherings = new Gatherings(world);
  }

  /** The address, once all are ready. Rejects if one ends before: then its settings are wrong, and it has said so. */
  async start(): Promise<string> {
    const { data, workers } = this.#settings;
    const count = workers + 1;
    const slots =
      data === undefined ? Array.from({ length: count }, (_, i) => i + 1) : await slotsByFreshness(data, count);
    const members = slots.slice(0, workers).map((slot) => this.#launch(slot, undefined));
    const addresses = await Promise.all(
      members.map(async ({ ready, ended }) => {
        const address = await ready;
        if (address !== undefined || this.#stopping) return address;
        const code = await ended;
        throw code === exitCodes.configuration
          ? new UnsafeConfigurationError("a worker could not start (see above)")
          : new RefusedError(
              `a worker ended before it was ready, with ${code === null ? "a signal" : `exit code ${code}`}`,
            );
      }),
    );
    this.#started = true;
    return addresses[0] ?? "";
  }

  async changeOver(): Promise<void> {
    if (this.#changing || !this.#started || this.#stopping) {
      this.#world.log("warn", "verifier.change_over_not_begun", {
        reason: this.#changing ? "one is under way" : "starting or stopping",
      });
      return;
    }
    this.#changing = true;
    this.#world.log("info", "verifier.change_over_begun", { workers: this.#members.size });
    try {
      // Those of now: their successors join the set meanwhile.
      const olds = new Set(this.#members);
      for (const old of olds) if (!(await this.#replace(old))) return;
      this.#world.log("info", "verifier.change_over_done", {});
    } finally {
      this.#changing = false;
    }
  }

  async #replace(old: Member): Promise<boolean> {
    const slot = this.#freeSlot();
    if (slot === undefined || this.#stopping) return false;
    const successor = this.#launch(slot, old.slot);
    if ((await successor.ready) === undefined) {
      this.#world.log("error", "verifier.change_over_failed", { reason: "the new worker ended; the old ones go on" });
      return false;
    }
    // It may have died meanwhile, and been started again.
    const inItsSlot = [...this.#members].find((member) => member.slot === old.slot);
    if (inItsSlot !== undefined) await this.#end(inItsSlot);
    return true;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#members].map((member) => this.#end(member)));
  }

  async #end(member: Member): Promise<void> {
    member.asked = true;
    member.worker.process.kill("SIGTERM");
    const late = this.#world.clock.after(this.#settings.drainMs + KILL_AFTER_MS, () =>
      member.worker.process.kill("SIGKILL"),
    );
    await member.ended;
    late();
  }

  #launch(slot: number, replaces: number | undefined, pauseMs: number = PAUSE_MS_MIN): Member {
    const worker = cluster.fork(this.#environment);
    const isReady = Promise.withResolvers<string | undefined>();
    const hasEnded = Promise.withResolvers<number | null>();
    const [ready, ended] = [isReady.promise, hasEnded.promise];
    const member: Member = { slot, worker, ready, ended, asked: false, counts: replaces === undefined };
    this.#members.add(member);
    let pause = pauseMs;
    worker.on("message", (message: FromWorker) => {
      if ("ready" in message) {
        pause = PAUSE_MS_MIN;
        member.counts = true;
        isReady.resolve(message.ready);
      } else if ("gather" in message) void this.#gather(member, message.gather);
      else this.#gatherings.said(message.samplesFor, slot, message.samples);
    });
    worker.once("exit", (code: number | null) => {
      this.#members.delete(member);
      isReady.resolve(undefined);
      hasEnded.resolve(code);
      if (member.asked || this.#stopping || !this.#started) return;
      this.#world.log("error", "verifier.worker_ended", { slot, code, againInMs: pause });
      this.#world.clock.after(pause, () => this.#makeUp(slot, Math.min(PAUSE_MS_MAX, 2 * pause)));
    });
    tell(worker, { start: { slot, replaces, listenLate: this.#members.size > 1 && this.#started } });
    return member;
  }

  /** One has ended unasked: another in its slot, if one is missing. Of one that was to replace another and never could, none is. */
  #makeUp(slot: number, pauseMs: number): void {
    const members = [...this.#members];
    const isEnough = members.filter(({ counts }) => counts).length >= this.#settings.workers;
    if (this.#stopping || isEnough) return;
    const isTaken = members.some((member) => member.slot === slot);
    const place = isTaken ? this.#freeSlot() : slot;
    if (place !== undefined) this.#launch(place, undefined, pauseMs);
  }

  #freeSlot(): number | undefined {
    const used = new Set([...this.#members].map(({ slot }) => slot));
    return Array.from({ length: this.#settings.workers + 1 }, (_, i) => i + 1).find((each) => !used.has(each));
  }

  async #gather(asking: Member, number: number): Promise<void> {
    const members = [...this.#members];
    const samples = await this.#gatherings.gather(
      members.map(({ slot }) => slot),
      (id) => {
        for (const { worker } of members) tell(worker, { samplesFor: id });
      },
    );
    tell(asking.worker, { gathered: number, samples });
  }
}

function tell(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, undefined, () => undefined);
}

// ---- a worker -----------------------------------------------------------------------------------------------------------

export async function workerOfPool(settings: VerifierSettings, world: World): Promise<void> {
  const stopped = stopSignal(world, "verifier.draining");
  const asked = new GatheringsAsked(world, (number) => {
    toPool({ gather: number });
    return process.connected;
  });
  const started = Promise.withResolvers<Start>();
  let own: () => Sample[] = () => [];
  process.on("message", (message: ToWorker) => {
    if ("start" in message) started.resolve(message.start);
    else if ("samplesFor" in message) toPool({ samplesFor: message.samplesFor, samples: own() });
    else asked.answered(message.gathered, message.samples);
  });
  const { slot, replaces, listenLate } = await started.promise;
  const { instance = nameAt(settings.listen), data } = settings;
  const named = {
    ...settings,
    instance: `${instance}-${slot}`,
    data: data === undefined ? undefined : slotFolder(data, slot),
  };
  // Here and not in the process that listens: all keys are in memory for the while.
  if (data !== undefined && replaces !== undefined) await seedSlot(data, replaces, slot, settings.apis, world.log);
  const { verifier, ready } = verifierOf(named, world);
  const standalone = standaloneOf(verifier, named, world, (samples) => asked.gather(samples));
  own = () => standalone.samples();
  const begin = async () => {
    // Of two that listen, each gets half of the connections: beside one that can answer, it must be able to as well.
    if (listenLate) await ready;
    const address = await listenAll(standalone, settings);
    await ready;
    toPool({ ready: address });
    return stopped;
  };
  const outcome = await Promise.race([stopped, begin()]).catch((error: Error) => error);
  await drainWithin(standalone, settings.drainMs, world);
  // The way to the other process would keep this one alive. Shut, it would end it before its exit code is set.
  process.channel?.unref();
  if (outcome instanceof Error) throw outcome;
}

/** Of those who listen there: another program on this host would push these out, if it had the same name. */
function nameAt({ path, port }: Listen): string {
  const place = path === undefined ? String(port) : createHash("sha256").update(path).digest("hex").slice(0, 8);
  return `${hostname()}-${place}`;
}

function toPool(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}
