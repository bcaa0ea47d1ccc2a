/**
 * The reference model: what bots may have been answered, given what the operator asked for and who was cut off. It knows nothing of
 * leases' renewals, feeds or databases, only of promises:
 *
 *     wrongly refused       401 or 403 to somebody for the version that they hold, unless the operator killed it or revoked its key
 *     accepted after bound  200, sent later than the revocation's answer + lease (+ static time, if the answer says that it is stale)
 *     stale                 503 for such a version: right only at an API that was cut off from every working authority for longer than its
 *                           lease (+ static time), or on a machine that had no time for it
 *
 * "The version that they hold": whoever was answered well with another version since is not refused wrongly with the one they left, unless a
 * rollback has made that one current again. Everywhere it is so once lease and static time are over (I10): until then an API that is cut off
 * may still say that it is retired.
 */
import {
  type DecisionLine,
  type HandedLine,
  type Line,
  type Market,
  markets,
  type OperationLine,
  type OutageLine,
  type RequestLine,
  type StarvedLine,
} from "./history.ts";

export interface Findings {
  requests: number;
  wronglyRefused: number;
  acceptedAfterBound: number;
  stale: number;
  /** Of those, the ones that only a machine without time for its processes explains. */
  excused: number;
  /** All that is wrong, in words; of many of one kind the first few. */
  problems: string[];
}

/** Bots of this name hold copies that nobody gave them: for them nothing is promised, and what was revoked must end. */
export const THIEF = "thief-";

/** Two processes read the clock one after the other. */
const MARGIN_MS = 250;
/** A lease counts from the last report before the cut, which was a second old, or two on a busy machine. */
const LAST_REPORT_MS = 2_000;
/** Within a lease; a report is sent every third of it. */
const STARVED_MS = 1_000;
const TOLD_PER_KIND = 5;

/** Reads the lines twice: who did what, then what was answered. */
export async function check(read: () => AsyncIterable<Line> | Iterable<Line>): Promise<Findings> {
  const facts = await gatherFacts(read());
  const judge = new Judge(facts);
  for await (const line of read()) {
    if (line.line === "request") judge.request(line);
    if (line.line === "decision") judge.decision(line);
  }
  return judge.findings;
}

interface Facts {
  versions: Map<string, HandedLine>;
  market: Map<string, Market>;
  operations: Map<string, OperationLine[]>;
  outages: Map<string, OutageLine[]>;
  starved: StarvedLine[];
}

async function gatherFacts(lines: AsyncIterable<Line> | Iterable<Line>): Promise<Facts> {
  const facts: Facts = {
    versions: new Map(),
    market: new Map(),
    operations: new Map(),
    outages: new Map(),
    starved: [],
  };
  for await (const line of lines) {
    if (line.line === "handed") facts.versions.set(line.sha, line);
    if (line.line === "key") facts.market.set(line.key, line.market);
    if (line.line === "operation") append(facts.operations, line.key, line);
    if (line.line === "outage") append(facts.outages, line.api, line);
    if (line.line === "starved") facts.starved.push(line);
  }
  return facts;
}

function append<T>(to: Map<string, T[]>, key: string, item: T): void {
  const list = to.get(key);
  if (list === undefined) to.set(key, [item]);
  else list.push(item);
}

/** What one bot was answered well with. */
interface Holds {
  last: number | undefined;
  seen: Set<number>;
}

class Judge {
  readonly findings: Findings = {
    requests: 0,
    wronglyRefused: 0,
    acceptedAfterBound: 0,
    stale: 0,
    excused: 0,
    problems: [],
  };
  readonly #facts: Facts;
  readonly #holds = new Map<string, Holds>();
  readonly #told = new Map<string, number>();

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  request(line: RequestLine): void {
    this.findings.requests++;
    const handed = this.#facts.versions.get(line.sha);
    const { who, api, status, code } = line;
    if (handed === undefined) this.#problem("unknown secret", `${who} sent a secret that nobody was handed`);
    else if (status === 200) this.#accepted(line, handed);
    else if (who.startsWith(THIEF)) return;
    else if (status === 401 || status === 403) this.#refused(line, handed);
    else if (status === 503 && code === "verifier_unavailable") this.#stale(line, handed);
    else this.#problem("odd answer", `${who} was answered ${status} ${code ?? ""} by ${api}`);
  }

  /** What an API decided, though the answer may have been lost: it counts by its own time. */
  decision(line: DecisionLine): void {
    const handed = this.#facts.versions.get(line.sha);
    if (line.code !== "ok" || handed === undefined) return;
    const late = this.#pastBound(handed, line.began, line.stale);
    if (late > 0) this.#acceptedLate(`${line.api} decided`, handed, late);
  }

