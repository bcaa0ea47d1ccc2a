/**
 * Notices on their way: one process of all (the leading one) spreads what was raised, sends what is due, and lets go on what nobody
 * answers.
 *
 *     notice_event ──spread──▶ notice, waiting ──send──▶ sent
 *                                   ▲    │ later              nobody acknowledges ──▶ a notice to the next channel
 *                                   └────┤ never, or too long ──▶ dead (can be sent again by hand)
 *
 * A notice is marked sent after it was sent. Who crashes in between sends it again, under the same id: at least once (L4). Nothing here is
 * awaited by whoever raises an event, and sending happens beside this duty: a target that hangs takes a place in its own lane and no other's.
 */
import { isHandle, makeHandle, type RandomBytes, type World } from "@keyover/core";
import type { Custody } from "../custody/custody.ts";
import type { Channel, Notice, RaisedEvent } from "../store/notice-entities.ts";
import { type Fence, type Held, mailed, type Store } from "../store/store.ts";
import { openedSecrets } from "./channel-secrets.ts";
import { eventKinds } from "./events.ts";
import { gatherNoticeFacts } from "./facts.ts";
import { createLanes, laneOf } from "./lanes.ts";
import { forRecipients, isAstray } from "./recipients.ts";
import { type Attempt, CANT_BE_SENT, type Send } from "./senders.ts";
import { isSettled } from "./settled.ts";
import { escalated, spreadTo, type Told, wants } from "./spread.ts";
import { nextAttempt } from "./timing.ts";

export interface PostOffice {
  /** Something was raised: look soon. */
  wake(): void;
  /** One look at all that is due. Resolves when that is under way, not when it has arrived. */
  run(): Promise<void>;
  /** The same, but resolves with its first part: the rest goes on by itself. */
  part(): Promise<void>;
  /** A channel may have been changed, by us or another process; `subjects`: only if it is one of these. */
  forget(subjects?: readonly string[]): void;
  /** Resolves once nothing is being sent. */
  idle(): Promise<void>;
  /** Stops what is being sent; it is sent again later. */
  close(): Promise<void>;
}

export interface PostOfficeDeps {
  world: World;
  store: Store;
  custody: Custody;
  send: Send;
  /** The proof that this is our work, or undefined: another process's. */
  leads: () => { fence: Fence | undefined } | undefined;
  /** Names of channels that the policies of these keys name, by key. */
  named: (keyIds: readonly string[]) => Promise<ReadonlyMap<string, readonly string[]>>;
  /** Disables a channel whose target says that it is gone. */
  disable: (channelId: string, reason: string) => Promise<void>;
  count: (what: "sent" | "failed" | "dead", kind: Channel["kind"]) => void;
}

/** In one part of a look, some ten milliseconds' worth. Where there is more the next part follows at once, after whatever else waits. */
const SPREAD_AT_ONCE = 64;
const ESCALATE_AT_ONCE = 25;
const ROUNDS_MAX = 80;
/** Places that became free while others were begun. */
const SENDING_ROUNDS_MAX = 20;
const CHANNELS_MAX = 100_000;
/** How long after a failure of the database a notice is looked at again. */
const UNNOTED_MS = 5_000;
/** A wake joins those that come within this time. */
const WAKE_MS = 20;

/** False: nothing was sent, because of how the channel or the notice stood. If that can't be noted, it is looked at again: it may have changed. */
function wasTried(attempt: Attempt): boolean {
  return attempt.ok || attempt.again !== "never" || attempt.status !== null;
}

