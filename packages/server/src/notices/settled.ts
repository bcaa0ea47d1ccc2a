/** Whether what an event asked for is done, as the store has it now: then nobody else needs to hear of it. */
import type { Rotation } from "@keyover/core";
import { type Boot, isExpired } from "../store/entities.ts";
import type { RaisedEvent } from "../store/notice-entities.ts";
import type { Store } from "../store/store.ts";

export async function isSettled(store: Store, raised: RaisedEvent, now: number): Promise<boolean> {
  const { rotationId, campaignId, keyId, details } = raised;
  if (typeof details.boot === "string") return !isSilent((await store.boot(details.boot))?.value, details);
  const campaign = campaignId === null ? undefined : (await store.get("campaign", campaignId))?.value;
  if (raised.event === "campaign.held" && campaign !== undefined) return campaign.state !== "held";
  const rotation = rotationId === null ? undefined : (await store.get("rotation", rotationId))?.value;
  if (rotation !== undefined) return isOver(rotation, raised);
  const key = keyId === null ? undefined : (await store.get("key", keyId))?.value;
  if (key === undefined) return false;
  if (key.status === "revoked") return true;
  if (raised.event === "key.expired") return !isExpired(key, now);
  return raised.event === "key.refused-uses" && key.status !== "suspended";
}

/** Nobody needs the old version any more; or, where it was missed after it had retired, it is back. */
function isOver({ endedAt, phase }: Rotation, { event }: RaisedEvent): boolean {
  if (endedAt !== null) return true;
  return event === "key.refused-uses" ? phase !== "retired" : phase === "retired";
}

function isSilent(boot: Boot | undefined, { answersUntil }: Record<string, unknown>): boolean {
  if (boot === undefined || boot.closed || boot.replacedAt !== null || boot.removedAt !== null) return false;
  return boot.answersUntil === answersUntil;
}
