/**
 * A machine and a process on it. The process has its own clock, chance, network and log (core's `World`), and can be stopped for a
 * while (it does nothing, then everything at once) or killed: nothing of it ever runs again, whatever it was waiting for.
 *
 *     wall clock   true time + the machine's skew, which may be stepped
 *     elapsed      true time since the process began, times what its crystal is off. It goes on while the process is stopped
 *     timers       late after a stop, in order
 */
import type { Clock, Log, World } from "@keyover/core";
import type { Chance } from "./chance.ts";
import type { History } from "./history.ts";
import type { VirtualTime } from "./time.ts";

/** What a dead process waits for. */
const never = (): Promise<never> => new Promise<never>(() => {});

/** Less than this between two stops is one. */
const BREATH_MS = 2_000;

export class Machine {
  readonly name: string;
  /** Wall clock less true time, milliseconds. */
  skew = 0;
  /** What the monotonic clock is off: 1e-4 is 100 ppm. */
  drift = 0;
  /** How far the wall clock was set back, in all. A lease on a disk may be taken for longer by that much. */
  setBack = 0;

  constructor(name: string) {
    this.name = name;
  }

  step(ms: number): void {
    this.skew += ms;
    if (ms < 0) this.setBack -= ms;
  }
}

/** What may go wrong at an effect: nothing, most of the time. */
export interface Mishap {
  /** The process dies before, or after the effect took place. */
  dies?: "before" | "after" | undefined;
  /** All faults were healed while a long effect was under way: it lives on. */
  isSpared?: (() => boolean) | undefined;
  /** It is stopped for so long before the effect, or after. */
  stopsMs?: number | undefined;
  beforeMs: number;
  afterMs: number;
}

export type Mishaps = (process: Process, effect: string) => Mishap | undefined;

export class Process {
  readonly name: string;
  readonly machine: Machine;
  readonly time: VirtualTime;
  readonly chance: Chance;
  /** The key that all it says is about, if it is a consumer's. */
  readonly about: string | undefined;
  readonly startedAt: number;
  readonly clock: Clock;
  alive = true;
  /** True time at which it goes on. */
  stoppedUntil = 0;
  /** When it was last stopped; of several stops with little between them, the first. */
  stoppedAt = 0;
  readonly #history: History;
  readonly #mishaps: Mishaps;
  readonly #onDeath: (() => void)[] = [];
  #backlog: (() => void)[] = [];
  /** Whose event runs now: what a process does by itself never spans two events. */
  static current: Process | undefined;

  constructor(parts: {
    name: string;
    machine: Machine;
    time: VirtualTime;
    chance: Chance;
    history: History;
    mishaps: Mishaps;
    about?: string | undefined;
  }) {
    const { name, machine, time, chance } = parts;
    this.name = name;
    this.machine = machine;
    this.time = time;
    this.chance = chance;
    this.#history = parts.history;
    this.#mishaps = parts.mishaps;
    this.about = parts.about;
    this.startedAt = time.at;
    this.clock = {
      now: () => Math.floor(time.at + machine.skew),
      elapsed: () => (time.at - this.startedAt) * (1 + machine.drift),
      after: (delayMs, run) => {
        if (!this.alive) return () => {};
        // As node does: a millisecond at least, unless it is to be done at once.
        const waitMs = delayMs <= 0 ? 0 : Math.max(1, delayMs) / (1 + machine.drift);
        const happening = time.after(waitMs, () => this.do(run));
        return () => {
          happening.run = undefined;
        };
      },
    };
  }

  get stopped(): boolean {
    return this.time.at < this.stoppedUntil;
  }

  world(fetch: typeof globalThis.fetch): World {
    return { clock: this.clock, random: this.chance.bytes, fetch, log: this.log };
  }

  readonly log: Log = (level, event, fields) => {
    // That nobody answers is said again and again, by everybody.
    if (level === "debug" || event === "follower.failed" || !this.alive) return;
    const key = typeof fields?.key === "string" ? fields.key : this.about;
    this.#history.note(this.name, `${event} ${JSON.stringify(fields ?? {})}`, key);
  };

  /** Something comes in from outside: now, or when the process goes on. Never, once it is dead. */
  do(run: () => void): void {
    if (!this.alive) return;
    if (this.stopped || this.#backlog.length > 0) {
      if (this.#backlog.push(run) === 1) this.#wakeLater();
      return;
    }
    Process.current = this;
    run();
  }

  stop(ms: number): void {
    if (!this.alive) return;
    if (this.time.at - this.stoppedUntil > BREATH_MS) this.stoppedAt = this.time.at;
    this.stoppedUntil = Math.max(this.stoppedUntil, this.time.at + ms);
    this.#history.note(this.name, `stopped for ${Math.round(ms)} ms`, this.about);
  }

  resume(): void {
    if (!this.alive || !this.stopped) return;
    this.stoppedUntil = this.time.at;
    if (this.#backlog.length > 0) this.#wakeLater();
  }

  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    this.#backlog = [];
    this.#history.note(this.name, "killed", this.about);
    for (const tell of this.#onDeath.splice(0)) tell();
  }

  onDeath(tell: () => void): void {
    if (this.alive) this.#onDeath.push(tell);
    else tell();
  }

  /**
   * One effect on something that outlives the process: a database, a disk. It takes time, and the process may die or be stopped
   * before or after it.
   */
  async effect<T>(name: string, run: () => Promise<T>): Promise<T> {
    if (!this.alive) return never();
    const mishap = this.#mishaps(this, name);
    if (mishap === undefined) return run();
    if (mishap.dies === "before") return this.#die(name, "before");
    if (mishap.stopsMs !== undefined) this.stop(mishap.stopsMs);
    await this.#wait(mishap.beforeMs);
    let outcome: { value: T } | { error: unknown };
    try {
      outcome = { value: await run() };
    } catch (error) {
      outcome = { error };
    }
    if (mishap.dies === "after" && mishap.isSpared?.() !== true) return this.#die(name, "after");
    await this.#wait(mishap.afterMs);
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  #die(effect: string, when: string): Promise<never> {
    this.#history.note(this.name, `dies ${when} ${effect}`, this.about);
    this.kill();
    return never();
  }

  #wait(ms: number): Promise<void> {
    if (ms <= 0 && !this.stopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.time.after(ms, () => this.do(resolve));
    });
  }

  #wakeLater(): void {
    this.time.schedule(this.stoppedUntil, () => {
      if (!this.alive) return;
      if (this.stopped) {
        this.#wakeLater();
        return;
      }
      const run = this.#backlog.shift();
      Process.current = this;
      run?.();
      // One after the other, each until nothing of it can go on.
      if (this.#backlog.length > 0) this.#wakeLater();
    });
  }
}
