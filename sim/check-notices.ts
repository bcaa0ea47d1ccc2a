/**
 * L4 at the end: everything that was raised has become a message to each channel that wanted it, and each message arrived or lies as a dead letter that
 * operators see. Days pass for that, on the authorities' clocks alone: all others are gone, and an authority looks only when something is due.
 *
 *     servers and consumers end ──▶ receivers are mended, but for the dead ──▶ from due time to due time, until nothing waits
 *                         ──▶ dead letters are listed, sent again by hand, and arrive ──▶ everything is compared
 */
import type { Channel, RaisedEvent } from "../packages/server/src/store/notice-entities.ts";
import type { Store } from "../packages/server/src/store/store.ts";
import type { AuthorityNode } from "./authority-node.ts";
import { type MailModel, type Raised, wants } from "./mail.ts";
import type { Model } from "./model.ts";
import type { Process } from "./process.ts";
import type { Receiver } from "./receiver.ts";
import type { VirtualTime } from "./time.ts";

export interface NoticesParts {
  model: Model;
  time: VirtualTime;
  /** Another one after a death that took a group of writes along. */
  database: { readonly store: Store };
  authorities: AuthorityNode[];
  receivers: Receiver[];
  /** All that is not an authority or a receiver. */
  others: readonly Process[];
  call: (method: string, path: string, body?: object) => Promise<{ status: number; body: string }>;
  /** How long a process may go by what it knows of a channel. */
  cacheMs: number;
  /** Since when everything works again, but for receivers. */
  healedAt: number;
}

const LOOKS = 3;
const LOOK_MS = 1_100;
/** Four days take some sixty rounds. */
const STEP = 0.2;
const ROUNDS_MAX = 120;
const ALL = 100_000;

export async function checkNotices(parts: NoticesParts): Promise<void> {
  const { model, authorities, receivers, others } = parts;
  const over = () => model.violation !== undefined;
  checkPrompt(parts);
  for (const each of others) each.kill();
  await restart(parts);
  for (const receiver of receivers) if (receiver.temper !== "dead") receiver.mend();
  await drain(parts);
  if (!over()) await checkDead(parts);
  for (const receiver of receivers) receiver.mend();
  if (!over()) await sendAgain(parts);
  if (!over()) await checkRaised(parts);
  for (const node of authorities) node.beginTicks();
}

/** For processes to come back and take over each other's work. */
const BACK_MS = 8_000;
/** A second for the round, and the network's time. */
const PROMPT_MS = 4_000;

/** Who takes everything is told at once, whatever the others do: refuse, hang, lie about where they are. */
function checkPrompt({ model, time, receivers, healedAt }: NoticesParts): void {
  const { mail } = model;
  const late = mail.raised.filter(({ at }) => at > healedAt + BACK_MS && at < time.at - PROMPT_MS);
  const rows = new Map([...mail.events.values()].map((row) => [textOf(row), row]));
  for (const { channel: id, temper } of receivers) {
    const channel = mail.steady(id, healedAt, time.at);
    if (temper !== "well" || channel === undefined || channel.digestMs > 0 || channel.quiet !== null) continue;
    for (const { at, draft } of late) {
      const row = rows.get(textOf(draft));
      if (!wants(channel, { event: draft.event, consumerId: draft.consumerId ?? null })) continue;
      const notice = [...mail.notices.values()].find(
        ({ channelId, events }) => channelId === id && events.includes(row?.id ?? ""),
      );
      const first = mail.arrivals.get(notice?.id ?? "")?.find(({ accepted }) => accepted)?.at ?? Infinity;
      if (first > at + PROMPT_MS)
        model.fail(
          "L4",
          draft.keyId,
          `${draft.event} reaches ${channel.name} ${Math.round(first - at)} ms after it was raised`,
        );
    }
  }
}

/** What was on its way is lost with them. On machines whose crystals are right: nothing sets their clocks for hours. */
async function restart({ time, authorities }: NoticesParts): Promise<void> {
  for (const node of authorities) {
    node.process?.kill();
    node.machine.drift = 0;
    node.byHand = true;
    void node.start();
  }
  for (let i = 0; i < 100 && !authorities.every(({ up }) => up); i++) await time.runUntil(time.at + 50, () => false);
}

/** Until nothing waits. */
async function drain({ model, time, authorities }: NoticesParts): Promise<void> {
  const over = () => model.violation !== undefined;
  const begin = time.at;
  for (let round = 0; round < ROUNDS_MAX && !over(); round++) {
    for (let look = 0; look < LOOKS; look++) {
      for (const node of authorities) node.look();
      await time.runUntil(time.at + LOOK_MS, over);
    }
    const next = nextDue(model.mail);
    if (next === undefined) return;
    // The longer it takes, the longer the steps: many wait for nearly the same time.
    await time.runUntil(Math.max(next, time.at + STEP * (time.at - begin)), over);
  }
  if (!over()) model.fail("L4", undefined, "notices never come to rest");
}

