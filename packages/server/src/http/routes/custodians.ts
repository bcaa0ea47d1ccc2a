/** /v1/custodians */
import { z } from "zod";
import type { Offboarded } from "../../custodians/offboarding.ts";
import { cursorOf, type Reach, type ReachedSecret, type ReachedToken } from "../../custodians/reach.ts";
import { reachWarnings } from "../../custodians/warnings.ts";
import { access, actorOf } from "../auth.ts";
import * as shape from "../custodian-schemas.ts";
import { commandOf } from "../idempotency.ts";
import { sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import { pageQuery } from "../schemas.ts";
import { call, page } from "./call.ts";

export function custodianRoutes(app: App, { world, offboarding }: Rooms): void {
  app.get(
    "/v1/custodians/:who",
    call(
      {
        tag: "custodians",
        id: "getCustodian",
        summary: "What somebody could have seen, and what of it still works",
        access: access.read,
      },
      {
        params: shape.whoParams,
        querystring: z.strictObject({
          ...pageQuery,
          state: z.enum(["works", "dormant", "replacing", "done"]).optional(),
          direct: z.enum(["true", "false"]).optional().describe("Only what was shown to their own tokens."),
        }),
      },
      { 200: shape.reach },
    ),
    async (request, reply) => {
      const { cursor, limit, state, direct } = request.query;
      const asked = { direct: direct === "true", state, cursor, limit: limit + 1 };
      if (cursor !== undefined) {
        const next = await offboarding.page(request.params.who, asked);
        if (!next.ok) return sendRefusal(reply, next);
        const { secrets, ...whose } = next.value;
        const shown = page(
          secrets,
          limit,
          (row) => row.cursor,
          (row) => secretView(row.secret),
        );
        return { ...whoseView(whose), counts: null, warnings: [], secrets: shown };
      }
      const found = await offboarding.reach(request.params.who, asked.direct);
      if (!found.ok) return sendRefusal(reply, found);
      const wanted = found.value.secrets.filter((secret) => state === undefined || secret.state === state);
      return {
        ...whoseView(found.value),
        counts: countsOf(found.value),
        warnings: reachWarnings(found.value, actorOf(request)),
        secrets: page(wanted.slice(0, limit + 1), limit, cursorOf, secretView),
      };
    },
  );

  app.post(
    "/v1/custodians/:who/offboard",
    call(
      {
        tag: "custodians",
        id: "offboard",
        summary: "Revoke somebody's tokens, and replace what they could have seen",
        description: "The keys are replaced by a campaign. The token that asks is left, whoever it belongs to.",
        access: access.administer,
      },
      { params: shape.whoParams, body: shape.offboard },
      { 200: shape.offboarded },
    ),
    async (request, reply) => {
      const command = commandOf<Offboarded>(request, world.clock, (body) => ({ status: 200, body }));
      const asker = actorOf(request);
      const outcome = await offboarding.offboard(request.params.who, request.body, asker, command);
      return outcome.ok ? outcome.value : sendRefusal(reply, outcome);
    },
  );
}

function whoseView({ who, tokens }: Pick<Reach, "who" | "tokens">) {
  return {
    who: { kind: who.kind, text: who.text, consumers: who.consumers.map(({ id, name }) => ({ id, name })) },
    tokens: tokens.map(tokenView),
  };
}

function countsOf({ secrets }: Reach) {
  const counts = { works: 0, dormant: 0, replacing: 0, done: 0 };
  for (const { state } of secrets) counts[state]++;
  return counts;
}

function tokenView({ token, madeWith, works }: ReachedToken) {
  const { id, name, role, consumerId: consumer, createdAt } = token;
  return { id, name, role, owner: token.owner ?? null, consumer, works, madeWith, createdAt };
}

function secretView({ key, version, state, ways, through, at, rotationId }: ReachedSecret) {
  const { id, name, apiId, environment, consumerId } = key;
  return {
    version,
    state,
    ways,
    through,
    at,
    key: id,
    name,
    api: apiId,
    environment,
    consumer: consumerId,
    rotation: rotationId,
  };
}
