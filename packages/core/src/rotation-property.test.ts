/**
 * The invariants of DESIGN.md §7 that a rotation holds by itself, in random lives of one key: any event at any time with any evidence,
 * carried out on the versions of a model (rotation.test-world.ts). What the model remembers of the events is the oracle; the
 * rotation's own fields are not believed.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { brownoutTimes, mayBrownOut, nextBrownout, runningBrownout } from "./brownout.ts";
import { decide } from "./decide.ts";
import { ACCEPTED_VERSIONS_MAX, isAccepted } from "./key.ts";
import type { RotationPolicy } from "./policy.ts";
import { type EventName, eventNamed, evidenceFor, KeyModel, testPolicy } from "./rotation.test-world.ts";
import type { Decision, Rotation, RotationEvent } from "./rotation.ts";
import { isFenced } from "./rule-fence.ts";

interface Step {
  waitMs: number;
  event: EventName | "stray evidence" | "next rotation";
  /** For `extend`, and what the stray evidence is about. */
  dice: number;
}

const events: fc.Arbitrary<Step["event"]> = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom<EventName[]>("begin", "acknowledged", "used", "quiet") },
  { weight: 6, arbitrary: fc.constantFrom<EventName[]>("claim", "confirm", "noise") },
  {
    weight: 3,
    arbitrary: fc.constantFrom<EventName[]>("rollback", "retire", "extend", "kill", "contain", "killSuccessor"),
  },
  { weight: 2, arbitrary: fc.constantFrom<EventName[]>("extendOwn", "pause", "resume", "resume") },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Step["event"][]>("cancel", "containSuccessor", "stray evidence", "next rotation"),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom<EventName[]>("fence", "liftFence", "brownout", "endBrownout", "browned", "refused"),
  },
  { weight: 3, arbitrary: fc.constant("next rotation" as const) },
);
/** To the next brownout's beginning or end. */
const LEAP = -1;
const waits = fc.oneof(
  { weight: 1, arbitrary: fc.constant(LEAP) },
  { weight: 3, arbitrary: fc.constantFrom(0, 1, 1, 2, 5) },
  { weight: 1, arbitrary: fc.constantFrom(9, 10, 11, 40, 50, 60, 100, 101, 400) },
);
const step: fc.Arbitrary<Step> = fc.record({ waitMs: waits, event: events, dice: fc.nat(200) });
/** Some lives begin so: what follows only upon several steps in their order would else be met too seldom. */
const openings = (
  [
    [],
    [
      [5, "begin"],
      [5, "acknowledged"],
      [5, "fence"],
      [5, "used"],
      [5, "fence"],
    ],
    [[5, "begin"], [5, "acknowledged"], [101, "noise"], ...Array<[number, EventName]>(5).fill([LEAP, "noise"])],
    [
      [0, "begin"],
      [0, "pause"],
    ],
  ] satisfies [number, EventName][][]
).map((steps) => steps.map(([waitMs, event]): Step => ({ waitMs, event, dice: 0 })));
const steps = fc
  .tuple(fc.constantFrom(...openings), fc.array(step, { minLength: 1, maxLength: 40, size: "max" }))
  .map(([opening, rest]) => [...opening, ...rest]);
const policies: fc.Arbitrary<RotationPolicy> = fc.record({
  overlapMinMs: fc.constantFrom(1, 10),
  overlapMs: fc.constantFrom(10, 100),
  quietMs: fc.constant(testPolicy.quietMs),
  gapMargin: fc.constant(1.5),
  youngQuietMs: fc.constant(0),
  onDeadline: fc.constantFrom("hold", "retire", "brownout", "brownout"),
  brownout: fc.record({
    zone: fc.constant("UTC"),
    at: fc.constant("12:00"),
    lengthsMs: fc.constantFrom([5], [20, 40]),
    announceMs: fc.constantFrom(0, 50),
    errorBudget: fc.constantFrom(0, 100, null),
    after: fc.constantFrom("hold", "retire"),
  }),
  fence: fc.constantFrom(null, { from: "offered", afterMs: 0 }, { from: "used", afterMs: 5 }),
  rollbackMs: fc.constantFrom(0, 50),
  claimMs: fc.constantFrom(3, 40, 400),
  claim: fc.constant("token"),
  overlapMaxMs: fc.constantFrom(100, 366 * 86_400_000),
  consumerMayExtendMs: fc.constantFrom(0, 90),
  remindMs: fc.constant([]),
  automaticRollback: fc.constantFrom(null, { refusals: 5, sources: 2, coolDownMs: 0 }),
});
const starts = fc.record({ policy: policies, origin: fc.constantFrom<Rotation["origin"][]>("authority", "consumer") });

