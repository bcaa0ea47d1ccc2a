/** /v1/apis and /v1/consumers */
import { z } from "zod";
import type { Api, Consumer } from "../../store/entities.ts";
import { access, owns } from "../auth.ts";
import { commandOf } from "../idempotency.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { apiView, consumerView } from "../views.ts";
import { call, page } from "./call.ts";
import { labelFilter } from "./label-filter.ts";

export function inventoryRoutes(app: App, { world, store, inventory }: Rooms): void {
  const created =
    <T>(view: (value: T) => unknown) =>
    (value: T) => ({ status: 201, body: view(value) });
  const changed =
    <T>(view: (value: T) => unknown) =>
    (value: T) => ({ status: 200, body: view(value) });

  app.post(
    "/v1/apis",
    call(
      { tag: "apis", id: "createApi", summary: "Protect an api", access: access.administer },
      { body: shape.newApi },
      { 201: shape.api },
    ),
    async (request, reply) => {
      const outcome = await inventory.createApi(request.body, commandOf<Api>(request, world.clock, created(apiView)));
      return outcome.ok ? reply.code(201).send(apiView(outcome.value)) : sendRefusal(reply, outcome);
    },
  );

  app.get(
    "/v1/apis",
    call(
      { tag: "apis", id: "listApis", summary: "List apis", access: access.read },
      { querystring: z.strictObject({ ...shape.pageQuery, name: z.string().max(100).optional() }) },
      { 200: shape.pageOf(shape.api) },
    ),
    async (request) => {
      const { cursor, limit, name } = request.query;
      const rows = await store.list("api", { equals: { name } }, { after: cursor, limit: limit + 1 });
      return page(
        rows,
        limit,
        ({ value }) => value.id,
        ({ value }) => apiView(value),
      );
    },
  );

  app.get(
    "/v1/apis/:api",
    call(
      { tag: "apis", id: "getApi", summary: "Show an api, by handle or name", access: access.read },
      { params: z.object({ api: z.string().max(100) }) },
      { 200: shape.api },
    ),
    async (request, reply) => {
      const api = await inventory.findApi(request.params.api);
      return api === undefined
        ? sendProblem(reply, "not_found", `there is no api ${request.params.api}`)
        : apiView(api);
    },
  );

  app.patch(
    "/v1/apis/:api",
    call(
      {
        tag: "apis",
        id: "updateApi",
        summary: "Add environments and scopes, change policies",
        access: access.administer,
      },
      { params: z.object({ api: z.string().max(100) }), body: shape.apiPatch },
      { 200: shape.api },
    ),
    async (request, reply) => {
      const api = await inventory.findApi(request.params.api);
      if (api === undefined) return sendProblem(reply, "not_found", `there is no api ${request.params.api}`);
      const outcome = await inventory.updateApi(
        api.id,
        request.body,
        commandOf<Api>(request, world.clock, changed(apiView)),
      );
      return outcome.ok ? apiView(outcome.value) : sendRefusal(reply, outcome);
    },
  );

  app.post(
    "/v1/consumers",
    call(
      { tag: "consumers", id: "createConsumer", summary: "Register a consumer", access: access.operate },
      { body: shape.newConsumer },
      { 201: shape.consumer },
    ),
    async (request, reply) => {
      const outcome = await inventory.createConsumer(
        request.body,
        commandOf<Consumer>(request, world.clock, created(consumerView)),
      );
      return outcome.ok ? reply.code(201).send(consumerView(outcome.value)) : sendRefusal(reply, outcome);
    },
  );

  app.get(
    "/v1/consumers",
    call(
      { tag: "consumers", id: "listConsumers", summary: "List consumers", access: access.read },
      { querystring: z.strictObject({ ...shape.pageQuery, name: z.string().max(100).optional(), label: labelFilter }) },
      { 200: shape.pageOf(shape.consumer) },
    ),
    async (request) => {
      const { cursor, limit, name, label } = request.query;
      const rows = await store.list(
        "consumer",
        { equals: { name }, labels: label },
        { after: cursor, limit: limit + 1 },
      );
      return page(
        rows,
        limit,
        ({ value }) => value.id,
        ({ value }) => consumerView(value),
      );
    },
  );

  app.get(
    "/v1/consumers/:consumer",
    call(
      { tag: "consumers", id: "getConsumer", summary: "Show a consumer", access: access.readOwn },
      { params: z.object({ consumer: shape.handle }) },
      { 200: shape.consumer },
    ),
    async (request, reply) => {
      const held = await store.get("consumer", request.params.consumer);
      if (held === undefined || !owns(request, held.value.id))
        return sendProblem(reply, "not_found", `there is no consumer ${request.params.consumer}`);
      return consumerView(held.value);
    },
  );

  app.patch(
    "/v1/consumers/:consumer",
    call(
      {
        tag: "consumers",
        id: "updateConsumer",
        summary: "Change a consumer's name, labels, notes",
        access: access.operate,
      },
      { params: z.object({ consumer: shape.handle }), body: shape.consumerPatch },
      { 200: shape.consumer },
    ),
    async (request, reply) => {
      const outcome = await inventory.updateConsumer(
        request.params.consumer,
        request.body,
        commandOf<Consumer>(request, world.clock, changed(consumerView)),
      );
      return outcome.ok ? consumerView(outcome.value) : sendRefusal(reply, outcome);
    },
  );
}
