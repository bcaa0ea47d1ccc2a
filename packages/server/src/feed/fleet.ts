/**
 * The fleet: every verifier that may answer a request, how far it has applied the feed, and how far it has reported.
 *
 * A *boot* is one start of one verifier for one api. It may answer until its lease, and the static time after it, are over:
 * `answersUntil` is written to the store before the lease is granted, so that a restarted authority never believes a
 * verifier gone that is not. How far it has applied is held in memory alone; after a restart the next report says it again.
 * A report is answered once it is on the disk (report-queue.ts).
 *
 * Acknowledgements of an old boot, a removed verifier or a stranger's token count for nothing (I13).
 */
import type {
  Ack,
  Coverage,
  Grant,
  Hole,
  ProblemCode,
  Registration,
  Report,
  Sighting,
  StalenessPolicy,
  Watermark,
  Welcome,
} from "@keyover/core";
import { effectiveStaleness, mayAnswer, watermark } from "@keyover/core";
import type { Api, Boot } from "../store/entities.ts";
import { createReportQueue, type ReportQueueDeps } from "./report-queue.ts";

export interface FleetMember extends Boot {
  /** Every feed entry up to this number is applied, as far as we have been told since this process started. */
  applied: number;
}

/** Who speaks: the token's handle. */
type Speaker = string;

export type FleetAnswer<T> = { ok: true; value: T } | { ok: false; code: ProblemCode; detail: string };

export interface Fleet {
  /** Reads the boots that the store remembers. Before anything else. */
  load(): Promise<void>;
  register(api: Api, registration: Registration, speaker: Speaker): Promise<FleetAnswer<Grant>>;
  ack(api: Api, ack: Ack, head: number, speaker: Speaker): FleetAnswer<Grant>;
  /** `environments`: those whose keys the speaker may testify about; empty: all. */
  report(
    api: Api,
    report: Report,
    head: number,
    speaker: Speaker,
    environments: readonly string[],
  ): Promise<FleetAnswer<Grant>>;
  /** An operator's word that this boot is gone for good. */
  remove(apiId: string, boot: string): Promise<boolean>;
  /** Uses that the authority itself has seen; resolves when they are durable. */
  sight(sightings: Sighting[]): Promise<void>;
  members(apiId: string): FleetMember[];
  /** Those that may answer and have not applied entry `seq`. */
  laggards(apiId: string, seq: number): FleetMember[];
  watermark(apiId: string): Watermark;
}

export interface FleetDeps extends ReportQueueDeps {
  /** Called after an acknowledgement moved an api's fleet forward. */
  onApplied: (apiId: string) => void;
}

const REPORT_EVERY_MS = 1_000;
/** A report may end this far ahead of our clock; more means that one of the clocks was set, and the boot starts anew. */
const CLOCK_TOLERANCE_MS = 2_000;
/** Ended boots of one api that are kept in memory, and for how long one that vanished may still come back to its name. */
const ENDED_MAX = 200;
const LOST_KEPT_MS = 86_400_000;
/** Boots of one api that may answer at the same time. */
const LIVE_MAX = 5_000;

