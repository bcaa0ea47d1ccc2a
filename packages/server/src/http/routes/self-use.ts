/** What the holder of a key may know of its use: its limits and what is left of them, and how much it was used. Never by whom. */
import { limitStateOf, type PlanRecord, quotaTold } from "@keyover/core";
import { access } from "../auth.ts";
import { sendProblem } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { usageIn } from "../usage-range.ts";
import { call } from "./call.ts";

export function selfUseRoutes(app: App, { world, store, limits }: Rooms): void {
  app.get(
    "/v1/self/limits",
    call(
      {
        tag: "holder",
        id: "getOwnLimits",
        summary: "What is left of my limits?",
        description: "With the key itself as the bearer. By all that verifiers have told: a second or so behind.",
        access: access.self,
      },
      {},
      { 200: shape.selfLimits },
    ),
    async (request, reply) => {
      const { principal } = request;
      if (principal?.kind !== "key") return sendProblem(reply, "unauthenticated");
      const { key } = principal;
      const now = world.clock.now();
      const plan: PlanRecord | undefined = await limits.planOf(key);
      const own = await limits.limitsOf(key);
      const uses = await store.limitUses(key.apiId, own);
      void reply.header("cache-control", "no-store");
      return {
        now,
        key: key.id,
        plan: plan?.name ?? null,
        limits: own.map(({ limit, standing }, i) => {
          const use = uses[i];
          const state = limitStateOf(use, limit, now, standing);
          const used =
            limit.kind === "quota" && use?.kind === "quota" && state.remaining < limit.units
              ? quotaTold(use, "").used
              : 0;
          return { ...state, used };
        }),
      };
    },
  );

  app.get(
    "/v1/self/usage",
    call(
      {
        tag: "holder",
        id: "getOwnUsage",
        summary: "How much was I used?",
        description: "With the key itself as the bearer: requests by version and time.",
        access: access.self,
      },
      { querystring: shape.usageQuery },
      { 200: shape.selfUsage },
    ),
    async (request, reply) => {
      const { principal } = request;
      if (principal?.kind !== "key") return sendProblem(reply, "unauthenticated");
      const usage = usageIn(request.query, world.clock.now());
      if (typeof usage === "string") return sendProblem(reply, "invalid_request", usage);
      void reply.header("cache-control", "no-store");
      return { key: principal.key.id, buckets: await usage.read(store, principal.key.id) };
    },
  );
}
