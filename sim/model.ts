/**
 * The reference model: what was committed, when in truth, and what verifiers and consumers did. It is filled from the database's
 * commits and from the edges of the processes, never from what an authority believes. The checks (check-*.ts) read it.
 */
import {
  type HeldKey,
  type HeldVersion,
  holdKey,
  type Key,
  type KeyRecord,
  type Rotation,
  type StalenessPolicy,
  type VerdictCode,
  type Version,
} from "@keyover/core";
import type { Boot } from "../packages/server/src/store/entities.ts";
import type { UsageRow } from "../packages/server/src/store/store.ts";
import { CampaignModel } from "./campaign-model.ts";
import type { History } from "./history.ts";
import { MailModel } from "./mail.ts";
import { PlanModel } from "./plan-model.ts";
import type { Process } from "./process.ts";
import { Rules } from "./rules.ts";
import type { VirtualTime } from "./time.ts";

export class Violation extends Error {
  readonly invariant: string;
  readonly key: string | undefined;

  constructor(invariant: string, key: string | undefined, message: string) {
    super(message);
    this.invariant = invariant;
    this.key = key;
  }
}

/** One committed record of a key, in force from `at` (true time) until the next one. */
export interface Position {
  at: number;
  /** Undefined: the feed says nothing of it any more. */
  record: KeyRecord | undefined;
  byHash: Map<string, HeldVersion>;
}

/** A request that a verifier knew the version of. */
export interface Use {
  at: number;
  /** NaN while the number belongs to another secret: a restore may give it twice. */
  version: number;
  number: number;
  sha256: string;
  source: string;
  verifier: string;
  accepted: boolean;
  code: VerdictCode;
}

/** A row of a report, from its commit on. */
export interface Reported extends Pick<UsageRow, "version" | "first" | "last" | "accepted" | "refused"> {
  at: number;
  source: string;
}

export interface RotationPast {
  rotation: Rotation;
  /** True times of the commits. */
  offeredAt: number | undefined;
  retiredAt: number | undefined;
  rolledBackAt: number | undefined;
  /** Of the last pause; and how old what it was decided by may have been. */
  pausedAt?: number | undefined;
  pauseSlackMs?: number | undefined;
  /** Of the last retirement, taken back or not. */
  lastRetiredAt?: number | undefined;
}

export interface KeyPast {
  id: string;
  apiId: string;
  createdAt: number;
  positions: Position[];
  /** What the database's feed says last. A restore takes it back, not the positions. */
  told: KeyRecord | undefined;
  key: Key;
  versions: Map<number, Version>;
  rotations: Map<string, RotationPast>;
  /** Hashes of the secrets that have left an authority. A restore takes none of them back. */
  handedOut: Set<string>;
  /** The secret that each number was given to last. */
  hashes: Map<number, string>;
  /** A restore took a version back, and its number was given to another secret. */
  numbersTwice: boolean;
  uses: Use[];
  /** Sealed rows by id; true: still there. */
  sealed: Map<string, boolean>;
  /** When it last began or ceased to be accepted as a whole. */
  statusChangedAt: number;
  /** Nothing but evidence ever ended a version of it, and no operator took it from its consumer. */
  undisturbed: boolean;
  /** When a rotation of it last ended, or was ended by a restore. */
  rotationEndedAt?: number | undefined;
  /** When its expiry was last set. */
  expirySetAt?: number | undefined;
  /** The expiry that was looked at when a verifier first refused it for that. */
  expiryChecked?: number | undefined;
  /** What reports have said of its use. */
  reported: Reported[];
  /** When a retirement was last taken back by itself. */
  autoRolledBackAt?: number | undefined;
  /** Some of its uses were refused for a while, as was announced. */
  browned?: boolean | undefined;
}

/** A boot's row as committed, and when. */
export interface BootRow {
  at: number;
  boot: Boot;
}