export function createFleet(deps: FleetDeps): Fleet {
  const { store, clock, log } = deps;
  const members = new Map<string, FleetMember>();
  const queue = createReportQueue(deps);
  /** Boots whose report is on its way to the disk: until it is there nothing of it counts, and it can't count twice. */
  const writing = new Set<string>();

  /** Where the holes of forgotten boots end, by api. */
  const forgottenHole = new Map<string, Hole>();

  /** Boots that ended are kept for the eye of an operator; of many, only where their holes end. */
  const forgetEnded = (apiId: string, now: number) => {
    const ended = ofApi(apiId).filter((member) => !mayAnswer(coverageOf(member), now - LOST_KEPT_MS));
    if (ended.length <= ENDED_MAX) return;
    ended.sort((a, b) => a.registeredAt - b.registeredAt);
    for (const member of ended.slice(0, ended.length - ENDED_MAX)) {
      const [hole] = watermark([coverageOf(member)], now).holes;
      if (hole !== undefined && hole.to > (forgottenHole.get(apiId)?.to ?? 0)) forgottenHole.set(apiId, hole);
      members.delete(member.boot);
    }
  };

  const ofApi = (apiId: string) => [...members.values()].filter((member) => member.apiId === apiId);

  const known = (apiId: string, boot: string, speaker: Speaker): FleetMember | undefined => {
    const member = members.get(boot);
    if (member === undefined || member.apiId !== apiId || member.tokenId !== speaker) return undefined;
    return member.closed || member.replacedAt !== null || member.removedAt !== null ? undefined : member;
  };

  /**
   * The fleet has moved only if this member was its last: while another that may answer is no further than this one was,
   * nothing that waits for all of them can go on. Without this, each of 50 acknowledgements would have every waiting
   * rotation visited.
   */
  const applied = (member: FleetMember, to: number) => {
    const before = member.applied;
    if (to <= before) return;
    member.applied = to;
    const now = clock.now();
    for (const other of members.values()) {
      if (other.apiId === member.apiId && other.applied <= before && mayAnswer(coverageOf(other), now)) return;
    }
    deps.onApplied(member.apiId);
  };

  return {
    async load() {
      for (const boot of await store.boots()) members.set(boot.boot, { ...boot, applied: 0 });
      for (const apiId of new Set([...members.values()].map((member) => member.apiId))) forgetEnded(apiId, clock.now());
    },

    async register(api, registration, speaker) {
      const now = clock.now();
      if (members.has(registration.boot))
        return refusal("invalid_request", "a boot registers once; make a new handle for each start");
      if (ofApi(api.id).filter((member) => mayAnswer(coverageOf(member), now)).length >= LIVE_MAX)
        return refusal("conflict", `${LIVE_MAX} verifiers of this api may answer already; remove those that are gone`);
      const replaced = ofApi(api.id).filter(
        (member) =>
          !member.closed &&
          member.replacedAt === null &&
          member.removedAt === null &&
          (member.instance === registration.instance || member.boot === registration.replaces),
      );
      const grant = grantOf(api, now);
      const member: FleetMember = {
        boot: registration.boot,
        apiId: api.id,
        tokenId: speaker,
        instance: registration.instance,
        software: registration.software,
        registeredAt: now,
        coveredTo: now,
        answersUntil: answersUntil(grant),
        reportNumber: 0,
        closed: false,
        replacedAt: null,
        removedAt: null,
        applied: 0,
      };
      const over = replaced.map((old) => ({ ...old, replacedAt: now }));
      await store.record({ rows: [], boots: [...over, member].map(bootOf) });
      for (const changed of [...over, member]) members.set(changed.boot, changed);
      forgetEnded(api.id, now);
      if (over.length > 0) deps.onApplied(api.id);
      log("info", "verifier.registered", {
        api: api.id,
        boot: member.boot,
        instance: member.instance,
        replaced: over.map((old) => old.boot),
      });
      return { ok: true, value: grant };
    },

    ack(api, ack, head, speaker) {
      const member = known(api.id, ack.boot, speaker);
      if (member === undefined) return unknownBoot(ack.boot);
      if (ack.applied > head) return refusal("feed_ahead", `the feed has reached ${head}`);
      applied(member, ack.applied);
      // What is left of the lease: only a report, which is durable before it is answered, renews it.
      const grant = grantOf(api, clock.now());
      const left = member.answersUntil - answersUntil({ ...grant, leaseMs: 0 });
      return { ok: true, value: { ...grant, leaseMs: Math.min(grant.leaseMs, Math.max(0, left)) } };
    },

    async report(api, report, head, speaker, environments) {
      const member = known(api.id, report.boot, speaker);
      if (member === undefined) return unknownBoot(report.boot);
      const now = clock.now();
      const wrong = reportProblem(member, report, head, now);
      if (wrong !== undefined) return wrong;
      const grant = grantOf(api, now);
      const current = () => members.get(member.boot) ?? member;
      // As it stands when it is written: the boot may be replaced while the report waits its turn.
      const row = (covered: Partial<Boot>, granted: Grant) => () => ({
        ...bootOf(current()),
        ...covered,
        answersUntil: Math.max(current().answersUntil, answersUntil(granted)),
      });
      applied(member, report.applied);
      if (report.n === member.reportNumber) {
        // Counted already; its answer was lost. The verifier asks for the same once more.
        await queue.add(row({}, grant), [], undefined);
      } else {
        if (writing.has(member.boot))
          return refusal("conflict", "a report of this boot is being written; send it again");
        writing.add(member.boot);
        try {
          const covered = { reportNumber: report.n, coveredTo: report.to, closed: report.final === true };
          await queue.add(row(covered, grant), report.sightings, { apiId: api.id, environments });
          Object.assign(current(), covered);
        } finally {
          writing.delete(member.boot);
        }
      }
      const after = current();
      after.answersUntil = Math.max(after.answersUntil, answersUntil(grant));
      if (after.closed) deps.onApplied(api.id);
      return { ok: true, value: grant };
    },

    async remove(apiId, boot) {
      const member = members.get(boot);
      if (member === undefined || member.apiId !== apiId || member.removedAt !== null) return false;
      const removed = { ...member, removedAt: clock.now() };
      await store.record({ rows: [], boots: [bootOf(removed)] });
      members.set(boot, removed);
      deps.onApplied(apiId);
      return true;
    },

    sight: (sightings) => queue.add(undefined, sightings, undefined),

    members: ofApi,
    laggards(apiId, seq) {
      const now = clock.now();
      return ofApi(apiId).filter((member) => mayAnswer(coverageOf(member), now) && member.applied < seq);
    },
    watermark(apiId) {
      const mark = watermark(ofApi(apiId).map(coverageOf), clock.now());
      const forgotten = forgottenHole.get(apiId);
      return forgotten === undefined ? mark : { ...mark, holes: [forgotten, ...mark.holes] };
    },
  };
}

