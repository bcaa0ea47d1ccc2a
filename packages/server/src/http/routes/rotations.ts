/** /v1/keys/{key}/rotations, /v1/rotations, /v1/keys/{key}/emergency */
import { gates, type Rotation } from "@keyover/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { RotationCommand } from "../../engine/rotations.ts";
import type { Command } from "../../keys/key-desk.ts";
import type { Outcome } from "../../outcome.ts";
import { access, actorOf, owns } from "../auth.ts";
import { commandOf } from "../idempotency.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { rotationView } from "../views.ts";
import { call, page } from "./call.ts";
import { explainEvidence } from "./explain.ts";

const params = z.object({ rotation: shape.handle });
const SHARE_WINDOW_MS = 60_000;
const HISTORY = { windowMs: 3_600_000, stepMs: 300_000 };

export function rotationRoutes(app: App, rooms: Rooms): void {
  const { world, store, rotations, evidence, fleet, inventory } = rooms;

  const visible = async (request: FastifyRequest, id: string): Promise<Rotation | undefined> => {
    const rotation = (await store.get("rotation", id))?.value;
    const key = rotation === undefined ? undefined : (await store.get("key", rotation.keyId))?.value;
    return key !== undefined && owns(request, key.consumerId) ? rotation : undefined;
  };
  const remembered = (request: FastifyRequest, status = 200): Command<Rotation> =>
    commandOf<Rotation>(request, world.clock, (rotation) => ({ status, body: rotationView(rotation) }));
  const answer = (reply: FastifyReply, outcome: Outcome<Rotation>, status = 200) =>
    outcome.ok ? reply.code(status).send(rotationView(outcome.value)) : sendRefusal(reply, outcome);

  app.post(
    "/v1/keys/:key/rotations",
    call(
      {
        tag: "rotations",
        id: "startRotation",
        summary: "Start a rotation",
        description: "A consumer may rotate its own keys, under the key's policy as it stands.",
        access: access.operateOwn,
      },
      { params: z.object({ key: shape.handle }), body: shape.startRotation },
      { 201: shape.rotation },
    ),
    async (request, reply) => {
      const key = (await store.get("key", request.params.key))?.value;
      if (key === undefined || !owns(request, key.consumerId))
        return sendProblem(reply, "not_found", `there is no key ${request.params.key}`);
      if (isConsumer(request) && request.body.policy !== undefined)
        return sendProblem(reply, "forbidden", "a consumer rotates under the key's policy; leave policy out");
      // Planned a year ahead it would keep every schedule and campaign away from the key, and nobody would hear of it.
      if (isConsumer(request) && (request.body.startsAt ?? 0) > world.clock.now())
        return sendProblem(reply, "forbidden", "a consumer's rotation begins at once; leave startsAt out");
      return answer(reply, await rotations.start(key.id, request.body, remembered(request, 201)), 201);
    },
  );

  app.get(
    "/v1/rotations",
    call(
      { tag: "rotations", id: "listRotations", summary: "List rotations", access: access.readOwn },
      {
        querystring: z.strictObject({
          ...shape.pageQuery,
          key: shape.handle.optional(),
          api: z.string().max(100).optional(),
          phase: shape.rotation.shape.phase.optional(),
          ended: z.enum(["true", "false"]).optional(),
        }),
      },
      { 200: shape.pageOf(shape.rotation) },
    ),
    async (request, reply) => {
      const { cursor, limit, key, phase, ended } = request.query;
      if (isConsumer(request)) {
        const held = key === undefined ? undefined : await store.get("key", key);
        if (held === undefined || !owns(request, held.value.consumerId))
          return sendProblem(reply, "invalid_request", "name one of your keys: ?key=key_…");
      }
      const api = request.query.api === undefined ? undefined : await inventory.findApi(request.query.api);
      if (request.query.api !== undefined && api === undefined) return { items: [], next: null };
      const equals = { key_id: key, api_id: api?.id, phase, ended: ended === undefined ? undefined : ended === "true" };
      const rows = await store.list("rotation", { equals }, { after: cursor, limit: limit + 1 });
      return page(
        rows,
        limit,
        ({ value }) => value.id,
        ({ value }) => rotationView(value),
      );
    },
  );

  app.get(
    "/v1/rotations/:rotation",
    call(
      { tag: "rotations", id: "getRotation", summary: "Show a rotation", access: access.readOwn },
      { params },
      { 200: shape.rotation },
    ),
    async (request, reply) => {
      const rotation = await visible(request, request.params.rotation);
      return rotation === undefined
        ? sendProblem(reply, "not_found", `there is no rotation ${request.params.rotation}`)
        : rotationView(rotation);
    },
  );

  app.get(
    "/v1/rotations/:rotation/evidence",
    call(
      {
        tag: "rotations",
        id: "getEvidence",
        summary: "What the next step waits for, in numbers",
        access: access.readOwn,
      },
      { params },
      { 200: shape.evidence },
    ),
    async (request, reply) => {
      const rotation = await visible(request, request.params.rotation);
      const key = rotation === undefined ? undefined : (await store.get("key", rotation.keyId))?.value;
      if (rotation === undefined || key === undefined)
        return sendProblem(reply, "not_found", `there is no rotation ${request.params.rotation}`);
      const now = world.clock.now();
      const needs = (await store.recordOfKey(key.id))?.seq ?? 0;
      const view = await fleet.view(key.apiId);
      const { quiet, mark, forecast, refused } = await evidence.standing(key, rotation);
      return explainEvidence({
        rotation,
        now,
        gates: gates(rotation, quiet, now),
        needs,
        laggards: rotation.phase === "propagating" ? view.laggards(needs) : [],
        quiet,
        mark,
        forecast,
        refused,
        shares: await evidence.shares(key.id, SHARE_WINDOW_MS),
        sharesOverTime: await evidence.sharesInSteps(key.id, HISTORY.windowMs, HISTORY.stepMs),
      });
    },
  );

  const commands: {
    path: string;
    id: string;
    summary: string;
    body: z.ZodType;
    event: (body: never, rotation: Rotation, actor: string) => RotationCommand;
  }[] = [
    {
      path: "deadline",
      id: "moveDeadline",
      summary: "Extend or shorten the overlap",
      body: shape.deadline,
      event: (body: z.infer<typeof shape.deadline>, rotation) => ({
        type: "move-deadline",
        overlapEndsAt: "byMs" in body ? (rotation.overlapEndsAt ?? world.clock.now()) + body.byMs : body.overlapEndsAt,
      }),
    },
    {
      path: "retire",
      id: "retireOldVersion",
      summary: "Retire the old version without waiting for the evidence",
      body: shape.withReason,
      event: (body: z.infer<typeof shape.withReason>, _rotation, actor) => ({
        type: "retire",
        by: actor,
        reason: body.reason,
      }),
    },
    {
      path: "rollback",
      id: "rollBack",
      summary: "Make the old version current again",
      body: shape.withReason,
      event: (body: z.infer<typeof shape.withReason>) => ({ type: "rollback", reason: body.reason }),
    },
    {
      path: "pause",
      id: "pauseRotation",
      summary: "Hold a rotation where it is",
      body: shape.withReason,
      event: (body: z.infer<typeof shape.withReason>, _rotation, actor) => ({
        type: "pause",
        by: actor,
        reason: body.reason,
      }),
    },
    {
      path: "resume",
      id: "resumeRotation",
      summary: "Let a paused rotation go on; its deadline moves on by the length of the pause",
      body: shape.nothing,
      event: () => ({ type: "resume" }),
    },
    {
      path: "brownout",
      id: "brownOut",
      summary: "Refuse the old version for a short time, from now on",
      body: shape.brownoutNow,
      event: (body: z.infer<typeof shape.brownoutNow>, _rotation, actor) => ({
        type: "brownout",
        forMs: body.forMs,
        by: actor,
        reason: body.reason,
      }),
    },
    {
      path: "brownout/end",
      id: "endBrownout",
      summary: "End the brownout that runs, and those that are planned",
      body: shape.withReason,
      event: (body: z.infer<typeof shape.withReason>, _rotation, actor) => ({
        type: "end-brownout",
        by: actor,
        reason: body.reason,
      }),
    },
    {
      path: "fence/lift",
      id: "liftFence",
      summary: "Let the old version do again what it could do before the policy's fence",
      body: shape.withReason,
      event: (body: z.infer<typeof shape.withReason>, _rotation, actor) => ({
        type: "lift-fence",
        by: actor,
        reason: body.reason,
      }),
    },
    {
      path: "cancel",
      id: "cancelRotation",
      summary: "End a rotation whose successor nobody has",
      body: shape.nothing,
      event: () => ({ type: "cancel" }),
    },
  ];
  for (const { path, id, summary, body, event } of commands) {
    app.post(
      `/v1/rotations/:rotation/${path}`,
      call({ tag: "rotations", id, summary, access: access.operate }, { params, body }, { 200: shape.rotation }),
      async (request, reply) => {
        const rotation = await visible(request, request.params.rotation);
        if (rotation === undefined)
          return sendProblem(reply, "not_found", `there is no rotation ${request.params.rotation}`);
        const wanted = event((request.body ?? {}) as never, rotation, actorOf(request));
        return answer(reply, await rotations.command(rotation.id, wanted, remembered(request)));
      },
    );
  }

  app.post(
    "/v1/keys/:key/emergency",
    call(
      {
        tag: "rotations",
        id: "emergency",
        summary: "A version has leaked: refuse it now, or fence it, and change over",
        description:
          "One commit. It overtakes whatever step a rotation is in; without one it starts one, whose successor the consumer's token can claim at once.",
        access: access.operate,
      },
      { params: z.object({ key: shape.handle }), body: shape.emergency },
      { 200: shape.rotation },
    ),
    async (request, reply) =>
      answer(reply, await rotations.emergency(request.params.key, request.body, remembered(request))),
  );
}

function isConsumer(request: FastifyRequest): boolean {
  return request.principal?.kind === "token" && request.principal.token.role === "consumer";
}
