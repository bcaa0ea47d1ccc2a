/**
 * The fleet: every verifier that may answer a request, how far it has applied the feed, and how far it has reported.
 *
 * A *boot* is one start of one verifier for one api. It may answer until its lease, and the static time after it, are over:
 * `answersUntil` is in the store before the lease is granted, so that no process ever believes a verifier gone that is
 * not. A report is answered once it is durable, and changes the boot's row only if nobody else has: it counts once, whichever
 * process hears it (report-queue.ts).
 *
 *     verifier ──ack──▶ process that hosts it: memory ──least of all, folded──▶ store ─┐
 *        └─────report──▶ any process ──▶ the boot's row, its host ────────────────────┴─▶ view: who lags, how far all have reported
 *
 * Acknowledgements stay in the memory of the process that a boot speaks to, its *host*; for the other processes each host folds them into
 * one row per api: the least number that all of its boots have applied (fold.ts). Losing them costs time and no more: the next report says it again.
 *
 * Acknowledgements of an old boot, a removed verifier or a stranger's token count for nothing (I13).
 */
import {
  type Ack,
  type Coverage,
  effectiveStaleness,
  type Grant,
  mayAnswer,
  type Registration,
  type Report,
  type Sighting,
  type StalenessPolicy,
  type Watermark,
  type Welcome,
  watermark,
} from "@keyover/core";
import { accept, type Outcome, refuse } from "../outcome.ts";
import type { Api, Boot } from "../store/entities.ts";
import type { FleetRows, Held } from "../store/store.ts";
import { createFolds } from "./folds.ts";
import { type LimitBook, toldOf } from "./limit-book.ts";
import { createLiveCounts } from "./live-counts.ts";
import { createReportQueue, type ReportQueueDeps } from "./report-queue.ts";

/** A boot, and how far it has applied as far as anybody knows. */
export type FleetMember = Boot;

/** Who speaks: the token's handle. */
type Speaker = string;

/** An api's verifiers as of `readAt`: a boot that registered later has nothing to say about the time before. */
export interface FleetView {
  readAt: number;
  /** Those that may answer. */
  live: FleetMember[];
  /** Those of them that have not applied entry `seq`. */
  laggards(seq: number): FleetMember[];
  watermark: Watermark;
}

export interface Fleet {
  register(api: Api, registration: Registration, speaker: Speaker): Promise<Outcome<Grant>>;
  ack(api: Api, ack: Ack, head: number, speaker: Speaker): Promise<Outcome<Grant>>;
  /** `environments`: those whose keys the speaker may testify about; empty: all. */
  report(
    api: Api,
    report: Report,
    head: number,
    speaker: Speaker,
    environments: readonly string[],
    /** Boots that registered earlier are over, by a restore. */
    since: number,
  ): Promise<Outcome<Grant>>;
  /** As the database has it, if it is this speaker's. */
  boot(apiId: string, boot: string, speaker: Speaker): Promise<FleetMember | undefined>;
  /** An operator's word that this boot is gone for good. False if there is no such boot, or it has ended. */
  remove(api: Api, boot: string): Promise<boolean>;
  /** Uses that the authority itself has seen; resolves when they are durable. */
  sight(sightings: Sighting[]): Promise<void>;
  /** Read from the store after this call: knows every boot that may lack an entry that the caller has seen. */
  view(apiId: string): Promise<FleetView>;
  /** The same, or one that is at most `VIEW_AGE_MS` old: for the watermark, which is then that much older. */
  recentView(apiId: string): Promise<FleetView>;
  /** For an operator's eye: the newest boots of an api, ended ones too. */
  list(apiId: string): Promise<FleetMember[]>;
  /** Lets go of boots that ended, or speak to another process. Once a second or so. */
  tidy(): Promise<void>;
}

export interface FleetDeps extends ReportQueueDeps {
  limits: Pick<LimitBook, "charges">;
  /** This process. */
  replica: string;
  /** True while no other process needs to know what this one is told. */
  alone: () => boolean;
  /** A boot is heard of, or has ended; `before`: its row until now. */
  onSign: (api: Api, before: Boot, how: "heard" | "restarted" | "removed" | "closed") => void;
  /** Called when all boots that this process hosts, or those of another, have applied more of an api's feed. */
  onApplied: (apiId: string) => void;
}