  #accepted(line: RequestLine, handed: HandedLine): void {
    const late = this.#pastBound(handed, line.sent, line.stale === true);
    if (late > 0) this.#acceptedLate(`${line.who} was answered by ${line.api}`, handed, late);
    const holds = this.#holds.get(line.who) ?? { last: undefined, seen: new Set() };
    holds.last = handed.version;
    holds.seen.add(handed.version);
    this.#holds.set(line.who, holds);
  }

  #refused(line: RequestLine, handed: HandedLine): void {
    if (this.#wasEnded(handed, line.answered) || this.#hasLeft(line, handed) || this.#isComingBack(line, handed))
      return;
    this.findings.wronglyRefused++;
    const { key, version } = handed;
    const what = `${line.status} ${line.code ?? ""} by ${line.api} for version ${version} of ${key}`;
    this.#problem("wrongly refused", `${line.who} was answered ${what}, sent at ${Math.round(line.sent)}`);
  }

  #stale(line: RequestLine, handed: HandedLine): void {
    this.findings.stale++;
    // Nothing is promised for these. Once it is erased, an API has to ask the authority what it was; and there the way may be cut.
    if (this.#wasEnded(handed, line.answered) || this.#hasLeft(line, handed)) return;
    const { leaseMs, staticMs } = this.#rules(handed);
    const outages = this.#facts.outages.get(line.api) ?? [];
    const over = leaseMs + staticMs - LAST_REPORT_MS;
    // One that is fresh again may miss the next renewal, where every API asks at once for what it missed.
    if (outages.some(({ from, to }) => line.answered >= from + over && line.sent <= to + leaseMs)) return;
    if (this.#starvedMs(line.answered - leaseMs - staticMs, line.answered) >= STARVED_MS) {
      this.findings.excused++;
      return;
    }
    this.#problem(
      "stale",
      `${line.who} was told 503 by ${line.api}, which was not cut off; sent at ${Math.round(line.sent)}`,
    );
  }

  #starvedMs(since: number, until: number): number {
    const within = this.#facts.starved.map(({ from, to }) => Math.min(to, until) - Math.max(from, since));
    return within.reduce((sum, ms) => sum + Math.max(0, ms), 0);
  }

  /** By how much later than allowed, if the version was revoked. */
  #pastBound(handed: HandedLine, at: number, stale: boolean): number {
    const { leaseMs, staticMs } = this.#rules(handed);
    const ended = this.#ends(handed).map(({ answered }) => answered);
    return at - (Math.min(...ended) + leaseMs + (stale ? staticMs : 0) + MARGIN_MS);
  }

  #wasEnded(handed: HandedLine, by: number): boolean {
    return this.#ends(handed).some(({ began }) => began <= by);
  }

  /** The operations after which nobody may accept this version again. */
  #ends({ key, version }: HandedLine): OperationLine[] {
    return this.#operations(key).filter(
      (each) => each.what === "revoke" || (each.what === "kill" && each.version === version),
    );
  }

  #hasLeft(line: RequestLine, handed: HandedLine): boolean {
    const { version } = handed;
    const holds = this.#holds.get(line.who);
    if (holds?.last === undefined || holds.last === version) return false;
    if (version > holds.last && !holds.seen.has(version)) return false;
    return !this.#promisedAgain(handed, line.sent);
  }

  /** It was rolled back to, everybody should know it by then, and no later rotation has left it again. */
  #promisedAgain(handed: HandedLine, at: number): boolean {
    const [last] = this.#operations(handed.key)
      .filter((each) => each.version === handed.version && (each.what === "rollback" || each.what === "rotate"))
      .sort((a, b) => b.began - a.began);
    return last?.what === "rollback" && at > this.#knownEverywhere(last, handed);
  }

  #isComingBack({ sent, answered, code }: RequestLine, handed: HandedLine): boolean {
    const rollbacks = this.#operations(handed.key).filter(
      ({ what, version }) => what === "rollback" && version === handed.version,
    );
    const between = (each: OperationLine) => each.began <= answered && sent <= this.#knownEverywhere(each, handed);
    return code === "key_retired" && rollbacks.some(between);
  }

  #knownEverywhere({ answered }: OperationLine, handed: HandedLine): number {
    const { leaseMs, staticMs } = this.#rules(handed);
    return answered + leaseMs + staticMs + MARGIN_MS;
  }

  #rules({ key }: HandedLine) {
    return markets[this.#facts.market.get(key) ?? "static"];
  }

  #operations(key: string): OperationLine[] {
    return this.#facts.operations.get(key) ?? [];
  }

  #acceptedLate(who: string, { key, version }: HandedLine, lateMs: number): void {
    this.findings.acceptedAfterBound++;
    this.#problem("accepted after bound", `${who}: version ${version} of ${key}, ${Math.round(lateMs)} ms too late`);
  }

  #problem(kind: string, text: string): void {
    const count = (this.#told.get(kind) ?? 0) + 1;
    this.#told.set(kind, count);
    if (count <= TOLD_PER_KIND) this.findings.problems.push(`${kind}: ${text}`);
  }
}
