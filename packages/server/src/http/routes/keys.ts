/** /v1/keys */
import { type Key, type KeyChange, shareAllowed } from "@keyover/core";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { CreatedKey } from "../../keys/keys.ts";
import { access, owns } from "../auth.ts";
import { commandOf } from "../idempotency.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { usageIn } from "../usage-range.ts";
import { keyView, versionView } from "../views.ts";
import { call, page } from "./call.ts";
import { labelFilter } from "./label-filter.ts";

const params = z.object({ key: shape.handle });

export function keyRoutes(app: App, rooms: Rooms): void {
  const { world, store, keys, custody, inventory, evidence } = rooms;

  /** The key, if it exists and this caller may see it. */
  const visible = async (request: FastifyRequest, id: string): Promise<Key | undefined> => {
    const held = await store.get("key", id);
    return held !== undefined && owns(request, held.value.consumerId) ? held.value : undefined;
  };

  app.post(
    "/v1/keys",
    call(
      {
        tag: "keys",
        id: "createKey",
        summary: "Issue a key",
        description:
          "The secret is in this answer and in no other. A repeated request with the same Idempotency-Key gets the same secret until it has been used.",
        access: access.operate,
      },
      { body: shape.newKey },
      { 201: shape.createdKey },
    ),
    async (request, reply) => {
      const { api: apiName, consumer, ...described } = request.body;
      const api = await inventory.findApi(apiName);
      if (api === undefined) return sendProblem(reply, "not_found", `there is no api ${apiName}`);
      const command = commandOf<CreatedKey>(request, world.clock, ({ key, versionId }) => ({
        status: 201,
        body: { ...keyView(key), secret: null },
        sealedId: versionId,
      }));
      const outcome = await keys.create({ ...described, apiId: api.id, consumerId: consumer }, command);
      if (!outcome.ok) return sendRefusal(reply, outcome);
      const { key, versionId } = outcome.value;
      const sealed = await store.get("sealed", versionId);
      const secret =
        sealed === undefined
          ? null
          : custody.open(sealed.value.envelope, { owner: key.id, version: 1, purpose: "claim" }).reveal();
      return reply.code(201).send({ ...keyView(key), secret });
    },
  );

  app.get(
    "/v1/keys",
    call(
      { tag: "keys", id: "listKeys", summary: "List keys", access: access.readOwn },
      {
        querystring: z.strictObject({
          ...shape.pageQuery,
          api: z.string().max(100).optional(),
          environment: z.string().max(20).optional(),
          consumer: shape.handle.optional(),
          name: z.string().max(100).optional(),
          status: z.enum(["active", "suspended", "revoked"]).optional(),
          createdBy: z.string().max(64).optional(),
          createdSince: z.coerce.number().int().optional(),
          createdUntil: z.coerce.number().int().optional(),
          expiresUntil: z.coerce.number().int().optional().describe("Keys that expire before this time."),
          currentVersion: z.coerce.number().int().optional(),
          usedSince: z.coerce.number().int().optional().describe("Keys seen at or after this time."),
          unusedSince: z.coerce.number().int().optional().describe("Keys not seen since this time."),
          activatedSince: z.coerce.number().int().optional().describe("By the current version."),
          activatedUntil: z.coerce.number().int().optional(),
          notes: z.string().min(1).max(100).optional().describe("Part of the notes, in any case."),
          label: labelFilter,
        }),
      },
      { 200: shape.pageOf(shape.key) },
    ),
    async (request) => {
      const { cursor, limit, label, ...query } = request.query;
      const api = query.api === undefined ? undefined : await inventory.findApi(query.api);
      if (query.api !== undefined && api === undefined) return { items: [], next: null };
      const own = request.principal?.kind === "token" ? request.principal.token.consumerId : null;
      if (own !== null && query.consumer !== undefined && query.consumer !== own) return { items: [], next: null };
      const filter = {
        equals: {
          api_id: api?.id,
          environment: query.environment,
          consumer_id: own ?? query.consumer,
          name: query.name,
          status: query.status,
          created_by: query.createdBy,
          current_version: query.currentVersion,
        },
        labels: label,
        notes: query.notes,
        ofKeys: query,
        since: query.createdSince === undefined ? undefined : { column: "created_at", at: query.createdSince },
        until: [
          ...(query.createdUntil === undefined ? [] : [{ column: "created_at", at: query.createdUntil }]),
          ...(query.expiresUntil === undefined ? [] : [{ column: "expires_at", at: query.expiresUntil }]),
        ],
      };
      const rows = await store.list("key", filter, { after: cursor, limit: limit + 1 });
      return page(
        rows,
        limit,
        ({ value }) => value.id,
        ({ value }) => keyView(value),
      );
    },
  );

  app.get(
    "/v1/keys/:key",
    call(
      { tag: "keys", id: "getKey", summary: "Show a key and its versions", access: access.readOwn },
      { params },
      { 200: shape.keyWithVersions },
    ),
    async (request, reply) => {
      const key = await visible(request, request.params.key);
      if (key === undefined) return sendProblem(reply, "not_found", `there is no key ${request.params.key}`);
      const versions = await store.list("version", { equals: { key_id: key.id } }, { limit: 10_000 });
      const uses = await evidence.uses(key.id);
      return {
        ...keyView(key),
        versions: versions.map(({ value }) => versionView(value, uses)).sort((a, b) => a.number - b.number),
      };
    },
  );

  app.patch(
    "/v1/keys/:key",
    call(
      {
        tag: "keys",
        id: "updateKey",
        summary: "Change a key's description, scopes, networks, policy, expiry",
        access: access.operate,
      },
      { params, body: shape.keyPatch },
      { 200: shape.key },
    ),
    async (request, reply) => {
      const command = commandOf<Key>(request, world.clock, (key) => ({ status: 200, body: keyView(key) }));
      const outcome = await keys.update(request.params.key, request.body, command);
      return outcome.ok ? keyView(outcome.value) : sendRefusal(reply, outcome);
    },
  );

  const statusChanges: { change: KeyChange; summary: string }[] = [
    { change: "suspend", summary: "Refuse a key until it is restored" },
    { change: "restore", summary: "Accept a suspended key again" },
    { change: "revoke", summary: "Refuse a key for good" },
  ];
  for (const { change, summary } of statusChanges) {
    app.post(
      `/v1/keys/:key/${change}`,
      call(
        { tag: "keys", id: `${change}Key`, summary, access: access.operate },
        { params, body: shape.statusReason },
        { 200: shape.key },
      ),
      async (request, reply) => {
        const command = commandOf<Key>(request, world.clock, (key) => ({ status: 200, body: keyView(key) }));
        const outcome = await keys.changeStatus(request.params.key, change, request.body.reason, command);
        return outcome.ok ? keyView(outcome.value) : sendRefusal(reply, outcome);
      },
    );
  }

  app.get(
    "/v1/keys/:key/usage",
    call(
      {
        tag: "keys",
        id: "getKeyUsage",
        summary: "Who uses which version, from where, how much",
        access: access.readOwn,
      },
      {
        params,
        querystring: shape.usageQuery,
      },
      { 200: shape.usage },
    ),
    async (request, reply) => {
      const key = await visible(request, request.params.key);
      if (key === undefined) return sendProblem(reply, "not_found", `there is no key ${request.params.key}`);
      const usage = usageIn(request.query, world.clock.now());
      if (typeof usage === "string") return sendProblem(reply, "invalid_request", usage);
      const uses = await evidence.uses(key.id);
      const sources = uses.map(({ versions, ...use }) => ({
        ...use,
        networksAllow: networksAllow(key, use.source.network),
        versions: Object.entries(versions).map(([number, seen]) => ({ version: Number(number), ...seen })),
      }));
      return { key: key.id, sources, buckets: await usage.read(store, key.id) };
    },
  );
}

/** By both lists. Sources beyond those that a verifier tells apart are one, called `other`. */
function networksAllow({ networks, consumerNetworks = [] }: Key, source: string): "all" | "some" | "none" | null {
  if (source === "other") return null;
  const shares = [shareAllowed(networks, source), shareAllowed(consumerNetworks, source)];
  if (shares.includes("none")) return "none";
  return shares.includes("some") ? "some" : "all";
}
