/** /v1/apis/{api}/plans */
import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { Api } from "../../store/entities.ts";
import type { Plan } from "../../store/plan-entities.ts";
import { access } from "../auth.ts";
import { commandOf } from "../idempotency.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { planView } from "../views.ts";
import { call, page } from "./call.ts";

const ofApi = z.object({ api: z.string().max(100) });

export function planRoutes(app: App, { world, store, inventory, plans }: Rooms): void {
  const apiOf = async (reply: FastifyReply, name: string): Promise<Api | undefined> => {
    const api = await inventory.findApi(name);
    if (api === undefined) sendProblem(reply, "not_found", `there is no api ${name}`);
    return api;
  };
  const view = async (api: Api, plan: Plan) => planView(await plans.use(api, plan));
  /** In the answer to a change: who has it is not part of what was changed. */
  const changed = (api: Api, status: number) => (plan: Plan) => ({
    status,
    body: planView({ plan, isDefault: api.defaultPlan === plan.id, keys: 0 }),
  });

  app.get(
    "/v1/apis/:api/plans",
    call(
      { tag: "plans", id: "listPlans", summary: "List the plans of an api", access: access.read },
      { params: ofApi, querystring: z.strictObject(shape.pageQuery) },
      { 200: shape.pageOf(shape.plan) },
    ),
    async (request, reply) => {
      const api = await apiOf(reply, request.params.api);
      if (api === undefined) return reply;
      const { cursor, limit } = request.query;
      const rows = await store.list("plan", { equals: { api_id: api.id } }, { after: cursor, limit: limit + 1 });
      const { items, next } = page(
        rows,
        limit,
        ({ value }) => value.id,
        ({ value }) => value,
      );
      return { items: await Promise.all(items.map((plan) => view(api, plan))), next };
    },
  );

  app.post(
    "/v1/apis/:api/plans",
    call(
      {
        tag: "plans",
        id: "createPlan",
        summary: "Make a plan: limits that keys may have",
        access: access.operate,
      },
      { params: ofApi, body: shape.newPlan },
      { 201: shape.plan },
    ),
    async (request, reply) => {
      const api = await apiOf(reply, request.params.api);
      if (api === undefined) return reply;
      const command = commandOf<Plan>(request, world.clock, changed(api, 201));
      const outcome = await plans.create(api, request.body, command);
      return outcome.ok ? reply.code(201).send(await view(api, outcome.value)) : sendRefusal(reply, outcome);
    },
  );

  app.get(
    "/v1/apis/:api/plans/:plan",
    call(
      { tag: "plans", id: "getPlan", summary: "Show a plan", access: access.read },
      { params: shape.planParams },
      { 200: shape.plan },
    ),
    async (request, reply) => {
      const api = await apiOf(reply, request.params.api);
      if (api === undefined) return reply;
      const held = await plans.find(api.id, request.params.plan);
      return held === undefined
        ? sendProblem(reply, "not_found", `${api.name} has no plan ${request.params.plan}`)
        : view(api, held.value);
    },
  );

  app.patch(
    "/v1/apis/:api/plans/:plan",
    call(
      {
        tag: "plans",
        id: "updatePlan",
        summary: "Change a plan's name or limits",
        description:
          "In force at every verifier as soon as the feed has brought it. What was used of a limit counts on under its name.",
        access: access.operate,
      },
      { params: shape.planParams, body: shape.planPatch },
      { 200: shape.plan },
    ),
    async (request, reply) => {
      const api = await apiOf(reply, request.params.api);
      if (api === undefined) return reply;
      const command = commandOf<Plan>(request, world.clock, changed(api, 200));
      const outcome = await plans.change(api, request.params.plan, request.body, command);
      return outcome.ok ? view(api, outcome.value) : sendRefusal(reply, outcome);
    },
  );

  app.delete(
    "/v1/apis/:api/plans/:plan",
    call(
      {
        tag: "plans",
        id: "removePlan",
        summary: "Remove a plan that no key has",
        access: access.operate,
      },
      { params: shape.planParams },
      { 200: shape.plan },
    ),
    async (request, reply) => {
      const api = await apiOf(reply, request.params.api);
      if (api === undefined) return reply;
      const command = commandOf<Plan>(request, world.clock, changed(api, 200));
      const outcome = await plans.remove(api, request.params.plan, command);
      return outcome.ok ? planView({ plan: outcome.value, isDefault: false, keys: 0 }) : sendRefusal(reply, outcome);
    },
  );
}
