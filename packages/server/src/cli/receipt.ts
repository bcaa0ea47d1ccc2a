/** After a refusal: waits a moment for every verifier to have applied it, and says on how many it holds. */
import { ApiError } from "@keyover/client/api";
import { sleep } from "@keyover/core";
import type { Call } from "./command-group.ts";
import { remark } from "./io.ts";
import { namesOf } from "./names.ts";
import { count, roughly } from "./render.ts";

const LOOKS_MAX = 40;
const LOOK_MS = 100;

export async function receipt(call: Call<object>, apiId: string): Promise<void> {
  if (call.options.json) return;
  const { clock } = call.io.world;
  const begun = clock.elapsed();
  let head: number | undefined;
  for (let look = 1; ; look++) {
    const answer = await verifiers(call, apiId);
    if (answer === undefined) return;
    head ??= answer.head;
    const needed = head;
    const live = answer.items.filter(({ state }) => state === "live");
    const behind = live.filter(({ applied }) => applied < needed);
    const told = `In force on ${live.length - behind.length} of ${count(live.length, "verifier")}`;
    if (behind.length === 0) {
      remark(
        call.io,
        live.length === 0 ? "No verifier runs at the moment." : `${told} after ${roughly(clock.elapsed() - begun)}.`,
      );
      return;
    }
    if (look === LOOKS_MAX) {
      remark(
        call.io,
        `${told}; not yet on ${behind.map(({ instance }) => instance).join(", ")}. See: keyover api verifiers ${(await namesOf(call, { apis: [apiId] })).api(apiId)}`,
      );
      return;
    }
    await sleep(clock, LOOK_MS);
  }
}

/** Undefined where this token may not look, or the look fails: the change itself is done. */
async function verifiers(call: Call<object>, api: string) {
  try {
    return await call.api.request("get", "/v1/apis/{api}/verifiers", { params: { api } });
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}