const REPORT_EVERY_MS = 1_000;
/** A report may end this far ahead of our clock; more means that one of the clocks was set, and the boot starts anew. */
const CLOCK_TOLERANCE_MS = 2_000;
/** Boots of one api that may answer at the same time. */
const LIVE_MAX = 5_000;
const LISTED_MAX = 1_000;
const VIEW_AGE_MS = 200;
/** Others may rewrite a boot's row meanwhile; so often we look again. */
const ATTEMPTS_MAX = 5;

/** A boot that speaks to this process. */
interface Hosted {
  row: Held<Boot>;
  applied: number;
  adoption: number;
}

export function createFleet(deps: FleetDeps): Fleet {
  const { store, clock, log } = deps;
  const hosted = new Map<string, Hosted>();
  const queue = createReportQueue(deps);
  const counts = createLiveCounts(deps);
  const folds = createFolds({ ...deps, appliedBy: (apiId) => leastApplied(ofApi(apiId)) });
  /** Boots whose report is on its way to the disk: until it is there nothing of it counts, and it can't count twice. */
  const writing = new Set<string>();
  let adoptions = 0;

  const ofApi = (apiId: string) => [...hosted.values()].filter(({ row }) => row.value.apiId === apiId);

  const adopt = (row: Held<Boot>): Hosted => {
    const member = { row, applied: row.value.applied, adoption: ++adoptions };
    hosted.set(row.value.boot, member);
    folds.adopted(row.value.apiId, member.adoption);
    return member;
  };

  /** The boot that speaks, adopted if it spoke to another process before. */
  const speaking = async (apiId: string, boot: string, speaker: Speaker): Promise<Hosted | undefined> => {
    let member = hosted.get(boot);
    if (member === undefined) {
      const row = await store.boot(boot);
      // Another request of the same boot may have been faster.
      member = hosted.get(boot) ?? (row !== undefined && !hasEnded(row.value) ? adopt(row) : undefined);
    }
    const known = member?.row.value;
    return known?.apiId === apiId && known.tokenId === speaker ? member : undefined;
  };

  /**
   * A boot that is over may have sent a report whose answer was lost. It learns whether that was counted: what was not goes
   * with its next boot, and nothing counts twice. An ended boot's row stays as it is, so this is the last word.
   */
  const ended = async (apiId: string, boot: string, speaker: Speaker): Promise<Outcome<never>> => {
    const known = await ownBoot(apiId, boot, speaker);
    return unknownBoot(boot, known !== undefined && hasEnded(known) ? { counted: known.reportNumber } : undefined);
  };

  const ownBoot = async (apiId: string, boot: string, speaker: Speaker): Promise<Boot | undefined> => {
    const known = (await store.boot(boot))?.value;
    return known?.apiId === apiId && known.tokenId === speaker ? known : undefined;
  };

  /** Lets go of a boot whose row another process has changed meanwhile. */
  const isOutdated = async ({ row }: Hosted): Promise<boolean> => {
    const current = store.shared ? await store.boot(row.value.boot) : row;
    if (current?.rev === row.rev) return false;
    hosted.delete(row.value.boot);
    return true;
  };

  const moved = (apiId: string) => {
    folds.moved(apiId);
    deps.onApplied(apiId);
  };

  /**
   * The fleet has moved only if this member was its last: while another is no further than this one was, nothing that waits for all of
   * them can go on. Without this, each of 50 acknowledgements would have every waiting rotation visited.
   */
  const applied = (member: Hosted, to: number) => {
    const before = member.applied;
    if (to <= before) return;
    member.applied = to;
    const { apiId } = member.row.value;
    if (!ofApi(apiId).some((other) => other.applied <= before)) moved(apiId);
  };

  const viewOf = (rows: FleetRows, readAt: number): FleetView => {
    const appliedBy = ({ boot, applied: reported, host, adoption }: Boot) => {
      const own = hosted.get(boot)?.applied ?? 0;
      const fold = rows.folds.find((each) => each.replica === host);
      return Math.max(reported, own, fold !== undefined && fold.adoption >= adoption ? fold.applied : 0);
    };
    const live = rows.live
      .map(({ value }) => ({ ...value, applied: appliedBy(value) }))
      .filter((boot) => mayAnswer(boot, readAt));
    return {
      readAt,
      live,
      laggards: (seq) => live.filter((boot) => boot.applied < seq),
      watermark: watermark([...rows.live.map(({ value }) => value), ...rows.holes].map(coverageOf), readAt),
    };
  };

  const readView = async (apiId: string): Promise<FleetView> => {
    const readAt = clock.now();
    return viewOf(await store.fleet(apiId, readAt), readAt);
  };

  const recent = new Map<string, { asOf: number; view: Promise<FleetView> }>();
  const recentView = (apiId: string): Promise<FleetView> => {
    const asOf = clock.elapsed();
    const known = recent.get(apiId);
    if (known !== undefined && asOf - known.asOf < VIEW_AGE_MS) return known.view;
    const view = readView(apiId);
    recent.set(apiId, { asOf, view });
    view.catch(() => recent.delete(apiId));
    return view;
  };

  /** Changes the row of a boot that has not ended, however often others do so meanwhile. */
  const end = async (row: Held<Boot>, how: Partial<Boot>): Promise<boolean> => {
    let current: Held<Boot> | undefined = row;
    for (let i = 0; i < ATTEMPTS_MAX && current !== undefined && !hasEnded(current.value); i++) {
      const boot: Boot = { ...current.value, ...how };
      const { lost } = await store.record({ rows: [], reports: [{ boot, expect: current.rev, rows: [] }] });
      hosted.delete(boot.boot);
      if (lost.length === 0) return true;
      current = await store.boot(boot.boot);
    }
    return false;
  };

  /** Hosts a new boot, and only then makes its row: no fold may leave out a boot whose row names this host. */
  const enter = async (boot: Boot): Promise<boolean> => {
    if (hosted.has(boot.boot)) return false;
    writing.add(boot.boot);
    boot.adoption = adopt({ value: boot, rev: 1 }).adoption;
    let entered = false;
    try {
      entered = (await store.record({ rows: [], reports: [{ boot, expect: 0, rows: [] }] })).lost.length === 0;
      return entered;
    } finally {
      writing.delete(boot.boot);
      if (!entered) hosted.delete(boot.boot);
    }
  };

  /**
   * The same registration, sent twice by the network, is answered twice alike; anything else is a boot that is taken. That is a
   * conflict and no fault of the request: a verifier that hears so of a late repetition registers under another handle.
   */
  const registeredBefore = async (again: Boot, api: Api): Promise<Outcome<Grant>> => {
    const known = (await store.boot(again.boot))?.value;
    if (known === undefined) return refuse("conflict", "this boot is being registered; send it again");
    const same = known.apiId === again.apiId && known.tokenId === again.tokenId && known.instance === again.instance;
    if (same && known.reportNumber === 0 && !hasEnded(known))
      return accept({ ...grantOf(api, known.registeredAt), verifiers: await counts.of(api.id) });
    return refuse("conflict", "a boot registers once; make a new handle for each start");
  };

  /** Writes what a report says; undefined if somebody else has changed the boot's row. */
  const write = async (
    member: Hosted,
    api: Api,
    report: Report,
    environments: readonly string[],
  ): Promise<Grant | undefined> => {
    const grant = grantOf(api, clock.now());
    const { value, rev } = member.row;
    // Counted already, and its answer was lost: only the lease is renewed.
    const repeated = report.n === value.reportNumber;
    const covered = repeated ? {} : { reportNumber: report.n, coveredTo: report.to, closed: report.final === true };
    const boot: Boot = {
      ...value,
      ...covered,
      applied: Math.max(value.applied, member.applied),
      answersUntil: Math.max(value.answersUntil, answersUntil(grant)),
      host: deps.replica,
      adoption: member.adoption,
    };
    const scope = { apiId: api.id, environments };
    const verifiers = await counts.of(api.id);
    const charges = await deps.limits.charges(api.id, environments, report);
    // What was given back then was given back: between two sendings it may have been granted anew, and be in use.
    const known = { units: 0, keeps: undefined, holds: undefined };
    const counting = repeated ? charges.map((charge) => ({ ...charge, ...known })) : charges;
    const limits =
      charges.length === 0
        ? undefined
        : { apiId: api.id, charges: counting, now: grant.now, verifiers, reportEveryMs: REPORT_EVERY_MS };
    const uses = await queue.report(boot, rev, { sightings: repeated ? [] : report.sightings, limits }, scope);
    if (uses === undefined) {
      hosted.delete(boot.boot);
      return undefined;
    }
    member.row = { value: boot, rev: rev + 1 };
    deps.onSign(api, value, boot.closed ? "closed" : "heard");
    if (boot.closed) {
      hosted.delete(boot.boot);
      moved(api.id);
    }
    const told = charges.map((charge, i) => toldOf(charge, uses[i], boot.boot, grant.now));
    return { ...grant, verifiers, ...(told.length === 0 ? {} : { limits: told }) };
  };

  return {
    async register(api, registration, speaker) {
      const now = clock.now();
      const { live, holes } = await store.fleet(api.id, now);
      if (live.length >= LIVE_MAX)
        return refuse("conflict", `${LIVE_MAX} verifiers of this api may answer already; remove those that are gone`);
      const grant = grantOf(api, now);
      const boot: Boot = {
        boot: registration.boot,
        apiId: api.id,
        tokenId: speaker,
        instance: registration.instance,
        software: registration.software,
        registeredAt: now,
        coveredTo: now,
        answersUntil: answersUntil(grant),
        reportNumber: 0,
        applied: 0,
        host: deps.replica,
        adoption: 0,
        closed: false,
        replacedAt: null,
        removedAt: null,
      };
      if (!(await enter(boot))) return registeredBefore(boot, api);
      const isReplaced = (old: Boot) =>
        !hasEnded(old) && (old.instance === registration.instance || old.boot === registration.replaces);
      const replaced: string[] = [];
      for (const old of [...live.map(({ value }) => value), ...holes].filter(isReplaced)) {
        const row = await store.boot(old.boot);
        if (row === undefined || !(await end(row, { replacedAt: now }))) continue;
        replaced.push(old.boot);
        deps.onSign(api, row.value, "restarted");
      }
      if (replaced.length > 0) moved(api.id);
      counts.forget(api.id);
      log("info", "verifier.registered", { api: api.id, boot: boot.boot, instance: boot.instance, replaced });
      return accept({ ...grant, verifiers: await counts.of(api.id) });
    },

    boot: ownBoot,

    async ack(api, ack, head, speaker) {
      const member = await speaking(api.id, ack.boot, speaker);
      if (member === undefined) return unknownBoot(ack.boot);
      if (ack.applied > head) return refuse("feed_ahead", `the feed has reached ${head}`);
      applied(member, ack.applied);
      // What is left of the lease: only a report, which is durable before it is answered, renews it.
      const grant = grantOf(api, clock.now());
      const left = member.row.value.answersUntil - answersUntil({ ...grant, leaseMs: 0 });
      return accept({ ...grant, leaseMs: Math.min(grant.leaseMs, Math.max(0, left)) });
    },

    async report(api, report, head, speaker, environments, since) {
      if (writing.has(report.boot)) return refuse("conflict", "a report of this boot is being written; send it again");
      writing.add(report.boot);
      try {
        for (let i = 0; i < ATTEMPTS_MAX; i++) {
          const member = await speaking(api.id, report.boot, speaker);
          if (member === undefined) return await ended(api.id, report.boot, speaker);
          const { registeredAt, reportNumber } = member.row.value;
          if (registeredAt < since) return unknownBoot(report.boot, { counted: reportNumber });
          const wrong = reportProblem(member.row.value, report, head, clock.now());
          if (wrong !== undefined && !(await isOutdated(member))) return wrong;
          if (wrong !== undefined) continue;
          applied(member, report.applied);
          const grant = await write(member, api, report, environments);
          if (grant !== undefined) return accept(grant);
        }
        return refuse("conflict", "this boot speaks to several servers at once; send the report again");
      } finally {
        writing.delete(report.boot);
      }
    },

    async remove(api, boot) {
      const row = await store.boot(boot);
      if (row === undefined || row.value.apiId !== api.id || !(await end(row, { removedAt: clock.now() })))
        return false;
      moved(api.id);
      deps.onSign(api, row.value, "removed");
      return true;
    },

    sight: (sightings) => queue.sight(sightings),
    view: readView,
    recentView,
    async list(apiId) {
      const boots = await store.boots(apiId, LISTED_MAX);
      const { live } = await readView(apiId);
      const now = new Map(live.map((boot) => [boot.boot, boot]));
      return boots.map((boot) => now.get(boot.boot) ?? boot).reverse();
    },

    async tidy() {
      for (const apiId of new Set([...hosted.values()].map(({ row }) => row.value.apiId))) {
        const { live } = await store.fleet(apiId, clock.now() - GONE_FOR_SURE_MS);
        const rows = new Map(live.map((row) => [row.value.boot, row]));
        for (const { row } of ofApi(apiId)) {
          const { boot } = row.value;
          const found = rows.get(boot);
          if (found?.value.host === deps.replica || writing.has(boot)) continue;
          // What was read may be from before this boot's last report, which made us its host.
          if (found === undefined || found.rev >= row.rev) hosted.delete(boot);
        }
      }
    },
  };
}

