/** /v1/tokens */
import { z } from "zod";
import type { Token } from "../../store/entities.ts";
import { roles } from "../../store/entities.ts";
import { ownerText } from "../../store/tables.ts";
import { access } from "../auth.ts";
import { commandOf } from "../idempotency.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { tokenView } from "../views.ts";
import { call, page } from "./call.ts";

export function tokenRoutes(app: App, { world, store, tokens, inventory }: Rooms): void {
  app.post(
    "/v1/tokens",
    call(
      {
        tag: "tokens",
        id: "createToken",
        summary: "Make a token",
        description: "The secret is in this answer and in no other.",
        access: access.administer,
      },
      { body: shape.newToken },
      { 201: shape.createdToken },
    ),
    async (request, reply) => {
      const { apis, consumer, ...described } = request.body;
      const apiIds: string[] = [];
      for (const name of apis) {
        const api = await inventory.findApi(name);
        if (api === undefined) return sendProblem(reply, "not_found", `there is no api ${name}`);
        apiIds.push(api.id);
      }
      const command = commandOf<Token>(request, world.clock, (token) => ({
        status: 201,
        body: { ...tokenView(token), secret: null },
        sealedId: token.id,
      }));
      const outcome = await tokens.create({ ...described, apiIds, consumerId: consumer }, command);
      if (!outcome.ok) return sendRefusal(reply, outcome);
      return reply.code(201).send({ ...tokenView(outcome.value.token), secret: outcome.value.secret.reveal() });
    },
  );

  app.get(
    "/v1/tokens",
    call(
      { tag: "tokens", id: "listTokens", summary: "List tokens", access: access.administer },
      {
        querystring: z.strictObject({
          ...shape.pageQuery,
          role: z.enum(roles).optional(),
          consumer: shape.handle.optional(),
          owner: z.string().min(1).max(100).optional().describe("In any case of letters."),
          revoked: z.enum(["true", "false"]).optional(),
        }),
      },
      { 200: shape.pageOf(shape.token) },
    ),
    async (request) => {
      const { cursor, limit, role, consumer, owner, revoked } = request.query;
      const equals = {
        role,
        consumer_id: consumer,
        owner: owner === undefined ? undefined : ownerText(owner),
        revoked: revoked === undefined ? undefined : revoked === "true",
      };
      const rows = await store.list("token", { equals }, { after: cursor, limit: limit + 1 });
      return page(
        rows,
        limit,
        ({ value }) => value.id,
        ({ value }) => tokenView(value),
      );
    },
  );

  app.patch(
    "/v1/tokens/:token",
    call(
      { tag: "tokens", id: "updateToken", summary: "Say whose a token is", access: access.administer },
      { params: z.object({ token: shape.handle }), body: shape.tokenPatch },
      { 200: shape.token },
    ),
    async (request, reply) => {
      const command = commandOf<Token>(request, world.clock, (token) => ({ status: 200, body: tokenView(token) }));
      const outcome = await tokens.assign(request.params.token, request.body.owner, command);
      return outcome.ok ? tokenView(outcome.value) : sendRefusal(reply, outcome);
    },
  );

  app.post(
    "/v1/tokens/:token/revoke",
    call(
      { tag: "tokens", id: "revokeToken", summary: "Refuse a token for good", access: access.administer },
      { params: z.object({ token: shape.handle }), body: shape.nothing },
      { 200: shape.token },
    ),
    async (request, reply) => {
      const command = commandOf<Token>(request, world.clock, (token) => ({ status: 200, body: tokenView(token) }));
      const outcome = await tokens.revoke(request.params.token, command);
      return outcome.ok ? tokenView(outcome.value) : sendRefusal(reply, outcome);
    },
  );
}