function coverageOf(member: FleetMember): Coverage {
  const { boot, instance, coveredTo, answersUntil, closed, replacedAt, removedAt } = member;
  return { boot, instance, coveredTo, answersUntil, closed, replacedAt, removedAt };
}

function bootOf({ applied: _applied, ...boot }: FleetMember): Boot {
  return boot;
}

function grantOf(api: Api, now: number): Grant {
  return { now, ...effectiveStaleness(api.staleness) };
}

function answersUntil(grant: StalenessPolicy & { now: number }): number {
  return grant.now + grant.leaseMs + (grant.onStale === "static" ? grant.staticMs : 0);
}

function reportProblem(member: FleetMember, report: Report, head: number, now: number) {
  if (report.applied > head) return refusal("feed_ahead", `the feed has reached ${head}`);
  if (report.n === member.reportNumber && report.n > 0) return undefined;
  if (report.n !== member.reportNumber + 1) {
    return refusal(
      "report_gap",
      `report ${report.n} came after ${member.reportNumber}; expected ${member.reportNumber + 1}`,
    );
  }
  if (report.from !== member.coveredTo || report.to < report.from) {
    return refusal(
      "report_gap",
      `the interval must begin at ${member.coveredTo} and not end before it began; got ${report.from} to ${report.to}`,
    );
  }
  if (report.to > now + CLOCK_TOLERANCE_MS) {
    return refusal(
      "unknown_boot",
      "the interval ends in the future of the authority's clock; register again to set yours",
    );
  }
  return undefined;
}

function refusal(code: ProblemCode, detail: string): { ok: false; code: ProblemCode; detail: string } {
  return { ok: false, code, detail };
}

function unknownBoot(boot: string) {
  return refusal(
    "unknown_boot",
    `${boot} is not registered for this api by this token, or was closed, replaced or removed`,
  );
}

/** What a registered verifier is told. */
export function welcomeOf(api: Api, environments: readonly string[], grant: Grant): Welcome {
  return {
    ...grant,
    api: { id: api.id, name: api.name, prefix: api.prefix },
    environments: environments.length === 0 ? api.environments : [...environments],
    reportEveryMs: REPORT_EVERY_MS,
  };
}
