/**
 * A message to several people by mail is a delivery to each: whoever is refused has a dead letter of his own, and nobody else gets it twice.
 * While events are collected there is one notice; when it is closed it becomes one for each recipient. The first of them escalates for all.
 * Pure.
 *
 *     notice, to a, b, c ──closed──▶ notice for a  (keeps the handle, and escalates)
 *                                    notice for b ┐
 *                                    notice for c ┘ copyOf: the first
 */
import type { Channel, Notice } from "../store/notice-entities.ts";

/**
 * The notice as it goes out, and the copies that leave it; none: everybody who was to get it is gone from the channel. A recipient that was
 * corrected since then gets what the wrong one did not.
 */
export function forRecipients(notice: Notice, { kind, config }: Channel, handle: () => string): Notice[] {
  const { to = [] } = config;
  const { recipient = null, addressed = [] } = notice;
  if (kind !== "email" || (recipient !== null && to.includes(recipient))) return [notice];
  const fresh = to.filter((address) => !addressed.includes(address));
  const first = { ...notice, addressed: [...addressed, ...fresh] };
  return fresh.map((address, i) => (i === 0 ? { ...first, recipient: address } : copyOf(first, address, handle())));
}

function copyOf(notice: Notice, recipient: string, id: string): Notice {
  return { ...notice, id, recipient, copyOf: notice.copyOf ?? notice.id, escalateAt: null };
}
