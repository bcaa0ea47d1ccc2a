/**
 * A message to several people by mail is a delivery to each: whoever is refused has a dead letter of his own, and nobody else gets it twice.
 * While events are collected there is one notice; when it is closed it becomes one for each recipient. The first of them escalates for all.
 * Pure.
 *
 *     notice, to a, b, c ──closed──▶ notice for a  (keeps the handle, and escalates)
 *                                    notice for b ┐
 *                                    notice for c ┘ copyOf: the first
 *
 * An address that is corrected later gets what the wrong one did not. Of several wrong ones each has a dead letter, and any of these may be
 * sent again first: so the first notice keeps the list of all that the message was ever addressed to, for all of them (`addressed`).
 */
import type { Channel, Notice } from "../store/notice-entities.ts";

export interface Addressed {
  /** The notice as it goes out. */
  own: Notice;
  /** Those that leave it, for others. */
  copies: Notice[];
  /** The first notice, where it is another one and has to remember more. */
  first: Notice | undefined;
}

/** True if whoever it was for is no longer among the channel's recipients: then `first` counts. */
export function isAstray({ recipient = null }: Notice, { kind, config }: Channel): boolean {
  return kind === "email" && recipient !== null && spelling(config.to ?? [], recipient) === undefined;
}

/** `first`: of a copy, the notice that it is a copy of, if that is still kept. No recipient is left: `own` stays what it was. */
export function forRecipients(
  notice: Notice,
  { kind, config }: Channel,
  handle: () => string,
  first?: Notice,
): Addressed {
  const { to = [] } = config;
  const { recipient = null } = notice;
  const stays: Addressed = { own: notice, copies: [], first: undefined };
  if (kind !== "email") return stays;
  const kept = recipient === null ? undefined : spelling(to, recipient);
  if (kept !== undefined) return kept === recipient ? stays : { ...stays, own: { ...notice, recipient: kept } };
  const former = [...(notice.addressed ?? []), ...(first?.addressed ?? [])];
  const fresh = distinct(to).filter((address) => spelling(former, address) === undefined);
  const [to1, ...others] = fresh;
  if (to1 === undefined) return stays;
  const addressed = distinct([...former, ...fresh]);
  const own = { ...notice, addressed, recipient: to1 };
  const copies = others.map((address) => copyOf(own, address, handle()));
  return { own, copies, first: first && { ...first, addressed } };
}

function copyOf(notice: Notice, recipient: string, id: string): Notice {
  return { ...notice, id, recipient, copyOf: notice.copyOf ?? notice.id, escalateAt: null };
}

/** As it is written in the list. Capitals make no other mailbox. */
function spelling(list: readonly string[], address: string): string | undefined {
  return list.find((each) => each.toLowerCase() === address.toLowerCase());
}

function distinct(list: readonly string[]): string[] {
  return list.filter((address) => spelling(list, address) === address);
}