function wait(model: KeyModel, { waitMs }: Step): number {
  if (waitMs !== LEAP) return model.now + waitMs;
  return Math.max(model.now, ...brownoutTimes(model.rotation));
}

function eventOf({ event, dice }: Step, model: KeyModel): RotationEvent | undefined {
  const { rotation, now } = model;
  if (event === "next rotation") return undefined;
  if (event === "extend") return { type: "move-deadline", overlapEndsAt: now + dice - 20 };
  if (event === "stray evidence") {
    const right = evidenceFor(rotation, true, now);
    const wrong =
      dice % 2 === 0
        ? { version: right.version === rotation.from ? rotation.to : rotation.from }
        : { countsFrom: right.countsFrom - 1 };
    return { type: "assessed", evidence: { ...right, ...wrong } };
  }
  return eventNamed(event, rotation, now);
}

interface Moment {
  before: Snapshot;
  after: Snapshot;
  event: RotationEvent;
  decision: Decision;
  model: KeyModel;
}

interface Snapshot {
  rotation: Rotation;
  accepted: number[];
  sealed: number[];
}

function snapshot(model: KeyModel): Snapshot {
  const sealed = [...model.versions].filter(([, version]) => version.sealed).map(([number]) => number);
  return { rotation: model.rotation, accepted: model.accepted(), sealed };
}

/** Lives through the steps; `look` sees each decision with what was before and after it. */
function live(start: Parameters<typeof startModel>[0], life: Step[], look: (moment: Moment) => void): KeyModel {
  const model = startModel(start);
  for (const each of life) {
    model.now = wait(model, each);
    const event = eventOf(each, model);
    if (event === undefined) {
      if (model.rotation.endedAt !== null) model.startNext();
      continue;
    }
    const before = snapshot(model);
    const decision = model.take(event);
    look({ before, after: snapshot(model), event, decision, model });
  }
  return model;
}

function startModel(start: { policy: RotationPolicy; origin: Rotation["origin"] }): KeyModel {
  return new KeyModel(start);
}

/** Fast-check's default of 100 lives is too few to meet rare orders of events; 3,000 take about half a second. */
const runs = { numRuns: 3_000 };
/** Where a test demands that each rare way was met: so many that chance does not leave one out. */
const manyRuns = { numRuns: 15_000 };

/** What an observer of the events alone knows about the rotation that runs. */
class Witness {
  offeredAt: number | undefined;
  rolledBackAt: number | undefined;
  used = false;
  handedOut = false;
  confirmed = false;
  paused = false;
  /** Of the policy's plan: begun and ended, or missed. */
  brownouts = 0;

  see({ before, decision, event, model }: Moment): void {
    if (!decision.ok) return;
    const { phase } = before.rotation;
    if (event.type === "begin" && before.rotation.origin === "consumer") this.handedOut = true;
    if (event.type === "pause") this.paused = true;
    const over = (of: Rotation) =>
      (of.brownouts?.slots ?? []).filter(({ by, endedAt }) => by === "policy" && endedAt !== null);
    this.brownouts += Math.max(0, over(decision.next).length - over(before.rotation).length);
    if (event.type === "resume" || event.type === "compromise") this.paused = false;
    if (event.type === "acknowledged" && phase === "propagating" && !this.paused) this.offeredAt = model.now;
    // Nobody can have used a secret of ours before it was offered, whatever a report says.
    const early = phase === "planned" || (phase === "propagating" && before.rotation.origin === "authority");
    if (event.type === "used" && !early) this.used = true;
    if (event.type === "claim") this.handedOut = true;
    if (event.type === "confirm") this.confirmed = true;
    if (isRollback(before.rotation, event, decision)) this.rolledBackAt = model.now;
    // A contain or kill after a rollback offers the successor anew.
    const turned = event.type === "compromise" && event.version === "from" && phase === "rolled-back";
    if (turned) this.offeredAt = model.now;
  }
}

