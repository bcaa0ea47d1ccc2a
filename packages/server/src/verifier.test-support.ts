/** A verifier that speaks the wire protocol and does what the test says, when it says so. */
import type { FeedEntry, KeyRecord, PlanRecord, Sighting, Source, Spent } from "@keyover/core";
import { expect } from "vitest";
import type { Answer, TestAuthority } from "./authority.test-support.ts";

export const bot: Source = { network: "203.0.113.0/24", client: "bot/1", instance: "" };

export class ScriptedVerifier {
  boot = "";
  n = 0;
  coveredTo = 0;
  applied = 0;
  /** While it is, `TestAuthority.pass` lets it report. */
  alive = true;
  records: Map<string, KeyRecord> = new Map();
  plans: Map<string, PlanRecord> = new Map();
  spent: Spent[] = [];
  sightings: Sighting[] = [];
  /** Whom it speaks to; any process that shares the database will do. */
  authority: TestAuthority;
  readonly #newBoot: () => string;
  readonly path: string;
  readonly token: string;
  readonly instance: string;

  constructor(authority: TestAuthority, apiId: string, token: string, instance: string, newBoot: () => string) {
    this.authority = authority;
    this.#newBoot = newBoot;
    this.path = `/v1/apis/${apiId}`;
    this.token = token;
    this.instance = instance;
  }

  call(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.authority.call(method, this.path + path, body, { token: this.token });
  }

  /** A new boot. It has applied nothing yet. */
  async register(change: Record<string, unknown> = {}): Promise<Answer["body"]> {
    this.boot = this.#newBoot();
    const answer = await this.call("POST", "/verifiers", {
      boot: this.boot,
      instance: this.instance,
      software: "test",
      ...change,
    });
    expect(answer.status, answer.text).toBe(200);
    this.n = 0;
    this.applied = 0;
    this.coveredTo = answer.body.now;
    return answer.body;
  }

  /** Reads the snapshot; what it says counts as applied, and is not acknowledged yet. */
  async read(): Promise<void> {
    const { text } = await this.call("GET", "/snapshot");
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toEqual({ end: lines.length - 2 });
    this.applied = lines[0].seq;
    this.plans = new Map((lines[0].plans ?? []).map((plan: PlanRecord) => [plan.plan, plan]));
    this.records = new Map(lines.slice(1, -1).map((record) => [record.key, record]));
  }

  apply({ seq, record, plan }: FeedEntry): void {
    this.applied = seq;
    if (plan !== undefined) this.plans.set(plan.plan, plan);
    if (plan?.removed) this.plans.delete(plan.plan);
    if (record !== undefined) this.records.set(record.key, record);
  }

  async ack(applied: number = this.applied): Promise<Answer> {
    return this.call("POST", "/acks", { boot: this.boot, applied });
  }

  /** Saw this version of the key, now, unless `change` says otherwise. */
  see(key: string, version: number, change: Partial<Sighting> = {}): this {
    const now = this.authority.now();
    this.sightings.push({
      key,
      version,
      source: bot,
      first: now,
      last: now,
      accepted: 1,
      refused: 0,
      longestGapMs: 0,
      ...change,
    });
    return this;
  }

  /** Let this much through of a limit. */
  spend(subject: string, limit: string, units: number, change: Partial<Spent> = {}): this {
    this.spent.push({ subject, limit, units, refused: 0, ...change });
    return this;
  }

  /** The next report: what was seen, from where the last one ended to now. */
  async report(change: Record<string, unknown> = {}): Promise<Answer> {
    const to = this.authority.now();
    const { boot, applied, sightings, spent } = this;
    const said = { applied, sightings, ...(spent.length === 0 ? {} : { spent }) };
    const report = { boot, n: this.n + 1, from: this.coveredTo, to, ...said, ...change };
    const answer = await this.call("POST", "/reports", report);
    if (answer.status === 200) {
      this.n = report.n;
      this.coveredTo = report.to;
      this.sightings = [];
      this.spent = [];
    }
    return answer;
  }

  /** Applies everything, acknowledges it, reports. */
  async catchUp(): Promise<void> {
    await this.read();
    expect((await this.ack()).status).toBe(200);
    const answer = await this.report();
    expect(answer.status, answer.text).toBe(200);
    await this.authority.clock.advance(0);
  }

  async close(): Promise<Answer> {
    this.alive = false;
    return this.report({ final: true });
  }
}
