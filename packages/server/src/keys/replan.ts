/**
 * A change of policy may reach a million keys. The commit that makes it leaves a note of which dates are to be calculated anew; the scheduler
 * works the notes off (policies/scheduler.ts), and a crash loses none.
 */
import { makeHandle, type World } from "@keyover/core";
import { put, type Write } from "../store/store.ts";

/** Of an api, of a consumer, one key; nothing named: all. */
export interface ReplanScope {
  apiId?: string | null | undefined;
  consumerId?: string | undefined;
  keyId?: string | undefined;
}

export function replanOf(
  { apiId, consumerId, keyId }: ReplanScope,
  cause: string,
  { clock, random }: Pick<World, "clock" | "random">,
): Write {
  const createdAt = clock.now();
  return put("replan", {
    id: makeHandle("replan", createdAt, random),
    apiId: apiId ?? null,
    consumerId: consumerId ?? null,
    keyId: keyId ?? null,
    after: "",
    cause,
    createdAt,
  });
}