export class Model {
  readonly time: VirtualTime;
  readonly history: History;
  readonly keys = new Map<string, KeyPast>();
  /** Keys that a restore took back, and that nobody has brought back. */
  readonly lost = new Map<string, KeyPast>();
  /** The number of audit entries that each restore left. */
  readonly restoredAt: number[] = [];
  /** Keys for which an operator said that what was known to be leaked or revoked may be accepted again. */
  readonly revived = new Set<string>();
  /** Which version of which key a secret is, by the hash of its text. Never forgotten. */
  readonly secrets = new Map<string, { key: KeyPast; version: number }>();
  readonly boots = new Map<string, BootRow[]>();
  /** Where several authorities share the work: who was given which part of it, and until when each of them lives. */
  readonly owners = new Map<number, Process>();
  readonly leases = new Map<Process, number>();
  readonly feedHeads = new Map<string, number>();
  readonly mail = new MailModel();
  readonly campaigns = new CampaignModel();
  readonly rules = new Rules();
  readonly plans = new PlanModel();
  /** When each process looked for keys whose expiry is due. */
  readonly rounds = new Map<Process, number[]>();
  /** What operators asked for: deed and subject. */
  readonly asked = new Set<string>();
  readonly staleness: StalenessPolicy;
  /** The longest that an answer of the database takes to arrive, and a decision with it. */
  readonly lateMs: number;
  /** How far an authority's clock may be from the truth: it can't know when a late answer of the database was true. */
  readonly clockErrorMs: number;
  commits = 0;
  auditEntries = 0;
  violation: Violation | undefined;
  /** Everything has worked for long enough: there is no excuse any more. */
  settled = false;
  /** Whether all authorities have worked since then. */
  steadySince: (since: number) => boolean = () => false;
  /** How often what is checked took place, where that is rare. */
  readonly seen = new Map<string, number>();
  readonly counts = { rotations: 0, requests: 0, wronglyRefused: 0, wronglyAccepted: 0, unavailable: 0, lost: 0 };

  constructor(time: VirtualTime, history: History, staleness: StalenessPolicy, slowMs: number) {
    this.time = time;
    this.history = history;
    this.staleness = staleness;
    // A step of the engine reads half a dozen times before it commits.
    this.lateMs = 6 * slowMs;
    this.clockErrorMs = slowMs + 5;
  }

  /** The first one counts: what follows may follow from it. */
  fail(invariant: string, key: string | undefined, message: string): void {
    if (this.violation !== undefined) return;
    this.history.note("CHECK", `${invariant} ${message}`, key);
    this.violation = new Violation(invariant, key, message);
  }

  saw(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  ask(deed: string, subject: string): void {
    this.asked.add(`${deed} ${subject}`);
  }

  wasAsked(deed: string, subject: string): boolean {
    return this.asked.has(`${deed} ${subject}`);
  }

  /** How long a verifier may go on with what it knows: D of I4. */
  get staleMs(): number {
    const { leaseMs, onStale, staticMs } = this.staleness;
    return leaseMs + (onStale === "static" ? staticMs : 0);
  }
}

export function positionOf(at: number, record: KeyRecord | undefined): Position {
  if (record === undefined) return { at, record, byHash: new Map() };
  const held: HeldKey = holdKey(record);
  return { at, record, byHash: new Map(held.versions.map((version) => [version.version.sha256, version])) };
}

/** The positions in force at some moment from then on; the newest first. */
export function positionsSince({ positions }: KeyPast, from: number): Position[] {
  const first = positions.findLastIndex(({ at }) => at <= from);
  return positions.slice(Math.max(0, first)).reverse();
}

/** True time of a commit, or what was said in it if that is earlier: I12 holds the two together, but for the time that a commit took. */
export function sinceOf(trueAt: number | undefined, said: number | null): number {
  return Math.min(trueAt ?? Number.NaN, said ?? Infinity);
}

/** The successor's secret has left an authority, or its consumer made it. */
export function wasHandedOut(past: KeyPast, { origin, to }: Rotation): boolean {
  return origin === "consumer" || past.handedOut.has(past.hashes.get(to) ?? "");
}

/** From now on the number is this secret's. What was seen of another one says nothing of it, unless the number becomes that one's again. */
export function giveNumber(past: KeyPast, { number, sha256 }: Version): void {
  const known = past.hashes.get(number);
  if (sha256 === null || known === sha256) return;
  past.hashes.set(number, sha256);
  if (known === undefined) return;
  past.numbersTwice = true;
  for (const use of past.uses) if (use.number === number) use.version = use.sha256 === sha256 ? number : Number.NaN;
}
