/**
 * One process's part in a rotation, as a pure function: `next(model, event, now, random)`. Each state has one action,
 * which the holder performs (steps.ts); what came of it is the next event.
 *
 *     state       its action                                  events, and where they lead
 *     resting     wait                                        time, told → asking · refused → returning
 *     asking      ask the authority where the key should be   answered → resting, due or erasing
 *     due         wait for the moment to move                 time → locking, or asking if the moment is further off
 *     locking     take the lock, read the source again        adopted → asking · held → saving · absent → claiming
 *                                                             placed → confirming · busy → due, shortly
 *   ┌ claiming    take the successor                          claimed → saving
 *   │ saving      successor into the sidecar, synced          saved → trying
 *   │ trying      ask the probe, if there is one              accepted → replacing · rejected → resting, backing off
 *   │ replacing   replace the secret file, swap in memory     replaced → confirming, or finishing after a rollback
 *   │ confirming  tell the authority                          confirmed → finishing
 *   │ finishing   sidecar: pending becomes current            finished → resting
 *   └ under the lock; so are the next two
 *     erasing     take the lock, forget the previous secret   finished → resting · busy → resting
 *     returning   take the lock, put the old secret back      returned → resting, backing off
 *     closed      –
 *
 * `failed` leads from every working state to resting, backing off; the next round finds in the sidecar how far
 * the last one came. A crash is no different: that is what the crash tests lean on.
 *
 *     C1  a successor is used (trying, replacing) only after saving                       saving → trying is the one way in
 *     C2  the application never waits: no state is awaited by a request                   fetch.ts reads memory only
 *     C3  a failure is followed by a wait, longer each time                               backOff
 *     C4  a fleet spreads out: the moment is drawn once per rotation, target and window   momentOf
 *     C5  a move that can be made is made before a brownout that was announced             beforeBrownout, momentOf
 *     C6  whatever numbers the authority sends, waits stay between 1 s and a day          clamp
 */
import { type Changeover, jittered, type RandomBytes } from "@keyover/core";
import type { Secret } from "./secret.ts";

export interface Move {
  rotation: string;
  key: string;
  from: number;
  to: number;
  /** Back to a version that was left: nothing to confirm. */
  back: boolean;
}

/** Times are the clock's `elapsed`, which no stepped wall clock moves. */
export type State =
  | { at: "resting"; until: number; backingOff: boolean }
  | { at: "asking" }
  | { at: "due"; move: Move; moment: number; until: number }
  | { at: "locking"; move: Move }
  | { at: "claiming"; move: Move }
  | { at: "saving"; move: Move; successor: Secret }
  | { at: "trying"; move: Move; successor: Secret }
  | { at: "replacing"; move: Move; successor: Secret }
  | { at: "confirming"; move: Move }
  | { at: "finishing"; move: Move }
  | { at: "erasing" }
  | { at: "returning"; refused: Secret }
  | { at: "closed" };

export type StateName = State["at"];

/** What the holder knows besides the answer. */
export interface Holds {
  /** The target's secret is in the sidecar. */
  target: boolean;
  /** The target is in place, and the sidecar says that the authority has not been told. */
  unconfirmed: boolean;
  /** The sidecar has secrets of a rotation that is over. */
  leftovers: boolean;
}

export type ChangeoverEvent =
  | { type: "time" }
  /** Somebody says that a look is worth while. A `hint` (a response header) does not shorten a backing off, but for a brownout. */
  | {
      type: "told";
      by: "hint" | "source" | "caller";
      urgent: boolean;
      forGood?: boolean;
      brownout?: Brownout | undefined;
    }
  | { type: "refused"; secret: Secret }
  | { type: "answered"; answer: Changeover; holds: Holds }
  | { type: "busy" }
  | { type: "adopted" }
  | { type: "held"; successor: Secret }
  | { type: "absent" }
  | { type: "placed" }
  | { type: "claimed"; successor: Secret }
  | { type: "saved" }
  | { type: "accepted" }
  | { type: "rejected" }
  | { type: "replaced" }
  | { type: "confirmed" }
  | { type: "finished" }
  | { type: "returned" }
  | { type: "failed" }
  /** The application's first request with a successor was answered well. */
  | { type: "proven" }
  | { type: "close" };

export type ChangeoverEventType = ChangeoverEvent["type"];

/** From then on, epoch milliseconds of the authority's clock, a rotation's old version is refused for a while. */
export interface Brownout {
  rotation: string;
  at: number;
}

/** Why a key stays where it is though it should move. Each is logged once. */
type Obstacle = "not-claimable" | "no-rotation" | "previous-not-held";

