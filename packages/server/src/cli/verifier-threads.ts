/**
 * `keyover verifier --threads N`: one process that holds all keys once, and N threads that decide by them.
 *
 *     this thread   follows the feed, writes the table, keeps it on disk; serves nobody
 *     each thread   reads the table, listens on the same port (SO_REUSEPORT: the kernel spreads connections), reports what it saw
 *
 * SIGTERM: all drain and end. A thread that ends unasked is started again, after a pause that doubles.
 */
import { createServer, type Server } from "node:net";
import { Worker } from "node:worker_threads";
import type { World } from "@keyover/core";
import type { SharingVerifier, VerifierHandle } from "@keyover/verifier";
import type { Sample } from "@keyover/verifier/standalone";
import { RefusedError } from "./exit-codes.ts";
import { Gatherings } from "./gatherings.ts";
import { type Io, say } from "./io.ts";
import { stopSignal } from "./stop-signal.ts";
import { readySentence, type VerifierSettings, verifierOf } from "./verifier-process.ts";
import { listenOn } from "./verifier-socket.ts";

export interface ThreadsSettings extends VerifierSettings {
  threads: number;
  logLevel: string;
}

/** What a thread begins with. */
export interface ThreadData {
  handle: VerifierHandle;
  settings: ThreadsSettings;
}

export type ToThread = { samplesFor: number } | { gathered: number; samples: Sample[] } | { drain: true };
export type FromThread =
  | { listening: { port: number | undefined; grpcPort: number | undefined; address: string } }
  | { gather: number }
  | { samplesFor: number; samples: Sample[] };

/** The compiled program has another ending. */
const PROGRAM = new URL(`./verifier-thread${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url);
const PAUSE_MS_MIN = 250;
const PAUSE_MS_MAX = 30_000;
const KILL_AFTER_MS = 10_000;

interface Member {
  worker: Worker;
  /** Where it listens; undefined if it ended before. */
  listening: Promise<Extract<FromThread, { listening: unknown }>["listening"] | undefined>;
  ended: Promise<number>;
}

export async function runThreads(settings: ThreadsSettings, io: Io, world: World): Promise<void> {
  const stopped = stopSignal(world, "verifier.draining");
  // Otherwise it would end the process, in the midst of requests.
  process.on("SIGHUP", () =>
    world.log("warn", "verifier.change_over_not_begun", { reason: "threads can't be changed over" }),
  );
  const { verifier, ready } = verifierOf(settings, world);
  const threads = new Threads(settings, verifier, world);
  const begin = async () => {
    await ready;
    say(io, readySentence(await threads.start()));
    return stopped;
  };
  const outcome = await Promise.race([stopped, begin()]).catch((error: Error) => error);
  await threads.stop();
  await verifier.close();
  world.log("info", "verifier.stopped");
  if (outcome instanceof Error) throw outcome;
}

class Threads {
  #settings: ThreadsSettings;
  readonly #verifier: SharingVerifier;
  readonly #world: World;
  readonly #members = new Map<number, Member>();
  readonly #gatherings: Gatherings;
  #started = false;
  #stopping = false;

  constructor(settings: ThreadsSettings, verifier: SharingVerifier, world: World) {
    this.#settings = settings;
    this.#verifier = verifier;
    this.#world = world;
    this.#gatherings = new Gatherings(world);
  }

  /** The address, once all listen. */
  async start(): Promise<string> {
    await this.#findPortsFree();
    const { threads, listen, grpcListen } = this.#settings;
    // The first one finds out which port it is, where any would do.
    const first = await this.#begun(1);
    const at = <T extends typeof grpcListen>(place: T, port: number | undefined): T =>
      place === undefined || port === undefined ? place : { ...place, port };
    this.#settings = { ...this.#settings, listen: at(listen, first.port), grpcListen: at(grpcListen, first.grpcPort) };
    await Promise.all(Array.from({ length: threads - 1 }, (_, i) => this.#begun(i + 2)));
    this.#started = true;
    return first.address;
  }

  /** The threads would share them with whatever process of this user has the option set too, this one's other server included. */
  async #findPortsFree(): Promise<void> {
    const { listen, grpcListen } = this.#settings;
    const probes: Server[] = [];
    try {
      for (const place of [listen, grpcListen]) {
        if (place?.port === undefined || place.port === 0) continue;
        probes.push(createServer());
        await listenOn(probes.at(-1) as Server, place);
      }
    } finally {
      await Promise.all(probes.map((probe) => new Promise((closed) => probe.close(closed))));
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#members.values()].map((member) => this.#end(member)));
  }

  async #begun(number: number) {
    const member = await this.#launch(number, PAUSE_MS_MIN);
    const listening = await member.listening;
    if (listening === undefined) throw new RefusedError("a thread ended before it listened (see above)");
    return listening;
  }

  async #end({ worker, ended }: Member): Promise<void> {
    worker.postMessage({ drain: true } satisfies ToThread);
    const late = this.#world.clock.after(this.#settings.drainMs + KILL_AFTER_MS, () => void worker.terminate());
    await ended;
    late();
  }

  async #launch(number: number, pauseMs: number): Promise<Member> {
    const { handle, transferList } = await this.#verifier.share();
    if (this.#stopping) throw new RefusedError("it is stopping");
    const data: ThreadData = { handle, settings: this.#settings };
    const worker = new Worker(PROGRAM, { workerData: data, transferList, name: `keyover ${number}` });
    const isListening = Promise.withResolvers<Awaited<Member["listening"]>>();
    const hasEnded = Promise.withResolvers<number>();
    const member: Member = { worker, listening: isListening.promise, ended: hasEnded.promise };
    this.#members.set(number, member);
    let [pause, listens] = [pauseMs, false];
    worker.on("message", (message: FromThread) => {
      if ("listening" in message) {
        [pause, listens] = [PAUSE_MS_MIN, true];
        isListening.resolve(message.listening);
      } else if ("gather" in message) void this.#gather(worker, message.gather);
      else this.#gatherings.said(message.samplesFor, number, message.samples);
    });
    worker.on("error", (error) =>
      this.#world.log("error", "verifier.thread_failed", { thread: number, error: error.message }),
    );
    worker.once("exit", (code) => {
      this.#members.delete(number);
      isListening.resolve(undefined);
      hasEnded.resolve(code);
      // One that never listened was wrong from the start, unless others do.
      if (this.#stopping || (!listens && !this.#started)) return;
      this.#world.log("error", "verifier.thread_ended", { thread: number, code, againInMs: pause });
      this.#later(number, pause);
    });
    return member;
  }

  #later(number: number, pauseMs: number): void {
    this.#world.clock.after(pauseMs, () => {
      if (this.#stopping) return;
      const nextMs = Math.min(PAUSE_MS_MAX, 2 * pauseMs);
      this.#launch(number, nextMs).catch((error: Error) => {
        this.#world.log("error", "verifier.thread_failed", { thread: number, error: error.message });
        this.#later(number, nextMs);
      });
    });
  }

  async #gather(asking: Worker, number: number): Promise<void> {
    const samples = await this.#gatherings.gather([...this.#members.keys()], (id) => {
      for (const { worker } of this.#members.values()) worker.postMessage({ samplesFor: id } satisfies ToThread);
    });
    asking.postMessage({ gathered: number, samples } satisfies ToThread);
  }
}
