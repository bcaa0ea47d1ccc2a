/**
 * L4 while it happens: what the office that sends notices may write. An event goes to a channel in one message, under one handle; a message that
 * was closed gets no more events; it is noted as sent if its receiver said that it has it, and given up after three days, or where its receiver is gone.
 */
import type { Notice } from "../packages/server/src/store/notice-entities.ts";
import type { Mail } from "../packages/server/src/store/store.ts";
import { gravity, type MailModel } from "./mail.ts";
import type { Model } from "./model.ts";

/** What could not be noted is noted later: by then it may be old. */
const AGAIN_MS = 15_000;
const TRIED_FOR_MS = 3 * 86_400_000;

/** Called before the model knows of it. `slackMs`: how old what the process read may be. */
export function checkMail(model: Model, { writes = [] }: Mail, slackMs: number): void {
  for (const write of writes) {
    if (write.put === "notice_event") {
      const { id, event, keyId, rotationId, details } = write.value;
      const raised = model.mail.raised.some(
        ({ draft }) =>
          draft.event === event &&
          (draft.keyId ?? null) === keyId &&
          (draft.rotationId ?? null) === rotationId &&
          JSON.stringify(draft.details) === JSON.stringify(details),
      );
      if (!raised) model.fail("L4", keyId ?? undefined, `${event} ${id} was raised by nobody`);
    } else checkNotice(model, write.value, slackMs);
  }
}

function checkNotice(model: Model, notice: Notice, slackMs: number): void {
  const { mail, time } = model;
  const was = mail.notices.get(notice.id);
  const fail = (what: string) => model.fail("L4", undefined, `notice ${notice.id} ${what}`);
  if (was === undefined) checkFresh(model, notice, fail);
  else if (was.events.length !== notice.events.length && !was.collects) fail("was closed, and got another event");
  if (notice.state === "sent" && was?.state !== "sent" && !mail.wasAccepted(notice.id))
    fail("is noted as sent, and its receiver never said that it has it");
  if (notice.state === "waiting" && was !== undefined && was.state !== "waiting")
    fail(`was ${was.state}, and is sent again`);
  if (notice.state !== "dead" || was?.state === "dead") return;
  const again = time.at - (mail.notPosted.get(notice.id) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS ? AGAIN_MS : 0;
  const since = time.at - slackMs - again;
  const gone = mail.channels
    .get(notice.channelId)
    ?.some(({ channel }, i, all) => (all[i + 1]?.at ?? Infinity) > since && !canHave(channel));
  const told = mail.arrivals.get(notice.id)?.some((arrival) => arrival.gone) === true;
  if (gone !== true && !told && time.at - notice.firstDueAt < TRIED_FOR_MS - model.clockErrorMs)
    fail(`is given up after ${Math.round((time.at - notice.firstDueAt) / 1_000)} s: ${notice.lastError}`);
}

/** False for a channel that is gone. */
function canHave(channel: { disabledAt: number | null } | undefined): boolean {
  return channel !== undefined && channel.disabledAt === null;
}

function checkFresh({ mail, clockErrorMs }: Model, notice: Notice, fail: (what: string) => void): void {
  const escalated = notice.escalatedFrom.length > 0;
  const twice = escalated
    ? undefined
    : notice.events.find((event) => holderOf(mail, notice.channelId, event) !== undefined);
  if (twice !== undefined) fail(`brings ${twice}, which ${holderOf(mail, notice.channelId, twice)} brings already`);
  const quiet = mail.channel(notice.channelId)?.quiet ?? null;
  if (quiet === null || escalated || notice.dueAt === null || gravity(notice.about) === 2) return;
  // Before and after it lie times that are not quiet.
  const inside = [notice.dueAt - clockErrorMs, notice.dueAt + clockErrorMs].every((at) => isQuiet(quiet, at));
  if (inside) fail(`is to be sent in quiet hours (${quiet.from} to ${quiet.to}, ${quiet.zone})`);
}

/** The message that brings this event to the channel; those that came by escalation apart. */
function holderOf({ notices }: MailModel, channelId: string, event: string): string | undefined {
  for (const { id, channelId: channel, events, escalatedFrom } of notices.values())
    if (channel === channelId && escalatedFrom.length === 0 && events.includes(event)) return id;
  return undefined;
}

/** Zones without a change of clocks alone, by what `Intl` says. */
function isQuiet({ zone, from, to }: { zone: string; from: string; to: string }, at: number): boolean {
  const wall = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" }).format(at);
  return from <= to ? from <= wall && wall < to : from <= wall || wall < to;
}