/** By a person, or by the policy after refused uses. */
function isRollback(before: Rotation, event: RotationEvent, decision: Decision): boolean {
  return event.type === "rollback" || (event.type === "refused" && decision.ok && decision.next !== before);
}

function withWitness(look: (moment: Moment, witness: Witness) => void): (moment: Moment) => void {
  const witnesses = new Map<string, Witness>();
  return (moment) => {
    const { id, endedAt } = moment.before.rotation;
    if (endedAt !== null) return look(moment, new Witness());
    const witness = witnesses.get(id) ?? new Witness();
    witnesses.set(id, witness);
    witness.see(moment);
    look(moment, witness);
  };
}

/** Why `version` may have stopped being accepted in this moment; undefined if nothing excuses it. */
function excuse(
  version: number,
  { before, after, event, decision, model }: Moment,
  witness: Witness,
): string | undefined {
  const { rotation } = before;
  const isOld = version === rotation.from;
  if (event.type === "compromise" && event.mode === "kill") {
    if (version === (event.version === "from" ? rotation.from : rotation.to)) return "killed";
  }
  if (event.type === "retire" && decision.ok) {
    const { forced } = decision.next;
    return forced !== null && forced.by !== "" && forced.reason !== "" ? "forced, and recorded" : undefined;
  }
  if (!isOld && event.type === "cancel") {
    // A secret of the consumer's own was never handed out by us: until it is offered, only its use counts.
    const own = rotation.origin === "consumer" && witness.offeredAt === undefined;
    return !witness.used && (own || !witness.handedOut) ? "cancelled before it was anybody's" : undefined;
  }
  if (!isOld && isRollback(rotation, event, decision)) {
    return witness.used || witness.handedOut || witness.confirmed ? undefined : "rolled back before it was anybody's";
  }
  if (event.type !== "assessed") return undefined;
  if (isOld && after.rotation.forced?.by === "policy") {
    const { overlapEndsAt, policy } = rotation;
    if (overlapEndsAt === null || model.now < overlapEndsAt) return undefined;
    if (policy.onDeadline === "retire") return "policy's deadline";
    if (policy.onDeadline !== "brownout" || policy.brownout.after !== "retire") return undefined;
    return witness.brownouts >= policy.brownout.lengthsMs.length ? "policy's brownouts" : undefined;
  }
  if (!event.evidence.quiet || event.evidence.version !== version) return undefined;
  if (!isOld)
    return event.evidence.countsFrom >= (witness.rolledBackAt ?? Infinity) ? "quiet after a rollback" : undefined;
  const { offeredAt, used } = witness;
  if (offeredAt === undefined || !used) return undefined;
  return model.now >= offeredAt + rotation.policy.overlapMinMs
    ? "minimum over, successor used, old one quiet"
    : undefined;
}

