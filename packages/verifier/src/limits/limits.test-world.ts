/**
 * Several verifiers' limiters beside one authority (settling.test-support.ts), under a virtual clock and a network that loses things. What
 * `Reporter` does over HTTP is done here by hand: an interval is cut each second, a report is sent until it is answered.
 */
import type { PlanRecord, Report } from "@keyover/core";
import { AuthorityClock } from "../lease.ts";
import { Limiter, type Outcome } from "./limiter.ts";
import { PlanBook } from "./plan-book.ts";
import { Settling } from "./settling.test-support.ts";

export const EPOCH = Date.UTC(2026, 10, 22, 12);
export const REPORT_MS = 1_000;

export class Fleet {
  now = 0;
  readonly settling = new Settling();
  readonly nodes: Node[] = [];
  /** Units that were let through, in order of time. */
  readonly let: { at: number; units: number; node: Node }[] = [];
  boots = 0;

  constructor(plan: Omit<PlanRecord, "seq" | "plan" | "name">, verifiers: number) {
    this.settling.plans.push({ seq: 1, plan: "pln_1", name: "plan", ...plan });
    this.settling.verifiers = verifiers;
    for (let i = 0; i < verifiers; i++) this.nodes.push(new Node(this, i));
  }

  /** The plan has become another, everywhere. `former`: other keys still have what it was. */
  replan(limits: PlanRecord["limits"], { former = false } = {}): void {
    const { plans } = this.settling;
    const before = plans[0] as PlanRecord;
    const now = { ...before, seq: plans.length + 1, limits };
    plans.unshift(now);
    for (const { plans } of this.nodes) {
      plans.put(now);
      if (former) plans.put({ ...before, plan: "pln_2" });
    }
  }

  used(from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY): number {
    return this.let.reduce((sum, { at, units }) => (at >= from && at < to ? sum + units : sum), 0);
  }

  /** The most that was used in any time beyond `perMs` for each millisecond of it. */
  excess(perMs: number): number {
    let [sum, lowest, most] = [0, Number.POSITIVE_INFINITY, 0];
    for (const { at, units } of this.let) {
      lowest = Math.min(lowest, sum - perMs * at);
      sum += units;
      most = Math.max(most, sum - perMs * at - lowest);
    }
    return most;
  }

  /** Lets time pass: each verifier reports at its own moment of each second. */
  passTo(at: number): void {
    while (this.now < at) {
      const due = Math.min(at, ...this.nodes.map((node) => node.dueAt));
      this.now = Math.max(this.now, due);
      for (const node of this.nodes) node.tick();
    }
  }
}

export class Node {
  readonly #fleet: Fleet;
  /** Its monotonic clock is this far from the others'. */
  readonly #offset: number;
  readonly phase: number;
  /** What becomes of a report on the way, and of its answer. */
  network: "good" | "cut" | "no answers" = "good";
  dueAt: number;
  #limiter!: Limiter;
  #clock!: AuthorityClock;
  #boot = "";
  #n = 0;
  #coveredTo = 0;
  #waiting: Report | undefined;
  #counted = new Set<string>();
  /** Let through by this process, and not told so far; and by those before it, never. */
  #unsaid = 0;
  untold = 0;

  constructor(fleet: Fleet, index: number) {
    this.#fleet = fleet;
    this.#offset = 7_777 * (index + 1);
    this.phase = Math.floor((REPORT_MS * index) / Math.max(1, fleet.settling.verifiers));
    this.dueAt = this.phase;
    this.start();
  }

  /** A new process: what was counted is gone. */
  start(): void {
    const { settling } = this.#fleet;
    const world = {
      clock: { now: () => 0, elapsed: () => this.#elapsed(), after: () => () => {} },
      random: () => new Uint8Array(),
      fetch: globalThis.fetch,
      log: () => {},
    };
    const plans = new PlanBook();
    for (const plan of settling.plans) plans.put(plan);
    this.#clock = new AuthorityClock(world.clock);
    this.#limiter = new Limiter(world, this.#clock, plans);
    this.plans = plans;
    this.register();
  }

  plans!: PlanBook;

  /** A new boot of the same process, or of a new one. */
  register(): void {
    if (this.#boot !== "") this.#fleet.settling.ended.add(this.#boot);
    this.#boot = `boo_${++this.#fleet.boots}`;
    this.#n = 0;
    const now = EPOCH + this.#fleet.now;
    this.#clock.heard(now, this.#elapsed(), this.#elapsed());
    this.#limiter.heard({ now, verifiers: this.#fleet.settling.verifiers }, this.#elapsed());
    if (this.#waiting !== undefined && !this.#counted.has(idOf(this.#waiting)))
      this.#limiter.untold(this.#waiting.spent ?? [], this.#waiting.from);
    this.#waiting = undefined;
    this.#limiter.begin(now, REPORT_MS);
    this.#coveredTo = now;
  }

  kill(): void {
    this.#waiting = undefined;
    this.untold += this.#unsaid;
    this.#unsaid = 0;
    this.start();
  }

  take(units = 1, key = "key_1", consumer = "con_1"): Outcome {
    const subjects = { subjectAt: (_: number, ofConsumer: boolean) => (ofConsumer ? consumer : key) };
    const plan = this.plans.of("pln_1");
    if (plan === undefined) throw new Error("no plan");
    const outcome = this.#limiter.take(subjects, 0, plan, units, this.#elapsed());
    if (outcome.code === "ok") {
      this.#fleet.let.push({ at: this.#fleet.now, units, node: this });
      this.#unsaid += units;
    }
    return outcome;
  }

  get size(): number {
    return this.#limiter.size;
  }

  tick(): void {
    if (this.#fleet.now < this.dueAt) return;
    this.dueAt += REPORT_MS;
    this.report();
  }

  report(): void {
    const now = EPOCH + this.#fleet.now;
    if (this.#waiting === undefined) {
      const from = this.#coveredTo;
      this.#waiting = {
        boot: this.#boot,
        n: ++this.#n,
        from,
        to: now,
        applied: 1,
        sightings: [],
        spent: this.#limiter.drain(from),
      };
      this.#coveredTo = now;
    }
    const report = structuredClone(this.#waiting);
    if (this.network === "cut") return;
    const { settling } = this.#fleet;
    if (!this.#counted.has(idOf(report))) {
      settling.settle(report, now);
      this.#unsaid -= (report.spent ?? []).reduce((sum, each) => sum + each.units, 0);
    }
    this.#counted.add(idOf(report));
    if (this.network === "no answers") return;
    this.#waiting = undefined;
    const limits = settling.told(report, now);
    this.#clock.heard(now, this.#elapsed(), this.#elapsed());
    this.#limiter.heard({ now, verifiers: settling.verifiers, limits }, this.#elapsed());
  }

  #elapsed(): number {
    return this.#fleet.now + this.#offset;
  }
}

function idOf({ boot, n }: Report): string {
  return `${boot} ${n}`;
}