export function createPostOffice({ world, store, custody, send, leads, ...deps }: PostOfficeDeps): PostOffice {
  const lanes = createLanes();
  const inFlight = new Map<string, Promise<void>>();
  /** Tried, but that could not be noted: so that it is noted later, and not tried again and again meanwhile. Until when it waits, monotonic. */
  const unnoted = new Map<string, { attempt: Attempt | undefined; until: number }>();
  const stopped = new AbortController();
  let known: Promise<Map<string, Channel>> | undefined;
  let running: Promise<void> | undefined;
  let again = false;
  let scheduled = false;

  const tools = () => ({
    now: world.clock.now(),
    handle: () => makeHandle("notice", world.clock.now(), world.random),
  });

  const channels = (): Promise<Map<string, Channel>> => {
    known ??= store
      .list("channel", {}, { limit: CHANNELS_MAX })
      .then((rows) => new Map(rows.map(({ value }) => [value.id, value])))
      .catch((error: unknown) => {
        known = undefined;
        throw error;
      });
    return known;
  };

  // ---- spreading ----------------------------------------------------------------------------------------------------

  /** True if there may be more. */
  const spreadSome = async (fence: Fence | undefined): Promise<boolean> => {
    const raised = await store.list("notice_event", { equals: { waits: 1 } }, { limit: SPREAD_AT_ONCE });
    if (raised.length === 0) return false;
    const more = raised.length === SPREAD_AT_ONCE;
    const all = [...(await channels()).values()];
    const now = world.clock.now();
    const named = await deps.named(raised.flatMap(({ value }) => value.keyId ?? []));
    const events = await Promise.all(
      raised.map(async ({ value }): Promise<Told> => {
        const by = named.get(value.keyId ?? "") ?? [];
        const heard = all.some((channel) => wants(channel, { raised: value, by }));
        const facts = heard ? await gatherNoticeFacts(store, value) : null;
        return { raised: { ...value, spreadAt: now, facts }, by };
      }),
    );
    const receivers = all.filter((channel) => events.some((event) => wants(channel, event)));
    const drafts = await Promise.all(
      receivers.map(async (channel) => {
        const open = await store.list("notice", { equals: { collects: channel.id } }, { limit: 20 });
        return spreadTo(channel, events, open, tools());
      }),
    );
    const writes = [
      ...events.map((event, i) => mailed("notice_event", event.raised, raised[i])),
      ...drafts.flat().map(({ value, held }) => mailed("notice", value, held)),
    ];
    // Not written: somebody else has changed a row, or does this work by now. The next look finds out.
    return (await store.post({ fence, writes })) && more;
  };

  // ---- escalation ---------------------------------------------------------------------------------------------------

  /** True if there may be more. */
  const escalateSome = async (fence: Fence | undefined): Promise<boolean> => {
    const due = await store.overdue("escalate_at", world.clock.now(), [], ESCALATE_AT_ONCE);
    if (due.length === 0) return false;
    const all = await channels();
    let written = true;
    for (const held of due) {
      const { value } = held;
      const targetId = all.get(value.channelId)?.escalate?.channelId;
      const target = all.get(targetId ?? "");
      const open = await openEvents(value);
      const next = escalated(value, open, target, tools());
      const writes = [
        mailed("notice", { ...value, escalateAt: null }, held),
        ...(next ? [mailed("notice", next)] : []),
      ];
      written = (await store.post({ fence, writes })) && written;
      if (next !== undefined)
        world.log("warn", "notice.escalated", { notice: value.id, to: next.id, channel: next.channelId });
      else if (open.length > 0 && target?.disabledAt !== null)
        world.log("error", "notice.not_escalated", { notice: value.id, channel: targetId, gone: target === undefined });
    }
    return written && due.length === ESCALATE_AT_ONCE;
  };

  /** Those that need a reaction, and have not been settled. */
  const openEvents = async (notice: Notice): Promise<RaisedEvent[]> => {
    const events = (await eventsOf(notice)).filter(({ event }) => eventKinds[event].reaction);
    const settled = await Promise.all(events.map((each) => isSettled(store, each, world.clock.now())));
    return events.filter((_, i) => settled[i] === false);
  };

  const eventsOf = async (notice: Notice): Promise<RaisedEvent[]> => {
    const rows = await Promise.all(notice.events.map((id) => store.get("notice_event", id)));
    return rows.flatMap((row) => (row === undefined ? [] : [row.value]));
  };

  // ---- sending ------------------------------------------------------------------------------------------------------

  const sendSome = async (fence: Fence | undefined): Promise<boolean> => {
    const all = await channels();
    const room = lanes.room();
    if (room === 0) return false;
    const full = [...all.values()].filter((channel) => lanes.isFull(laneOf(channel))).map(({ id }) => id);
    // What is under way now may have arrived by the time of the answer, which does not know of it.
    const underWay = new Set(inFlight.keys());
    const due = await store.overdue("due_at", world.clock.now(), full, room + inFlight.size + unnoted.size);
    let begun = false;
    for (const held of due) {
      const { value } = held;
      const lane = laneOf(all.get(value.channelId));
      if (underWay.has(value.id) || inFlight.has(value.id) || lanes.isFull(lane) || lanes.room() === 0) continue;
      if ((unnoted.get(value.id)?.until ?? 0) > world.clock.elapsed()) continue;
      const leave = lanes.enter(lane);
      begun = true;
      const work = sendOne(held, fence)
        .then((reached) => leave(reached))
        .catch((error: unknown) => {
          leave(true);
          const attempt = unnoted.get(value.id)?.attempt;
          unnoted.set(value.id, { attempt, until: world.clock.elapsed() + UNNOTED_MS });
          world.log("error", "notice.not_noted", { notice: value.id, error: String(error) });
        })
        .finally(() => {
          inFlight.delete(value.id);
          // Its place is free: there may be more to send.
          if (!stopped.signal.aborted) wake();
        });
      inFlight.set(value.id, work);
    }
    return begun;
  };

  /** Answers whether the target was reached. */
  const sendOne = async (held: Held<Notice>, fence: Fence | undefined) => {
    // As it is now: another process may just have enabled it, or given it another secret, and word of it may still be on its way.
    const channel = (await store.get("channel", held.value.channelId))?.value;
    const notice = await closed(held, channel, fence);
    if (notice === undefined) return true;
    const attempt = unnoted.get(notice.value.id)?.attempt ?? (await attemptOf(notice.value, channel));
    if (stopped.signal.aborted && !attempt.ok) return true;
    unnoted.set(notice.value.id, { attempt: wasTried(attempt) ? attempt : undefined, until: 0 });
    await settle(notice, attempt, fence);
    unnoted.delete(notice.value.id);
    return attempt.ok || attempt.status !== null;
  };

  /**
   * Closed first: what is raised from now on must not join a message that is on its way, and each recipient has a notice of his own
   * before the first is sent to. Undefined if somebody else has changed it.
   */
  const closed = async (held: Held<Notice>, channel: Channel | undefined, fence: Fence | undefined) => {
    const notice = { ...held.value, collects: false };
    const { copyOf = null } = notice;
    const first =
      channel !== undefined && copyOf !== null && isAstray(notice, channel)
        ? await store.get("notice", copyOf)
        : undefined;
    const addressed = channel && forRecipients(notice, channel, tools().handle, first?.value);
    const own = addressed?.own ?? notice;
    if (!held.value.collects && own === notice) return held;
    const writes = [
      mailed("notice", own, held),
      ...(addressed?.copies ?? []).map((copy) => mailed("notice", copy)),
      // Whoever is at another of its dead letters just now finds this row changed, and looks again.
      ...(addressed?.first === undefined ? [] : [mailed("notice", addressed.first, first)]),
    ];
    return (await store.post({ fence, writes })) ? { value: own, rev: held.rev + 1 } : undefined;
  };

  const attemptOf = async (notice: Notice, channel: Channel | undefined): Promise<Attempt> => {
    const dead = (error: string): Attempt => ({ ok: false, again: "never", status: null, error, publicError: error });
    if (channel === undefined) return dead("the channel was removed");
    if (channel.disabledAt !== null) return dead(`the channel is disabled: ${channel.disabledReason}`);
    const { recipient = null } = notice;
    if (recipient !== null && channel.config.to?.includes(recipient) !== true)
      return dead(`${recipient} is no longer a recipient of the channel`);
    const events = await eventsOf(notice);
    if (events.length === 0) return dead("its events are past keeping");
    const now = world.clock.now();
    try {
      const secrets = openedSecrets(custody, channel, now);
      const after = notice.escalatedFrom.at(-1)?.notice ?? null;
      return await send({ id: notice.id, channel, secrets, recipient, after, events }, now, stopped.signal);
    } catch (error) {
      return { ok: false, again: "later", status: null, error: String(error), publicError: CANT_BE_SENT };
    }
  };

  const settle = async (held: Held<Notice>, attempt: Attempt, fence: Fence | undefined): Promise<void> => {
    const { id, channelId, kind } = held.value;
    const noted = await note(held, attempt, fence);
    const about = { notice: id, channel: channelId, kind, attempts: noted.attempts };
    deps.count(attempt.ok ? "sent" : "failed", kind);
    if (attempt.ok) return world.log("debug", "notice.sent", about);
    const dead = noted.state === "dead";
    if (dead) deps.count("dead", kind);
    const { status, error: reason } = attempt;
    world.log("warn", dead ? "notice.dead" : "notice.failed", { ...about, status, reason });
    if (attempt.again === "gone") await deps.disable(channelId, "the target answered 410: gone");
  };

  /** Somebody may acknowledge a notice while it is on its way: that must stay, and must not make it go out twice. */
  const note = async (given: Held<Notice>, attempt: Attempt, fence: Fence | undefined): Promise<Notice> => {
    let held: Held<Notice> | undefined = given;
    for (let tries = 0; tries < 3 && held !== undefined; tries++) {
      const value = afterAttempt(held.value, attempt, world.clock.now(), world.random);
      if (await store.post({ fence, writes: [mailed("notice", value, held)] })) return value;
      held = await store.get("notice", given.value.id);
    }
    throw new Error("the outcome could not be noted");
  };

  // ---- the round ----------------------------------------------------------------------------------------------------

  /** `rounds`: of spreading and escalating. What is left then is done in later turns. */
  const look = async (rounds: number) => {
    const lead = leads();
    if (lead === undefined || stopped.signal.aborted) return;
    let more = true;
    for (let round = 0; round < rounds && more; round++)
      more = [await spreadSome(lead.fence), await escalateSome(lead.fence)].includes(true);
    for (let round = 0; round < SENDING_ROUNDS_MAX && (await sendSome(lead.fence)); round++);
    if (more) wake(0);
  };

  const run = (rounds: number): Promise<void> => {
    if (running !== undefined) {
      again = true;
      return running;
    }
    running = look(rounds).finally(() => {
      running = undefined;
      if (again && !stopped.signal.aborted) wake();
      again = false;
    });
    return running;
  };

  const wake = (afterMs = WAKE_MS) => {
    if (scheduled || stopped.signal.aborted) return;
    scheduled = true;
    world.clock.after(afterMs, () => {
      scheduled = false;
      run(1).catch((error: unknown) => world.log("error", "notices.failed", { error: String(error) }));
    });
  };

  const idle = async () => {
    while (inFlight.size > 0) await Promise.all(inFlight.values());
  };

  return {
    wake: () => wake(),
    run: () => run(ROUNDS_MAX),
    part: () => run(1),
    idle,
    forget(subjects) {
      if (subjects === undefined || subjects.some((id) => isHandle("channel", id))) known = undefined;
    },
    async close() {
      stopped.abort();
      await running?.catch(() => {});
      await idle();
    },
  };
}

/** Sent, to be tried again, or dead. */
function afterAttempt(notice: Notice, attempt: Attempt, now: number, random: RandomBytes): Notice {
  const attempts = notice.attempts + 1;
  const tried: Notice = { ...notice, attempts, lastAttemptAt: now };
  if (attempt.ok) return { ...tried, state: "sent", sentAt: now, dueAt: null, lastError: null, lastErrorPublic: null };
  const next =
    attempt.again === "later" ? nextAttempt({ ...notice, attempts }, now, random, attempt.retryAfterMs) : undefined;
  const failed = { ...tried, lastError: attempt.error, lastErrorPublic: attempt.publicError };
  return next === undefined ? { ...failed, state: "dead", dueAt: null } : { ...failed, dueAt: next };
}