/** A boot is let go of this long after its time, so that no other process, by a clock a little behind, still counts it as hosted here. */
const GONE_FOR_SURE_MS = 5_000;

function leastApplied(members: readonly Hosted[]): number {
  return members.reduce((least, { applied }) => Math.min(least, applied), Number.MAX_SAFE_INTEGER);
}

function hasEnded({ closed, replacedAt, removedAt }: Boot): boolean {
  return closed || replacedAt !== null || removedAt !== null;
}

function coverageOf({ boot, instance, coveredTo, answersUntil, closed, replacedAt, removedAt }: Boot): Coverage {
  return { boot, instance, coveredTo, answersUntil, closed, replacedAt, removedAt };
}

function grantOf(api: Api, now: number): Grant {
  return { now, ...effectiveStaleness(api.staleness) };
}

function answersUntil(grant: StalenessPolicy & { now: number }): number {
  return grant.now + grant.leaseMs + (grant.onStale === "static" ? grant.staticMs : 0);
}

function reportProblem(member: Boot, report: Report, head: number, now: number) {
  if (report.applied > head) return refuse("feed_ahead", `the feed has reached ${head}`);
  if (report.n === member.reportNumber && report.n > 0) return undefined;
  if (report.n !== member.reportNumber + 1) {
    return refuse(
      "report_gap",
      `report ${report.n} came after ${member.reportNumber}; expected ${member.reportNumber + 1}`,
    );
  }
  if (report.from !== member.coveredTo || report.to < report.from) {
    return refuse(
      "report_gap",
      `the interval must begin at ${member.coveredTo} and not end before it began; got ${report.from} to ${report.to}`,
    );
  }
  if (report.to > now + CLOCK_TOLERANCE_MS) {
    return refuse(
      "unknown_boot",
      "the interval ends in the future of the authority's clock; register again to set yours",
    );
  }
  return undefined;
}

function unknownBoot(boot: string, members?: { counted: number }) {
  const detail = `${boot} is not registered for this api by this token, or was closed, replaced or removed`;
  return refuse("unknown_boot", detail, members);
}

/** What a registered verifier is told. */
export function welcomeOf(api: Api, environments: readonly string[], grant: Grant, epoch: string): Welcome {
  return {
    ...grant,
    api: { id: api.id, name: api.name, prefix: api.prefix },
    environments: environments.length === 0 ? api.environments : [...environments],
    reportEveryMs: REPORT_EVERY_MS,
    epoch,
    asks: true,
  };
}
