/** Time that passes when it is told to. */
import type { Clock } from "@keyover/core";

export const START = 1_750_000_000_000;

export class VirtualClock implements Clock {
  at = 0;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return START + this.at;
  }

  elapsed(): number {
    return this.at;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.at + Math.max(0, delayMs), run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  /** Lets `ms` pass, everything that falls due in order. */
  async pass(ms: number): Promise<void> {
    const end = this.at + ms;
    await settle();
    for (;;) {
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.at = Math.max(this.at, next.at);
      next.run();
      await settle();
    }
    this.at = end;
  }

  /** Another look at the same time: a machine whose wall clock is wrong. */
  skewed(wallMs: () => number): Clock {
    return {
      now: () => this.now() + wallMs(),
      elapsed: () => this.elapsed() + 77_777,
      after: (delayMs, run) => this.after(delayMs, run),
    };
  }
}

/** Until promises, streams and the real disk have nothing more to do: on a busy machine a write may take its time. */
export async function settle(): Promise<void> {
  for (let idle = 0; idle < 12; idle = diskIsBusy() ? 0 : idle + 1)
    await new Promise((resolve) => setImmediate(resolve));
}

function diskIsBusy(): boolean {
  return process.getActiveResourcesInfo().some((name) => /^(FSReq|FileHandleCloseReq)/i.test(name));
}
