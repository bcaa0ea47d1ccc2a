/** Follows a campaign until it has ended, or an operator is needed. */
import { ApiError } from "@keyover/client/api";
import { sleep } from "@keyover/core";
import { progressText, type Standing } from "./campaign-text.ts";
import type { Call } from "./command-group.ts";
import { RefusedError } from "./exit-codes.ts";
import { remark, say } from "./io.ts";
import { type Names, namesOf } from "./names.ts";

const EVERY_MS = 500;

/** Ends with it; a campaign that is held or paused is no end, and a refusal. */
export async function watchCampaign(call: Call<object>, id: string): Promise<Standing> {
  const { io } = call;
  let told = "";
  let names: Names | undefined;
  for (;;) {
    const now = await look(call, id);
    if (now !== undefined) {
      if (now.receipts.length > 0) names ??= await namesOf(call, { apis: now.receipts.map(({ api }) => api) });
      const line = call.options.json ? JSON.stringify(now) : progressText(now, (api) => names?.api(api) ?? api);
      if (line !== told) {
        if (call.options.json) say(io, line);
        else remark(io, line);
      }
      told = line;
      if (now.state === "ended" && now.takingBack === null) {
        if (now.outcome === "aborted") throw new RefusedError(`${id} was aborted: ${now.why?.reason ?? ""}`);
        return now;
      }
      if ((now.state === "held" || now.state === "paused") && now.takingBack === null)
        throw new RefusedError(
          `${id} is ${now.state}: ${now.why?.reason ?? ""}. See: keyover campaign show ${id}, then resume, continue, roll-back or abort it`,
        );
    }
    await sleep(io.world.clock, EVERY_MS);
  }
}

/** An authority that restarts, or a network that stumbles, does not end the watch; a refusal does. */
async function look({ api }: Call<object>, campaign: string): Promise<Standing | undefined> {
  try {
    return await api.request("get", "/v1/campaigns/{campaign}", { params: { campaign } });
  } catch (error) {
    if (error instanceof ApiError && (error.code === "unreachable" || error.status >= 500)) return undefined;
    throw error;
  }
}
