import type { Changeover } from "@keyover/core";
import { describe, expect, test } from "vitest";
import {
  type ChangeoverEvent,
  type ChangeoverEventType,
  type Holds,
  initialModel,
  type Model,
  type Move,
  next,
  type State,
  type StateName,
} from "./changeover.ts";
import { seeded } from "./client.test-world.ts";
import { Secret } from "./secret.ts";

const NOW = 1_000_000;
const random = seeded(3);
const secret = Secret.parse("s2") as Secret;
const move: Move = { rotation: "rot_1", key: "key_1", from: 1, to: 2, back: false };

const states: Record<StateName, State> = {
  resting: { at: "resting", until: NOW, backingOff: false },
  asking: { at: "asking" },
  due: { at: "due", move, moment: NOW, until: NOW },
  locking: { at: "locking", move },
  claiming: { at: "claiming", move },
  saving: { at: "saving", move, successor: secret },
  trying: { at: "trying", move, successor: secret },
  replacing: { at: "replacing", move, successor: secret },
  confirming: { at: "confirming", move },
  finishing: { at: "finishing", move },
  erasing: { at: "erasing" },
  returning: { at: "returning", refused: secret },
  closed: { at: "closed" },
};

const answer = (change: Partial<Changeover> = {}): Changeover => ({
  now: 5_000_000,
  key: "key_1",
  environment: "live",
  version: 1,
  target: 2,
  rotation: {
    id: "rot_1",
    phase: "offered",
    from: 1,
    to: 2,
    claimable: true,
    endsAt: null,
    suggested: { from: 5_000_000, to: 5_000_000 },
  },
  pollAfterMs: 60_000,
  ...change,
});
const nothing: Holds = { target: false, unconfirmed: false, leftovers: false };

const events: Record<ChangeoverEventType, ChangeoverEvent> = {
  time: { type: "time" },
  told: { type: "told", by: "caller", urgent: false },
  refused: { type: "refused", secret },
  answered: { type: "answered", answer: answer(), holds: nothing },
  busy: { type: "busy" },
  adopted: { type: "adopted" },
  held: { type: "held", successor: secret },
  absent: { type: "absent" },
  placed: { type: "placed" },
  claimed: { type: "claimed", successor: secret },
  saved: { type: "saved" },
  accepted: { type: "accepted" },
  rejected: { type: "rejected" },
  replaced: { type: "replaced" },
  confirmed: { type: "confirmed" },
  finished: { type: "finished" },
  returned: { type: "returned" },
  failed: { type: "failed" },
  proven: { type: "proven" },
  close: { type: "close" },
};

type Expected = StateName | "-";
/** "-": nothing changes. */
const none: Record<ChangeoverEventType, Expected> = {
  time: "-",
  told: "-",
  refused: "-",
  answered: "-",
  busy: "-",
  adopted: "-",
  held: "-",
  absent: "-",
  placed: "-",
  claimed: "-",
  saved: "-",
  accepted: "-",
  rejected: "-",
  replaced: "-",
  confirmed: "-",
  finished: "-",
  returned: "-",
  failed: "-",
  proven: "-",
  close: "closed",
};
const working = { ...none, failed: "resting" } as const;

/** Each state and event; what is not named changes nothing. */
const table: Record<StateName, Record<ChangeoverEventType, Expected>> = {
  resting: { ...none, time: "asking", told: "asking", refused: "returning" },
  asking: { ...working, answered: "due" },
  due: { ...none, time: "locking", told: "asking", refused: "returning" },
  locking: { ...working, busy: "due", adopted: "asking", held: "saving", absent: "claiming", placed: "confirming" },
  claiming: { ...working, claimed: "saving" },
  saving: { ...working, saved: "trying" },
  trying: { ...working, accepted: "replacing", rejected: "resting" },
  replacing: { ...working, replaced: "confirming" },
  confirming: { ...working, confirmed: "finishing" },
  finishing: { ...working, finished: "resting" },
  erasing: { ...working, finished: "resting", busy: "resting" },
  returning: { ...working, returned: "resting", busy: "resting" },
  closed: { ...none, close: "-" },
};

const inState = (state: State, more: Partial<Model> = {}): Model => ({ ...initialModel, state, ...more });