/** When something is to be done; undefined: never. */
function nextDue({ raised, events, notices }: MailModel): number | undefined {
  if (events.size < raised.length) return 0;
  const times = [...notices.values()].flatMap((notice) => [
    ...(notice.state === "waiting" ? [notice.dueAt ?? 0] : []),
    ...(notice.escalateAt !== null ? [notice.escalateAt] : []),
  ]);
  return times.length === 0 ? undefined : Math.min(...times);
}

async function listed({ call }: NoticesParts, state: string): Promise<Set<string>> {
  const ids = new Set<string>();
  let cursor: string | null = null;
  do {
    const reply = await call(
      "GET",
      `/v1/notices?state=${state}&limit=200${cursor === null ? "" : `&cursor=${cursor}`}`,
    );
    const page = JSON.parse(reply.body) as { items: { id: string }[]; next: string | null };
    for (const { id } of page.items) ids.add(id);
    cursor = page.next;
  } while (cursor !== null);
  return ids;
}

/** Who looks for dead letters finds all of them. */
async function checkDead(parts: NoticesParts): Promise<void> {
  const { model } = parts;
  const shown = await listed(parts, "dead");
  for (const { id, state } of model.mail.notices.values())
    if ((state === "dead") !== shown.has(id))
      model.fail("L4", undefined, `notice ${id} is ${state}; the list of dead letters says otherwise`);
}

/** A dead letter that is sent again by hand arrives, under its handle. */
async function sendAgain(parts: NoticesParts): Promise<void> {
  const { model, call } = parts;
  const { mail } = model;
  const dead = [...mail.notices.values()].filter(
    ({ state, channelId }) => state === "dead" && mail.channel(channelId) !== undefined,
  );
  const chosen = dead.slice(0, 5);
  for (const { id, channelId } of chosen) {
    if (mail.channel(channelId)?.disabledAt !== null)
      await call("PATCH", `/v1/channels/${channelId}`, { enabled: true });
    const { status } = await call("POST", `/v1/notices/${id}/resend`, {});
    if (status !== 200) model.fail("L4", undefined, `a dead letter can't be sent again: ${status}`);
  }
  if (chosen.length === 0 || model.violation !== undefined) return;
  await drain(parts);
  for (const { id } of chosen)
    if (!mail.wasAccepted(id)) model.fail("L4", undefined, `the dead letter ${id} was sent again, and did not arrive`);
}

async function checkRaised({ model, database, cacheMs }: NoticesParts): Promise<void> {
  const { mail } = model;
  const { store } = database;
  const rows = (await store.list("notice_event", {}, { limit: ALL })).map(({ value }) => value);
  const byText = new Map<string, RaisedEvent[]>();
  for (const row of rows) byText.set(textOf(row), [...(byText.get(textOf(row)) ?? []), row]);
  for (const raised of mail.raised) {
    const { event, keyId } = raised.draft;
    const row = byText.get(textOf(raised.draft))?.shift();
    if (row === undefined) return model.fail("L4", keyId, `${event} was raised, and is in no outbox`);
    if (row.spreadAt === null) return model.fail("L4", keyId, `${event} ${row.id} is never spread`);
    checkSpread(model, raised, row, cacheMs);
  }
  for (const notice of mail.notices.values()) {
    const held = (await store.get("notice", notice.id))?.value;
    if (JSON.stringify(held) !== JSON.stringify(notice))
      model.fail("L4", undefined, `notice ${notice.id} was changed outside a write`);
  }
}

/** Each channel that wanted it the whole time has a message with it, which arrived or is dead. */
function checkSpread(model: Model, { at, draft }: Raised, row: RaisedEvent, cacheMs: number): void {
  const { mail } = model;
  for (const id of mail.channels.keys()) {
    const channel: Channel | undefined = mail.steady(id, at - cacheMs, mail.spreadAt.get(row.id) ?? Infinity);
    if (channel === undefined || !wants(channel, row)) continue;
    const notice = [...mail.notices.values()].find(
      ({ channelId, events }) => channelId === id && events.includes(row.id),
    );
    if (notice === undefined) {
      model.fail("L4", draft.keyId, `${row.event} ${row.id} never became a message to ${channel.name}`);
      return;
    }
    if (notice.state === "dead") continue;
    const arrived = mail.arrivals.get(notice.id)?.some(({ accepted, events }) => accepted && events.includes(row.id));
    if (arrived !== true) {
      model.fail(
        "L4",
        draft.keyId,
        `${row.event} ${row.id} did not reach ${channel.name}; its notice is ${notice.state}`,
      );
      return;
    }
  }
}

function textOf({ event, at, keyId, rotationId, details, dedupe }: RaisedEvent | Raised["draft"]): string {
  return JSON.stringify([event, at, keyId ?? null, rotationId ?? null, details, dedupe ?? null]);
}
