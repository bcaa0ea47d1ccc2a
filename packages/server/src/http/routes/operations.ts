/** Verification over HTTP, the audit log, health, metrics, the OpenAPI document. */
import {
  type HeldVersion,
  holdKey,
  judge,
  type KeyRecord,
  limitStateOf,
  parseKeyText,
  sha256Text,
  truncatedNetwork,
  type Verdict,
} from "@keyover/core";
import { z } from "zod";
import { access, followedEnvironments } from "../auth.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { as, call } from "./call.ts";

export function operationRoutes(app: App, rooms: Rooms): void {
  const { world, store, inventory, fleet, limits, metrics, restorations } = rooms;

  app.post(
    "/v1/verify",
    call(
      {
        tag: "operations",
        id: "verify",
        summary: "Decide on a presented key",
        description:
          "For gateways and tests; a server of your own decides faster in its own process. The answer comes once the use is on record.",
        access: access.verify,
      },
      { body: shape.verifyAsk },
      { 200: shape.verdict },
    ),
    async (request, reply) => {
      const ask = request.body;
      const api = await inventory.findApi(ask.api);
      const followed =
        api === undefined
          ? undefined
          : request.principal?.kind === "token" && request.principal.token.role === "admin"
            ? []
            : followedEnvironments(request, api);
      if (api === undefined || followed === undefined)
        return sendProblem(reply, "not_found", `there is no api ${ask.api}`);
      const held = await restorations.refusal(api.id);
      if (held !== undefined) return sendRefusal(reply, held);
      const now = world.clock.now();
      const presented =
        parseKeyText(ask.key)?.prefix === api.prefix ? await find(api.id, sha256Text(ask.key)) : undefined;
      const covered =
        presented !== undefined && (followed.length === 0 || followed.includes(presented.held.record.environment));
      const judged: Verdict = covered
        ? judge(presented, ask, now)
        : { valid: false, code: parseKeyText(ask.key)?.prefix === api.prefix ? "unknown" : "malformed" };
      const verdict =
        covered && judged.valid ? await charged(judged, presented.held.record, api.id, ask.cost ?? 1, now) : judged;
      metrics.verifications.inc({ api: api.name, code: verdict.code });
      if (covered) await fleet.sight([sighting(presented, ask, judged.valid, verdict, now)]);
      return verdict as never;
    },
  );

  const find = async (apiId: string, sha256: string): Promise<HeldVersion | undefined> => {
    const record = await store.recordByHash(apiId, sha256);
    return record === undefined ? undefined : holdKey(record).versions.find(({ version }) => version.sha256 === sha256);
  };

  /** The key's limits: all of them are charged, or none. */
  const charged = async (verdict: Verdict, record: KeyRecord, apiId: string, cost: number, now: number) => {
    const { key: id, consumer: consumerId, plan } = record;
    const own = await limits.limitsOf({ id, apiId, consumerId, plan });
    if (own.length === 0) return verdict;
    const { uses, full } = await store.spend({ apiId, limits: own, cost, now });
    const left = own.map(({ limit, standing }, i) => limitStateOf(uses[i], limit, now, standing));
    if (full.length === 0) return { ...verdict, limits: left };
    const exceeded = full.some(({ at }) => own[at]?.limit.kind === "quota");
    const code = exceeded ? ("quota_exceeded" as const) : ("rate_limited" as const);
    return {
      ...verdict,
      valid: false,
      code,
      limits: left,
      retryAfterMs: Math.max(...full.map(({ waitMs }) => waitMs)),
    };
  };

  app.get(
    "/v1/audit",
    call(
      {
        tag: "operations",
        id: "listAudit",
        summary: "Who changed what, in order",
        description: "Each entry's hash covers the one before; `keyover doctor` checks the chain.",
        access: access.read,
      },
      {
        querystring: z.strictObject({
          after: z.coerce.number().int().min(0).default(0).describe("The number of the last entry seen."),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
          subject: shape.handle.optional().describe("Only entries about this handle."),
        }),
      },
      { 200: z.object({ items: z.array(shape.auditEntry), next: z.int().nullable() }) },
    ),
    async (request) => {
      const { after, limit, subject } = request.query;
      const items = await store.audit(after, limit, subject);
      return { items, next: items.length === limit ? (items.at(-1)?.seq ?? null) : null };
    },
  );

  app.get(
    "/healthz",
    call(
      { tag: "operations", id: "health", summary: "The process runs", access: access.public },
      {},
      { 200: z.object({ status: z.literal("ok") }) },
    ),
    async () => ({ status: "ok" as const }),
  );

  app.get(
    "/readyz",
    call(
      { tag: "operations", id: "readiness", summary: "The server can do its work", access: access.public },
      {},
      {
        200: z.object({
          status: z.literal("ready"),
          reconciling: z.int().describe("Apis that are not served, because their database was restored.").optional(),
        }),
      },
    ),
    async (_request, reply) => {
      if (!rooms.ready()) return sendProblem(reply, "shutting_down");
      await store.ping();
      const held = (await restorations.waiting()).filter(({ reconciledAt }) => reconciledAt === null).length;
      return { status: "ready" as const, ...(held === 0 ? {} : { reconciling: held }) };
    },
  );

  app.get(
    "/metrics",
    call(
      { tag: "operations", id: "metrics", summary: "Prometheus metrics", access: access.read },
      {},
      { 200: as("text/plain", z.string(), "Text exposition format 0.0.4.") },
    ),
    async (_request, reply) =>
      reply
        .header("content-type", metrics.registry.contentType)
        .serializer(String)
        .send((await metrics.registry.metrics()) as never),
  );

  app.get(
    "/openapi.json",
    call(
      { tag: "operations", id: "openapi", summary: "This document", access: access.public },
      {},
      { 200: as("application/json", z.looseObject({}), "OpenAPI 3.1.") },
    ),
    async (_request, reply) =>
      reply
        .header("content-type", "application/json; charset=utf-8")
        .serializer(String)
        .send(JSON.stringify(app.swagger()) as never),
  );
}

/** `accepted`: by its own standing. What is then refused for a limit shows that the version is in use all the same. */
function sighting(
  presented: HeldVersion,
  ask: z.infer<typeof shape.verifyAsk>,
  accepted: boolean,
  { valid }: Verdict,
  now: number,
) {
  return {
    key: presented.held.record.key,
    version: presented.version.number,
    source: {
      network: ask.network === undefined ? "unknown" : truncatedNetwork(ask.network),
      client: (ask.client ?? "").slice(0, 64),
      instance: (ask.instance ?? "").slice(0, 64),
    },
    first: now,
    last: now,
    accepted: accepted ? 1 : 0,
    refused: accepted ? 0 : 1,
    limited: accepted && !valid ? 1 : 0,
    longestGapMs: 0,
  };
}