export interface Model {
  state: State;
  /** Failures in a row. */
  attempts: number;
  /** How often in a row a successor was in place and had to be taken back. */
  returns: number;
  pollAfterMs: number;
  /** The moment drawn for a rotation, kept while its window stays the same. */
  drawn: { tag: string; moment: number } | undefined;
  /** The last that was announced. */
  brownout: Brownout | undefined;
  /** The authority's time, less `elapsed`, as of its last answer. */
  offset: number | undefined;
  /** The old version is refused already: no point in waiting for the moment. */
  urgent: boolean;
  /** And for good. */
  stranded: boolean;
  obstacle: Obstacle | undefined;
}

export const underLock: Record<StateName, boolean> = {
  resting: false,
  asking: false,
  due: false,
  locking: false,
  claiming: true,
  saving: true,
  trying: true,
  replacing: true,
  confirming: true,
  finishing: true,
  erasing: true,
  returning: true,
  closed: false,
};

const POLL_MIN_MS = 1_000;
const POLL_MAX_MS = 24 * 3_600_000;
const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 5 * 60_000;
/** A successor that real requests were refused with is not tried again before 16 s have passed, then minutes. */
const RETURN_WEIGHT = 4;
const BUSY_MS = 1_000;
/** Nobody is sent into the last minute before the old version ends. */
const SPARE_MS = 60_000;

export const initialModel: Model = {
  state: { at: "asking" },
  attempts: 0,
  returns: 0,
  pollAfterMs: 60_000,
  drawn: undefined,
  brownout: undefined,
  offset: undefined,
  urgent: false,
  stranded: false,
  obstacle: undefined,
};

const CALM = { urgent: false, stranded: false };

/** The next model; the same object where the event means nothing in this state. */
export function next(model: Model, event: ChangeoverEvent, now: number, random: RandomBytes): Model {
  const { state } = model;
  if (state.at === "closed") return model;
  if (event.type === "close") return { ...model, state: { at: "closed" } };
  if (event.type === "proven") return model.returns === 0 ? model : { ...model, returns: 0 };
  if (event.type === "failed") return isWaiting(state) ? model : backOff(model, now, random);
  switch (state.at) {
    case "resting":
    case "due":
      return afterWaiting(model, state, event, now);
    case "asking":
      return event.type === "answered" ? afterAnswer(model, event, now, random) : model;
    case "locking":
      return afterLocking(model, state.move, event, now, random);
    case "claiming":
      return event.type === "claimed"
        ? { ...model, state: { ...state, at: "saving", successor: event.successor } }
        : model;
    case "saving":
      return event.type === "saved" ? { ...model, state: { ...state, at: "trying" } } : model;
    case "trying":
      if (event.type === "rejected") return backOff(model, now, random);
      return event.type === "accepted" ? { ...model, state: { ...state, at: "replacing" } } : model;
    case "replacing":
      if (event.type !== "replaced") return model;
      return { ...model, ...CALM, state: { at: state.move.back ? "finishing" : "confirming", move: state.move } };
    case "confirming":
      return event.type === "confirmed" ? { ...model, state: { at: "finishing", move: state.move } } : model;
    case "finishing":
      return event.type === "finished" ? rest(model, now, random) : model;
    case "erasing":
      return event.type === "finished" || event.type === "busy" ? rest(model, now, random) : model;
    case "returning":
      if (event.type !== "returned" && event.type !== "busy") return model;
      return backOff({ ...model, returns: model.returns + 1 }, now, random);
  }
}

export function isWaiting(state: State): state is Extract<State, { until: number }> {
  return state.at === "resting" || state.at === "due";
}

function afterWaiting(
  model: Model,
  state: Extract<State, { until: number }>,
  event: ChangeoverEvent,
  now: number,
): Model {
  switch (event.type) {
    case "refused":
      return { ...model, state: { at: "returning", refused: event.secret } };
    case "told": {
      const patient = event.by === "hint" && !event.urgent && (state.at === "due" || state.backingOff);
      if (patient) return event.brownout === undefined ? model : beforeBrownout(model, state, event.brownout, now);
      const [urgent, stranded] = [model.urgent || event.urgent, model.stranded || event.forGood === true];
      const { brownout = model.brownout } = event;
      return { ...model, urgent, stranded, brownout, state: { at: "asking" } };
    }
    case "time":
      if (now < state.until) return model;
      if (state.at === "due" && now >= state.moment) return { ...model, state: { at: "locking", move: state.move } };
      return { ...model, state: { at: "asking" } };
    default:
      return model;
  }
}

/** A moment that lies behind a brownout is drawn anew; a backing off ends shortly before one, so that there is a try. */
function beforeBrownout(before: Model, state: Extract<State, { until: number }>, told: Brownout, now: number): Model {
  const { brownout } = before;
  const model =
    brownout?.rotation === told.rotation && brownout.at === told.at ? before : { ...before, brownout: told };
  const begins = brownoutOf(model, now);
  if (begins === undefined) return model;
  if (state.at === "due") return state.moment <= begins - SPARE_MS ? model : { ...model, state: { at: "asking" } };
  const until = inTime(model, state.until, now);
  return until === state.until ? model : { ...model, state: { ...state, until } };
}

