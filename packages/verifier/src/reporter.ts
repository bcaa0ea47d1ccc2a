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
 * What the authority answers `unknown_boot`, `report_gap` or `reconciling` to belongs to a boot that is over. Its sightings are
 * not lost: they go out with a report of the next boot (late ones are welcome, see `foldSighting`), unless the answer says that
 * they were counted and only the answer to that was lost. So a report that was sent is asked about until that is known, also when
 * its boot ended meanwhile. What was used of limits goes the same way, with the first part of an interval.
 *
 * An interval claims that time has passed in which nothing else was seen. When the authority's clock was set, the time between the
 * last interval's end and now never passed, or was there twice. Nobody may take that for silence: the boot ends, and the next
 * begins where the authority's clock is now. What lies between is a hole.
 */
import { type Report, SIGHTINGS_PER_REPORT_MAX, type Sighting, type World } from "@keyover/core";
import type { Answer, AuthorityCalls, Refusal } from "./authority-calls.ts";
import type { AuthorityClock, ClockMark, Lease } from "./lease.ts";
import type { Limiter } from "./limits/limiter.ts";
import { Tries } from "./tries.ts";

export interface ReporterParts {
  world: World;
  calls: AuthorityCalls;
  clock: AuthorityClock;
  lease: Lease;
  /** Takes what was seen since the last call, its times translated. */
  sightings: (timeOf: (at: number) => number) => Sighting[];
  limiter: Pick<Limiter, "begin" | "drain" | "untold">;
  /** Every entry up to here is applied, and on disk if there is one. */
  applied: () => number;
  /** The authority renewed the lease. */
  onGrant: (answer: Answer) => void;
  /** The boot is over; a new one must register. */
  onBootOver: (boot: string, code: string) => void;
}

export class Reporter {
  readonly #parts: ReporterParts;
  readonly #tries: Tries;
  #boot: string | undefined;
  #n = 0;
  #coveredTo = 0;
  /** At the last cut. */
  #mark: ClockMark | undefined;
  #waiting: Report[] = [];
  /** Of an earlier boot, or more than one report takes. */
  #left: Sighting[] = [];
  #cancelTimer: (() => void) | undefined;
  #sending: Promise<void> | undefined;
  #closed = false;

  constructor(parts: ReporterParts) {
    this.#parts = parts;
    this.#tries = new Tries(parts.world, parts.calls, parts.lease);
  }

  get pending(): number {
    return this.#waiting.length;
  }

  /** A boot was registered at `from` (the authority's time). */
  begin(boot: string, from: number, everyMs: number): void {
    // The first may have been counted: it is under way until an answer tells.
    for (const report of this.#waiting.splice(1)) this.#keep(report);
    this.#parts.limiter.begin(from, everyMs);
    this.#boot = boot;
    this.#n = 0;
    this.#coveredTo = from;
    this.#mark = this.#parts.clock.mark();
    this.#cancelTimer?.();
    this.#arm(everyMs);
  }

  /** Sends what there is, and that it is the last. Answers when it is answered, or can't be. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer?.();
    await this.#sending;
    if (this.#boot === undefined) return;
    // Where time was set, this is the last report and yet not a whole farewell: it covers no time.
    const stepped = this.#clockStepped();
    this.#cut(stepped ? this.#coveredTo : this.#timeNow(), !stepped);
    await this.#send();
  }

  #arm(everyMs: number): void {
    this.#cancelTimer = this.#parts.world.clock.after(everyMs, () => {
      this.#arm(everyMs);
      if (this.#sending !== undefined) return;
      if (this.#clockStepped()) return this.#bootOver("clock_stepped");
      this.#cut(this.#timeNow(), false);
      this.#sending = this.#send().finally(() => {
        this.#sending = undefined;
      });
    });
  }

  #clockStepped(): boolean {
    const { clock, world } = this.#parts;
    const byMs = this.#mark === undefined ? 0 : clock.steppedSince(this.#mark);
    if (byMs !== 0) world.log("warn", "report.clock_stepped", { boot: this.#boot, byMs: Math.round(byMs) });
    return byMs !== 0;
  }

  /** The authority's; not before the last interval's end, where small corrections set it back. */
  #timeNow(): number {
    return Math.max(this.#coveredTo, Math.floor(this.#parts.clock.earliest()));
  }

  /** An interval up to `to`. */
  #cut(to: number, final: boolean): void {
    const { clock, sightings, limiter, applied } = this.#parts;
    const boot = this.#boot as string;
    const all = [...this.#left, ...sightings((at) => clock.latest(at))];
    this.#left = [];
    this.#mark = clock.mark();
    let from = this.#coveredTo;
    const spent = limiter.drain(from);
    for (let at = 0; at === 0 || at < all.length; at += SIGHTINGS_PER_REPORT_MAX) {
      const part = all.slice(at, at + SIGHTINGS_PER_REPORT_MAX);
      const last = at + SIGHTINGS_PER_REPORT_MAX >= all.length;
      const report: Report = { boot, n: ++this.#n, from, to, applied: applied(), sightings: part };
      if (at === 0 && spent.length > 0) report.spent = spent;
      if (final && last) report.final = true;
      this.#waiting.push(report);
      from = to;
    }
    this.#coveredTo = to;
  }

  /** Until nothing waits, or the boot is over. */
  async #send(): Promise<void> {
    const { calls, onGrant } = this.#parts;
    for (let report = this.#waiting[0]; report !== undefined; report = this.#waiting[0]) {
      const answer = await calls.post("reports", report, this.#tries.patience.callMs);
      const current = report.boot === this.#boot;
      if (answer.ok) {
        this.#waiting.shift();
        this.#tries.succeeded();
        if (current) onGrant(answer);
      } else if (endsBoot(answer)) {
        this.#waiting.shift();
        this.#refused(report, answer);
        if (current) return this.#bootOver(answer.code);
      } else {
        if (this.#closed && !answer.elsewhere && answer.code !== "unreachable") return;
        await this.#tries.next(answer.elsewhere);
      }
    }
  }

  #refused(report: Report, { code, detail, counted }: Refusal): void {
    if (!BOOT_IS_OVER.includes(code)) this.#parts.world.log("error", "report.refused", { code, detail });
    else if (counted === undefined || counted < report.n) this.#keep(report);
  }

  /** It goes with the next one. */
  #keep({ sightings, spent, from }: Report): void {
    this.#left.push(...sightings);
    if (spent !== undefined) this.#parts.limiter.untold(spent, from);
  }

  /** What was seen goes with the next boot. */
  #bootOver(code: string): void {
    const boot = this.#boot as string;
    for (const report of this.#waiting) this.#keep(report);
    this.#waiting = [];
    this.#boot = undefined;
    this.#cancelTimer?.();
    this.#parts.onBootOver(boot, code);
  }
}

/** About the boot, not about the report. */
const BOOT_IS_OVER = ["unknown_boot", "report_gap", "reconciling"];

/**
 * A report that is refused for what it is will be refused again: its boot ends, with a hole in the evidence, rather than
 * hang for ever. A refusal for another reason (the token, too many requests, the server's trouble) may pass.
 */
function endsBoot({ code, status }: Refusal): boolean {
  if (BOOT_IS_OVER.includes(code)) return true;
  // `conflict`: the same report, sent before, is just being written. `feed_ahead`: the follower waits for the same thing.
  if (["unreachable", "conflict", "feed_ahead"].includes(code) || status >= 500) return false;
  return status !== 401 && status !== 403 && status !== 408 && status !== 429;
}