describe("random lives of a key", () => {
  test("I3: a version stops being accepted only by evidence, a recorded force, a kill, or where nobody has it", () => {
    const reasons = new Set<string>();
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        live(
          start,
          life,
          withWitness((moment, witness) => {
            for (const version of moment.before.accepted) {
              if (moment.after.accepted.includes(version)) continue;
              const reason = excuse(version, moment, witness);
              expect(
                reason,
                `version ${version} stopped by ${moment.event.type} in ${moment.before.rotation.phase}`,
              ).toBeDefined();
              reasons.add(reason as string);
            }
          }),
        );
      }),
      manyRuns,
    );
    // Every way was met, so the property is not empty.
    expect([...reasons].sort()).toEqual([
      "cancelled before it was anybody's",
      "forced, and recorded",
      "killed",
      "minimum over, successor used, old one quiet",
      "policy's brownouts",
      "policy's deadline",
      "quiet after a rollback",
      "rolled back before it was anybody's",
    ]);
  });

  test("I3: a retired rotation says whether it was forced, killed or proven", () => {
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        live(
          start,
          life,
          withWitness(({ after }, witness) => {
            const { phase, forced, fromRefusedAt } = after.rotation;
            if (phase !== "retired" || forced !== null) return;
            expect(fromRefusedAt !== null || (witness.used && witness.offeredAt !== undefined)).toBe(true);
          }),
        );
      }),
      runs,
    );
  });

  test("I2: nothing is handed out before every verifier has acknowledged it", () => {
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        live(
          start,
          life,
          withWitness(({ event, decision }, witness) => {
            if (event.type === "claim" && decision.ok) expect(witness.offeredAt).toBeDefined();
            if (event.type === "confirm" && decision.ok) expect(witness.offeredAt).toBeDefined();
          }),
        );
      }),
      runs,
    );
  });

  test("I6: each rotation makes its successor once", () => {
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        const model = live(start, life, () => {});
        for (const [id, times] of model.created) expect(times, id).toBe(1);
        for (const rotation of [...model.ended.values(), model.rotation]) {
          if (rotation.phase === "planned") expect(model.created.has(rotation.id)).toBe(false);
          else if (rotation.phase !== "cancelled") expect(model.created.get(rotation.id)).toBe(1);
        }
      }),
      runs,
    );
  });

  test("I8: one or two versions are accepted after each step; none only between a kill and the `begin` that follows it", () => {
    let emergencies = 0;
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        live(start, life, ({ after, model }) => {
          expect(after.accepted.length).toBeLessThanOrEqual(ACCEPTED_VERSIONS_MAX);
          if (after.accepted.length > 0) return;
          emergencies += 1;
          // The exception: the only version was killed, and the rotation to its successor may begin at once.
          const { rotation, now } = model;
          expect(rotation).toMatchObject({ phase: "planned", fromCompromised: true, endedAt: null });
          expect(rotation.fromRefusedAt).not.toBeNull();
          expect(decide(rotation, { type: "cancel" }, now).ok).toBe(false);
          const begun = decide(rotation, { type: "begin" }, now);
          expect(begun).toMatchObject({ ok: true, effects: [{ do: "create-successor", version: rotation.to }] });
        });
      }),
      runs,
    );
    expect(emergencies).toBeGreaterThan(0);
  });

  test("I8: an ended rotation leaves an accepted current version", () => {
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        live(start, life, ({ after, model }) => {
          if (after.rotation.endedAt === null) return;
          const current = model.version(model.current);
          expect(isAccepted(current.state)).toBe(true);
          expect(current.compromised).toBe(false);
          expect(after.accepted).toEqual([model.current]);
        });
      }),
      runs,
    );
  });

  test("I10: a rollback brings back the old version, and never a compromised one", () => {
    const rollbacks = new Set<string>();
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        live(start, life, ({ before, after, event, decision, model }) => {
          const { from } = before.rotation;
          const rollback = isRollback(before.rotation, event, decision);
          if (rollback && model.version(from).compromised) expect(decision.ok).toBe(false);
          if (!rollback || !decision.ok) return;
          rollbacks.add(`${event.type} ${before.rotation.fenced === null ? "" : "fenced"}`);
          expect(after.accepted).toContain(from);
          expect(model.current).toBe(from);
          const whole = { state: "active", compromised: false, fence: null, brownoutUntil: null };
          expect(model.version(from)).toMatchObject(whole);
        });
      }),
      manyRuns,
    );
    expect([...rollbacks].sort()).toEqual(["refused ", "refused fenced", "rollback ", "rollback fenced"]);
  });

  test("I11: a killed version is never accepted again, and a compromised one that stopped stays stopped", () => {
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        const dead = new Set<number>();
        live(start, life, ({ before, after, event, decision, model }) => {
          if (event.type === "compromise" && event.mode === "kill" && decision.ok) {
            dead.add(event.version === "from" ? before.rotation.from : before.rotation.to);
          }
          for (const [number, version] of model.versions) {
            if (version.compromised && !isAccepted(version.state)) dead.add(number);
          }
          for (const number of dead) expect(after.accepted).not.toContain(number);
        });
      }),
      runs,
    );
  });

  test("I11: a compromise of the old version is taken in every phase of a running rotation, at once", () => {
    fc.assert(
      fc.property(starts, steps, fc.constantFrom<EventName[]>("kill", "contain"), (start, life, emergency) => {
        const model = live(start, life, () => {});
        if (model.rotation.endedAt !== null) return;
        const { from } = model.rotation;
        const before = model.accepted().includes(from);
        const decision = model.take(eventNamed(emergency, model.rotation, model.now));
        expect(decision.ok).toBe(true);
        expect(model.version(from).compromised).toBe(true);
        expect(model.accepted().includes(from)).toBe(emergency === "contain" && before);
        if (emergency === "contain" && before) expect(model.version(from).fence).not.toBeNull();
        // Whoever may still present the old version is on the way out: nothing makes it the last word again.
        expect(model.rotation.endedAt === null && model.rotation.phase !== "rolled-back").toBe(true);
      }),
      runs,
    );
  });

  test("I11: an emergency's fence goes with its version to the end; the policy's is there while the rotation says so", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        const leaked = new Set<number>();
        live(start, life, ({ model, after }) => {
          for (const [number, version] of model.versions) {
            if (version.fence !== null && version.compromised) leaked.add(number);
            if (leaked.has(number)) expect(version.fence).not.toBeNull();
            if (version.compromised || !isAccepted(version.state)) continue;
            const own = number === after.rotation.from && after.rotation.endedAt === null && isFenced(after.rotation);
            expect(version.fence !== null, `version ${number}`).toBe(own);
            seen.add(own ? "fenced" : "whole");
          }
        });
      }),
      runs,
    );
    expect(seen).toEqual(new Set(["fenced", "whole"]));
  });

  test("R09: an accepted version is browned out just while a brownout of its running rotation runs", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        live(start, life, ({ model, after, before, event, decision }) => {
          const { rotation } = after;
          const slot = mayBrownOut(rotation) ? runningBrownout(rotation) : undefined;
          for (const [number, version] of model.versions) {
            if (!isAccepted(version.state)) continue;
            expect(version.brownoutUntil, `version ${number}`).toBe(
              number === rotation.from && slot !== undefined ? slot.until : null,
            );
          }
          if (rotation.endedAt !== null || !mayBrownOut(rotation))
            expect(nextBrownout(rotation), `after ${event.type}`).toBeUndefined();
          const begun = (of: Rotation) => (of.brownouts?.slots ?? []).filter(({ begunAt }) => begunAt !== null).length;
          if (!decision.ok || begun(decision.next) <= begun(before.rotation)) return;
          const { brownouts, policy } = decision.next;
          const fresh = brownouts?.slots.find(({ begunAt, endedAt }) => begunAt === model.now && endedAt === null);
          seen.add(fresh?.by === "policy" ? "planned" : "by hand");
          expect(fresh?.until).toBeGreaterThan(model.now);
          if (fresh?.by !== "policy") return;
          expect(fresh.from - (brownouts?.announcedAt ?? Infinity)).toBeGreaterThanOrEqual(policy.brownout.announceMs);
          expect(before.rotation.paused).toBeNull();
        });
      }),
      runs,
    );
    expect(seen).toEqual(new Set(["planned", "by hand"]));
  });

  test("R04: the sealed copy is kept until the successor is proven, its claim time is over, or it is dropped", () => {
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        live(
          start,
          life,
          withWitness(({ before, after, model }, witness) => {
            for (const version of before.sealed) {
              if (after.sealed.includes(version)) continue;
              const claimOver =
                witness.offeredAt !== undefined && model.now >= witness.offeredAt + before.rotation.policy.claimMs;
              expect(witness.used || claimOver || !after.accepted.includes(version)).toBe(true);
            }
          }),
        );
      }),
      runs,
    );
  });

  test("R02: while it is paused nothing retires by gates or deadline, nothing begins and nothing is offered", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        live(start, life, ({ before, event, decision }) => {
          const { paused, phase, endedAt } = before.rotation;
          if (paused === null || endedAt !== null) return;
          expect(["planned", "propagating", "offered", "overlapping"]).toContain(phase);
          if (!["assessed", "acknowledged", "begin", "fence", "browned"].includes(event.type)) return;
          if (event.type !== "fence" && event.type !== "browned") seen.add(`${event.type} ${phase}`);
          if (decision.ok) expect(decision).toEqual({ ok: true, next: before.rotation, effects: [] });
          else expect(decision.code).toBe("rotation_paused");
        });
      }),
      manyRuns,
    );
    expect(seen.size).toBe(12);
  });

  test("R02: a pause moves the deadline on by its length; the consumer by no more than the policy allows", () => {
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        live(start, life, ({ before, after, event, decision, model }) => {
          const [old, next] = [before.rotation, after.rotation];
          if (!decision.ok || old.id !== next.id) return;
          expect(next.extendedMs).toBeLessThanOrEqual(next.policy.consumerMayExtendMs);
          if (event.type !== "resume" || old.paused === null || old.overlapEndsAt === null) return;
          expect(next.overlapEndsAt).toBe(old.overlapEndsAt + model.now - old.paused.at);
        });
      }),
      runs,
    );
  });

  test("R04: no sealed copy outlives its rotation", () => {
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        live(start, life, ({ after }) => {
          if (after.rotation.endedAt !== null) expect(after.sealed).toEqual([]);
        });
      }),
      runs,
    );
  });
});