/** By `elapsed`, when the brownout that was announced begins; undefined: none is ahead, as far as is known. */
function brownoutOf({ brownout, offset }: Model, now: number): number | undefined {
  if (brownout === undefined || offset === undefined) return undefined;
  const begins = brownout.at - offset;
  return begins > now ? begins : undefined;
}

/** The end of a wait, or so long before a brownout; less than that before one nothing is shortened, lest each hint do it. */
function inTime(model: Model, until: number, now: number): number {
  const latest = (brownoutOf(model, now) ?? Number.POSITIVE_INFINITY) - SPARE_MS;
  return latest > now ? Math.min(until, latest) : until;
}

type Answered = Extract<ChangeoverEvent, { type: "answered" }>;

function afterAnswer(model: Model, { answer, holds }: Answered, now: number, random: RandomBytes): Model {
  const heard: Model = {
    ...model,
    pollAfterMs: clamp(answer.pollAfterMs),
    obstacle: undefined,
    offset: answer.now - now,
    brownout: model.brownout?.rotation === answer.rotation?.id ? model.brownout : undefined,
  };
  const { rotation, version, target } = answer;
  if (version === target) {
    if (holds.unconfirmed && rotation !== null) return become(heard, answer, rotation, now, now);
    return holds.leftovers ? { ...heard, state: { at: "erasing" } } : rest({ ...heard, ...CALM }, now, random);
  }
  if (rotation === null) return rest({ ...heard, obstacle: "no-rotation" }, now, random);
  if (!holds.target && target < version) return rest({ ...heard, obstacle: "previous-not-held" }, now, random);
  if (!holds.target && !rotation.claimable) return rest({ ...heard, obstacle: "not-claimable" }, now, random);
  const drawn = momentOf(heard, answer, rotation, now, random);
  return become({ ...heard, drawn }, answer, rotation, heard.urgent ? now : drawn.moment, now);
}

type RotationView = NonNullable<Changeover["rotation"]>;

function become(model: Model, answer: Changeover, rotation: RotationView, moment: number, now: number): Model {
  const { key, version, target } = answer;
  const move: Move = { rotation: rotation.id, key, from: version, to: target, back: target < version };
  return { ...model, state: { at: "due", move, moment, until: Math.min(moment, now + model.pollAfterMs) } };
}

/** A moment in the suggested window, by the authority's clock, and before a brownout; one already past means now. */
function momentOf(model: Model, answer: Changeover, rotation: RotationView, now: number, random: RandomBytes) {
  const { from, to } = rotation.suggested;
  const brownout = model.brownout !== undefined && model.brownout.at > answer.now ? model.brownout.at : undefined;
  const tag = `${rotation.id} ${answer.target} ${from} ${to} ${rotation.endsAt} ${brownout}`;
  if (model.drawn?.tag === tag) return model.drawn;
  let latest = Math.max(from, rotation.endsAt === null ? to : Math.min(to, rotation.endsAt - SPARE_MS));
  let earliest = from;
  if (brownout !== undefined && latest > brownout - SPARE_MS) {
    latest = brownout - SPARE_MS;
    earliest = Math.min(from, answer.now, latest);
  }
  const [high = 0, low = 0] = random(2);
  const moment = earliest + ((high * 256 + low) / 65_536) * (latest - earliest);
  return { tag, moment: now + Math.max(0, moment - answer.now) };
}

function afterLocking(model: Model, move: Move, event: ChangeoverEvent, now: number, random: RandomBytes): Model {
  switch (event.type) {
    case "adopted":
      return { ...model, ...CALM, state: { at: "asking" } };
    case "held":
      return { ...model, state: { at: "saving", move, successor: event.successor } };
    case "absent":
      // The answer said that it was held, and it no longer is: ask again.
      return move.back ? backOff(model, now, random) : { ...model, state: { at: "claiming", move } };
    case "placed":
      return { ...model, state: { at: "confirming", move } };
    case "busy": {
      const until = now + jittered(BUSY_MS, 0.5, random);
      return { ...model, state: { at: "due", move, moment: until, until } };
    }
    default:
      return model;
  }
}

function rest(model: Model, now: number, random: RandomBytes): Model {
  const until = now + jittered(model.pollAfterMs, 0.1, random);
  return { ...model, attempts: 0, state: { at: "resting", until, backingOff: false } };
}

function backOff(model: Model, now: number, random: RandomBytes): Model {
  const doublings = Math.min(20, model.attempts + RETURN_WEIGHT * model.returns);
  const delay = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** doublings);
  const until = inTime(model, now + jittered(delay, 0.5, random), now);
  return { ...model, attempts: model.attempts + 1, state: { at: "resting", until, backingOff: true } };
}

function clamp(pollAfterMs: number): number {
  return Math.min(POLL_MAX_MS, Math.max(POLL_MIN_MS, pollAfterMs));
}
