/**
 * Reports without gaps: numbered from 1 within a boot, each interval beginning where the last ended.
 *
 *     idle  ──every reportEveryMs: cut──▶  waiting  ──answered──▶  idle
 *                                          │    ▲
 *                                          └────┘ no answer: the same number and content again
 *
 * At most one interval waits. While it does, uses keep adding up in the sightings (which are bounded), and the next
 * interval covers all of the time since: a lost connection of an hour ends with one report of an hour, without a hole. An
 * interval with more sightings than a report may carry is sent as several; all but the first cover no time.
 *
 * What the authority answers `unknown_boot` or `report_gap` to belongs to a boot that is over. Its sightings are not lost:
 * they go out with the first report of the next boot (late ones are welcome, see `foldSighting`).
 */
import { jittered, type Report, SIGHTINGS_PER_REPORT_MAX, type Sighting, sleep, type World } from "@keyover/core";
import type { Answer, AuthorityCalls, Refusal } from "./authority-calls.ts";
import type { AuthorityClock } from "./lease.ts";

const TIMEOUT_MS = 5_000;
const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 5_000;

export interface ReporterParts {
  world: World;
  calls: AuthorityCalls;
  clock: AuthorityClock;
  /** Takes what was seen since the last call, its times translated. */
  sightings: (timeOf: (at: number) => number) => Sighting[];
  /** Every entry up to here is applied, and on disk if there is one. */
  applied: () => number;
  /** The authority renewed the lease. */
  onGrant: (answer: Answer) => void;
  /** The boot is over; a new one must register. */
  onBootOver: (boot: string, code: string) => void;
}

export class Reporter {
  readonly #parts: ReporterParts;
  #boot: string | undefined;
  #n = 0;
  #coveredTo = 0;
  #waiting: Report[] = [];
  /** Of an earlier boot, or more than one report takes. */
  #left: Sighting[] = [];
  #cancelTimer: (() => void) | undefined;
  #sending: Promise<void> | undefined;
  #closed = false;

  constructor(parts: ReporterParts) {
    this.#parts = parts;
  }

  get pending(): number {
    return this.#waiting.length;
  }

  /** A boot was registered at `from` (the authority's time). */
  begin(boot: string, from: number, everyMs: number): void {
    for (const report of this.#waiting) this.#left.push(...report.sightings);
    this.#waiting = [];
    this.#boot = boot;
    this.#n = 0;
    this.#coveredTo = from;
    this.#cancelTimer?.();
    this.#arm(everyMs);
  }

  /** Sends what there is, and that it is the last. Answers when it is answered, or can't be. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer?.();
    await this.#sending;
    if (this.#boot === undefined) return;
    this.#cut(true);
    await this.#send();
  }

  #arm(everyMs: number): void {
    this.#cancelTimer = this.#parts.world.clock.after(everyMs, () => {
      this.#arm(everyMs);
      if (this.#sending !== undefined) return;
      this.#cut(false);
      this.#sending = this.#send().finally(() => {
        this.#sending = undefined;
      });
    });
  }

  #cut(final: boolean): void {
    const { clock, sightings, applied } = this.#parts;
    const boot = this.#boot as string;
    const all = [...this.#left, ...sightings((at) => clock.latest(at))];
    this.#left = [];
    const to = Math.max(this.#coveredTo, Math.floor(clock.earliest()));
    let from = this.#coveredTo;
    for (let at = 0; at === 0 || at < all.length; at += SIGHTINGS_PER_REPORT_MAX) {
      const part = all.slice(at, at + SIGHTINGS_PER_REPORT_MAX);
      const last = at + SIGHTINGS_PER_REPORT_MAX >= all.length;
      const report: Report = { boot, n: ++this.#n, from, to, applied: applied(), sightings: part };
      if (final && last) report.final = true;
      this.#waiting.push(report);
      from = to;
    }
    this.#coveredTo = to;
  }

  /** Until nothing waits, or the boot is over. */
  async #send(): Promise<void> {
    const { world, calls, onGrant, onBootOver } = this.#parts;
    let delayMs = BACKOFF_MIN_MS;
    for (let report = this.#waiting[0]; report !== undefined; report = this.#waiting[0]) {
      const answer = await calls.post("reports", report, TIMEOUT_MS);
      if (report.boot !== this.#boot) continue;
      if (answer.ok) {
        this.#waiting.shift();
        delayMs = BACKOFF_MIN_MS;
        onGrant(answer);
        continue;
      }
      if (endsBoot(answer)) {
        this.#giveUp(answer);
        onBootOver(report.boot, answer.code);
        return;
      }
      if (this.#closed && answer.code !== "unreachable") return;
      await sleep(world.clock, jittered(delayMs, 0.5, world.random));
      delayMs = Math.min(2 * delayMs, BACKOFF_MAX_MS);
    }
  }

  #giveUp(answer: Refusal): void {
    const over = ["unknown_boot", "report_gap", "feed_ahead"].includes(answer.code);
    if (over) for (const report of this.#waiting) this.#left.push(...report.sightings);
    else this.#parts.world.log("error", "report.refused", { code: answer.code, detail: answer.detail });
    this.#waiting = [];
    this.#boot = undefined;
    this.#cancelTimer?.();
  }
}

/**
 * A report that is refused for what it is will be refused again: its boot ends, with a hole in the evidence, rather than
 * hang for ever. A refusal for another reason (the token, too many requests, the server's trouble) may pass.
 */
function endsBoot({ code, status }: Refusal): boolean {
  // `conflict`: the same report, sent before, is just being written.
  if (code === "unreachable" || code === "conflict" || status >= 500) return false;
  return status !== 401 && status !== 403 && status !== 408 && status !== 429;
}