describe("each event in each state", () => {
  for (const [at, row] of Object.entries(table) as [StateName, Record<ChangeoverEventType, Expected>][]) {
    test.each(Object.entries(row) as [ChangeoverEventType, Expected][])(`${at}: %s → %s`, (type, expected) => {
      const before = inState(states[at]);
      const after = next(before, events[type], NOW, random);
      if (expected === "-") expect(after).toBe(before);
      else expect(after.state.at).toBe(expected);
    });
  }
});

describe("what the authority's answer leads to", () => {
  const ask = (change: Partial<Changeover>, holds: Partial<Holds> = {}, more: Partial<Model> = {}) =>
    next(
      inState(states.asking, more),
      { type: "answered", answer: answer(change), holds: { ...nothing, ...holds } },
      NOW,
      random,
    );
  const view = answer().rotation as NonNullable<Changeover["rotation"]>;

  test.each<[string, Partial<Changeover>, Partial<Holds>, StateName, Model["obstacle"]]>([
    ["on the right version", { version: 2 }, {}, "resting", undefined],
    ["in place but not confirmed", { version: 2 }, { unconfirmed: true }, "due", undefined],
    ["over, with old secrets left", { version: 2, rotation: null }, { leftovers: true }, "erasing", undefined],
    [
      "behind, and the successor held from before a crash",
      { rotation: { ...view, claimable: false } },
      { target: true },
      "due",
      undefined,
    ],
    [
      "behind, and somebody else has the successor",
      { rotation: { ...view, claimable: false } },
      {},
      "resting",
      "not-claimable",
    ],
    ["behind, and no rotation runs", { rotation: null }, {}, "resting", "no-rotation"],
    ["rolled back, the old one held", { version: 2, target: 1 }, { target: true }, "due", undefined],
    ["rolled back, the old one lost", { version: 2, target: 1 }, {}, "resting", "previous-not-held"],
  ])("%s", (_, change, holds, at, obstacle) => {
    const after = ask(change, holds);
    expect([after.state.at, after.obstacle]).toEqual([at, obstacle]);
  });

  test("a rollback is confirmed to nobody", () => {
    const { state } = ask({ version: 2, target: 1 }, { target: true });
    expect(state).toMatchObject({ move: { from: 2, to: 1, back: true } });
    const replaced = inState({ at: "replacing", move: { ...move, back: true }, successor: secret });
    expect(next(replaced, { type: "replaced" }, NOW, random).state.at).toBe("finishing");
  });

  test("the moment lies in the window, and not in the last minute of the old version", () => {
    const endsAt = 5_600_000;
    for (let i = 0; i < 500; i++) {
      const { state } = ask({ rotation: { ...view, endsAt, suggested: { from: 5_100_000, to: 9_000_000 } } });
      const moment = state.at === "due" ? state.moment - NOW + 5_000_000 : Number.NaN;
      expect(moment).toBeGreaterThanOrEqual(5_100_000);
      expect(moment).toBeLessThanOrEqual(endsAt - 60_000);
    }
  });

  test.each([
    { from: 0, to: 0 },
    { from: 9, to: 3 },
    { from: -1e300, to: 1e300 },
    { from: 5_000_000, to: 4_000_000 },
  ])("a window that is past or nonsense (%o) still gives a number", (suggested) => {
    const { state } = ask({ rotation: { ...view, suggested, endsAt: 5_060_000 } });
    expect(state.at === "due" && Number.isFinite(state.moment) && state.until <= NOW + 60_000).toBe(true);
  });

  test("a refused old version does not wait for its moment", () => {
    const later = { rotation: { ...view, suggested: { from: 9_000_000, to: 9_000_000 } } };
    expect(ask(later).state).toMatchObject({ moment: NOW + 4_000_000 });
    expect(ask(later, {}, { urgent: true }).state).toMatchObject({ moment: NOW });
  });
});

test("a header shortens no pause after a failure and moves no moment; a caller's check does", () => {
  const hint: ChangeoverEvent = { type: "told", by: "hint", urgent: false };
  const pause = inState({ at: "resting", until: NOW + 9_000, backingOff: true });
  const due = inState({ at: "due", move, moment: NOW + 9_000, until: NOW + 9_000 });
  for (const model of [pause, due]) {
    expect(next(model, hint, NOW, random)).toBe(model);
    expect(next(model, events.told, NOW, random).state.at).toBe("asking");
  }
});