describe("repeats, strays and crashes", () => {
  const messages: ReadonlySet<string> = new Set(["begin", "acknowledged", "used", "claim", "confirm"]);

  test("I7, I13: what was applied once and is delivered again changes nothing, however late", () => {
    let repeats = 0;
    fc.assert(
      fc.property(starts, steps, fc.nat(400), (start, life, laterMs) => {
        const applied: { id: string; event: RotationEvent }[] = [];
        live(start, life, ({ before, event, decision, model }) => {
          const progressed = decision.ok && decision.next !== before.rotation;
          if (progressed && messages.has(event.type)) applied.push({ id: before.rotation.id, event });
          for (const message of applied) {
            const rotation = message.id === model.rotation.id ? model.rotation : model.ended.get(message.id);
            if (rotation === undefined) throw new Error(`rotation ${message.id} is lost`);
            const again = decide(rotation, message.event, model.now + laterMs);
            repeats += 1;
            // A command may be refused by now; nothing of it changes a thing.
            if (again.ok) expect(again).toEqual({ ok: true, next: rotation, effects: [] });
            else expect(["claim", "confirm"]).toContain(message.event.type);
          }
        });
      }),
      { numRuns: 1_000 },
    );
    expect(repeats).toBeGreaterThan(1_000);
  });

  test("I7: a run with crashes ends where the run without them does", () => {
    fc.assert(
      fc.property(starts, fc.array(fc.tuple(step, fc.boolean()), { maxLength: 40, size: "max" }), (start, life) => {
        const [plain, crashing] = [startModel(start), startModel(start)];
        let unanswered: RotationEvent[] = [];
        for (const [each, crash] of life) {
          plain.now = wait(plain, each);
          crashing.now = plain.now;
          if (plain.rotation.endedAt !== null) {
            plain.startNext();
            crashing.startNext();
            unanswered = [];
          }
          const event = eventOf(each, plain);
          if (event === undefined) continue;
          const { id } = plain.rotation;
          const before = plain.rotation;
          plain.take(event);
          crashing.take(event);
          // An answer was lost in the crash: what had been applied to this rotation comes again.
          if (plain.rotation.id !== id) unanswered = [];
          else if (plain.rotation !== before && messages.has(event.type)) unanswered.push(event);
          if (crash) for (const message of unanswered) crashing.take(message);
          expect(crashing.rotation).toEqual(plain.rotation);
          expect([...crashing.versions]).toEqual([...plain.versions]);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("I7: looking again at the same moment settles after a few looks, and then changes nothing", () => {
    fc.assert(
      fc.property(starts, steps, fc.boolean(), (start, life, quiet) => {
        const model = live(start, life, () => {});
        for (let looks = 0; looks < 4; looks++)
          model.take(eventNamed(quiet ? "quiet" : "noise", model.rotation, model.now));
        const settled = model.rotation;
        model.take(eventNamed(quiet ? "quiet" : "noise", model.rotation, model.now));
        expect(model.rotation).toBe(settled);
      }),
      { numRuns: 1_000 },
    );
  });

  test("I12: a clock that was set back decides nothing that the later hour did not decide", () => {
    fc.assert(
      fc.property(starts, steps, fc.boolean(), fc.nat(500), (start, life, quiet, backMs) => {
        const { rotation, now } = live(start, life, () => {});
        const event = eventNamed(quiet ? "quiet" : "noise", rotation, now);
        const later = decide(rotation, event, now);
        if (later.ok && later.next === rotation) {
          expect(decide(rotation, event, now - backMs)).toEqual({ ok: true, next: rotation, effects: [] });
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("I13: after the end nothing that the world does changes anything, and nothing that a person asks for is done", () => {
    const all = fc.constantFrom<EventName[]>(
      "begin",
      "acknowledged",
      "used",
      "noise",
      "quiet",
      "claim",
      "confirm",
      "extend",
      "extendOwn",
      "pause",
      "resume",
      "fence",
      "browned",
      "refused",
      "brownout",
      "endBrownout",
      "liftFence",
      "retire",
      "rollback",
      "cancel",
      "kill",
      "contain",
      "killSuccessor",
      "containSuccessor",
      "abandon",
    );
    fc.assert(
      fc.property(starts, steps, all, fc.nat(1_000), (start, life, name, laterMs) => {
        const model = live(start, life, () => {});
        model.take({ type: "abandon" });
        for (const rotation of [...model.ended.values(), model.rotation]) {
          expect(rotation.endedAt).not.toBeNull();
          const decision = decide(rotation, eventNamed(name, rotation, model.now), model.now + laterMs);
          if (decision.ok) expect(decision).toEqual({ ok: true, next: rotation, effects: [] });
          else expect(decision.code).toBe("rotation_ended");
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("every rotation can end", () => {
  const YEAR = 366 * 86_400_000;

  function press(model: KeyModel, names: EventName[], rounds: number): void {
    const { id } = model.rotation;
    for (let round = 0; round < rounds && model.rotation.endedAt === null; round++) {
      for (const name of names) {
        model.now += YEAR;
        model.take(eventNamed(name, model.rotation, model.now));
      }
    }
    expect(model.rotation.id).toBe(id);
    expect(model.rotation.endedAt).not.toBeNull();
  }

  test("L1: once verifiers answer, the consumer moves and the version left behind falls silent, it ends by itself", () => {
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        press(
          live(start, life, () => {}),
          ["resume", "begin", "acknowledged", "used", "quiet"],
          3,
        );
      }),
      { numRuns: 1_000 },
    );
  });

  test("L1: with a consumer that never comes, an operator's `retire` ends it", () => {
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        press(
          live(start, life, () => {}),
          ["resume", "begin", "acknowledged", "retire", "noise"],
          4,
        );
      }),
      { numRuns: 1_000 },
    );
  });

  test("the end of the key ends it in every phase, and forgets the sealed copy", () => {
    fc.assert(
      fc.property(starts, steps, (start, life) => {
        const model = live(start, life, () => {});
        model.take({ type: "abandon" });
        expect(model.rotation.endedAt).not.toBeNull();
        expect([...model.versions.values()].some((version) => version.sealed)).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });
});
