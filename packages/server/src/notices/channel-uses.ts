/** Who relies on a channel: channels that escalate to it, and policies that name it. Neither loses it unseen. */
import { type Refusal, refuse } from "../outcome.ts";
import type { Channel } from "../store/notice-entities.ts";
import type { Store } from "../store/store.ts";

/** All of either: they are made by hand. */
const ALL = 100_000;
/** As many as one reads. */
const NAMED_MAX = 20;

export interface ChannelUses {
  /** Names of the channels that escalate to it. */
  channels: string[];
  /** Names of the policies that name it. */
  policies: string[];
}

export async function usesOf(store: Store, { id, name }: Channel): Promise<ChannelUses> {
  const channels = await store.list("channel", {}, { limit: ALL });
  const policies = await store.list("policy", {}, { limit: ALL });
  const escalating = channels.filter(({ value }) => value.escalate?.channelId === id);
  const naming = policies.filter(({ value }) => value.spec.channels?.includes(name) === true);
  return { channels: namesOf(escalating), policies: namesOf(naming) };
}

function namesOf(rows: readonly { value: { name: string } }[]): string[] {
  return rows.map(({ value }) => value.name).sort();
}

/** What no longer reaches anybody if it goes; a sentence for each. `renamed`: it only gets another name. */
export function lostUses({ channels, policies }: ChannelUses, name: string, renamed: boolean): string[] {
  const escalates = `${listed(channels)} ${channels.length === 1 ? "escalates" : "escalate"} to ${name}`;
  const names = `${listed(policies)} ${policies.length === 1 ? "is a policy that names" : "are policies that name"} ${name}`;
  return [...(renamed || channels.length === 0 ? [] : [escalates]), ...(policies.length === 0 ? [] : [names])];
}

export function inUse(lost: readonly string[], { channels, policies }: ChannelUses): Refusal {
  return refuse("channel_in_use", `${lost.join("; ")}. Change that first, or force it`, { channels, policies });
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  return `${names.slice(0, NAMED_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