describe("R09: a brownout that a header has announced", () => {
  /** The authority's clock is 4,000,000 ahead of `elapsed`. */
  const offset = answer().now - NOW;
  const at = (inMs: number) => NOW + offset + inMs;
  const told = (inMs: number, rotation = "rot_1"): ChangeoverEvent => ({
    type: "told",
    by: "hint",
    urgent: false,
    brownout: { rotation, at: at(inMs) },
  });
  const knowing = (state: State) => ({ ...inState(state), offset });
  const pause = knowing({ at: "resting", until: NOW + 300_000, backingOff: true });
  const due = knowing({ at: "due", move, moment: NOW + 300_000, until: NOW + 60_000 });

  test("ends a pause after a failure a minute before, once; nearer than that it ends none", () => {
    const model = next(pause, told(100_000), NOW, random);
    expect(model.state).toEqual({ at: "resting", until: NOW + 40_000, backingOff: true });
    expect(next(model, told(100_000), NOW + 5_000, random)).toBe(model);
    for (const inMs of [60_000, 1, 0, -5_000]) expect(next(pause, told(inMs), NOW, random).state).toEqual(pause.state);
    expect(next(pause, told(400_000), NOW, random).state).toEqual(pause.state);
    // What fails then waits again as long as it would have.
    const again = next({ ...model, state: states.asking, attempts: 9 }, events.failed, NOW + 40_000, random);
    expect(again.state.at === "resting" && again.state.until - NOW - 40_000).toBeGreaterThanOrEqual(150_000);
  });

  test("is heeded by the pauses that come after the header, too", () => {
    const heard = next(pause, told(100_000), NOW, random);
    const failed = next({ ...heard, state: states.asking, attempts: 9 }, events.failed, NOW, random);
    expect(failed.state).toMatchObject({ until: NOW + 40_000 });
  });

  test("has a moment that lies behind it drawn anew, before it", () => {
    expect(next(due, told(400_000), NOW, random).state).toEqual(due.state);
    const asking = next(due, told(200_000), NOW, random);
    expect(asking.state.at).toBe("asking");
    const view = { ...(answer().rotation as NonNullable<Changeover["rotation"]>) };
    const suggested = { from: at(300_000), to: at(900_000) };
    for (let i = 0; i < 200; i++) {
      const event = { ...events.answered, answer: answer({ rotation: { ...view, suggested } }) } as ChangeoverEvent;
      const { state } = next({ ...asking, drawn: undefined }, event, NOW, random);
      const moment = state.at === "due" ? state.moment : Number.NaN;
      expect(moment).toBeGreaterThanOrEqual(NOW);
      expect(moment).toBeLessThanOrEqual(NOW + 140_000);
    }
    const soon = next({ ...asking, brownout: { rotation: "rot_1", at: at(30_000) } }, events.answered, NOW, random);
    expect(soon.state).toMatchObject({ at: "due", moment: NOW });
  });

  test("of another rotation, or where the authority's time is not known, changes nothing", () => {
    const other = next(
      { ...due, state: states.asking, brownout: { rotation: "rot_0", at: at(9) } },
      events.answered,
      NOW,
      random,
    );
    expect(other.brownout).toBeUndefined();
    const unknown = { ...pause, offset: undefined };
    expect(next(unknown, told(100_000), NOW, random).state).toEqual(pause.state);
  });
});

test("pauses double up to five minutes, and after a successor had to be taken back they begin at 16 s", () => {
  const pauses: number[] = [];
  let model = inState(states.asking);
  for (let i = 0; i < 12; i++) {
    model = { ...next({ ...model, state: states.asking }, events.failed, NOW, random) };
    pauses.push(model.state.at === "resting" ? model.state.until - NOW : 0);
  }
  pauses.forEach((pause, i) => {
    const middle = Math.min(300_000, 1_000 * 2 ** i);
    expect(pause).toBeGreaterThanOrEqual(middle * 0.5);
    expect(pause).toBeLessThanOrEqual(middle * 1.5);
  });
  const returned = next(inState(states.returning), events.returned, NOW, random);
  expect(returned.state).toMatchObject({ backingOff: true });
  expect(returned.state.at === "resting" && returned.state.until - NOW).toBeGreaterThanOrEqual(8_000);
  expect(next(returned, events.proven, NOW, random).returns).toBe(0);
});
