/** /v1/channels and /v1/notices */
import { z } from "zod";
import { secretsInForce } from "../../notices/channel-secrets.ts";
import type { ChangedChannel, WithSecret } from "../../notices/channels.ts";
import { render } from "../../notices/templates.ts";
import { type Channel, type Notice, noticeStates } from "../../store/notice-entities.ts";
import { access, owns } from "../auth.ts";
import { commandOf } from "../idempotency.ts";
import * as noticeShape from "../notice-schemas.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { call, page } from "./call.ts";

export function noticeRoutes(app: App, rooms: Rooms): void {
  channelRoutes(app, rooms);
  secretRoutes(app, rooms);
  sentRoutes(app, rooms);
}

function channelView(channel: Channel, now: number) {
  const { consumerId, config, secrets: _secrets, escalate, ...rest } = channel;
  const signing = channel.kind === "webhook" ? secretsInForce(channel, now) : [];
  return {
    ...rest,
    ...config,
    consumer: consumerId,
    signing: signing.map(({ version, createdAt, retireAt }) => ({ version, createdAt, retireAt })),
    escalate: escalate === null ? null : { channel: escalate.channelId, afterMs: escalate.afterMs },
  };
}

/** `outside`: for a consumer, who learns nothing of our own network. */
function noticeView(notice: Notice, outside: boolean) {
  const { channelId, consumerId: _consumer, collects: _collects, firstDueAt: _first, ...rest } = notice;
  const { addressed: _addressed, copyOf: _copyOf, lastErrorPublic = UNTOLD, lastError, ...shown } = rest;
  return {
    ...shown,
    channel: channelId,
    recipient: notice.recipient ?? null,
    lastError: outside && lastError !== null ? lastErrorPublic : lastError,
    events: notice.events.length,
    escalatedFrom: notice.escalatedFrom.map((step) => step.notice),
  };
}

/** Of a notice that was tried by a program that kept one reason alone. */
const UNTOLD = "it could not be delivered";

const params = { params: z.object({ channel: shape.handle }) };

function channelRoutes(app: App, { world, store, channels }: Rooms): void {
  const view = (channel: Channel) => channelView(channel, world.clock.now());
  const viewChanged = ({ channel, warnings }: ChangedChannel) => ({ ...view(channel), warnings });
  const changed = (what: ChangedChannel) => ({ status: 200, body: viewChanged(what) });

  app.post(
    "/v1/channels",
    call(
      {
        tag: "notices",
        id: "createChannel",
        summary: "Tell somebody",
        description: "A webhook's signing secret is in this answer and in no other.",
        access: access.operate,
      },
      { body: noticeShape.newChannel },
      { 201: noticeShape.createdChannel },
    ),
    async (request, reply) => {
      const { consumer, ...wanted } = request.body;
      const command = commandOf<WithSecret>(request, world.clock, ({ channel, sealedId }) => ({
        status: 201,
        body: { ...view(channel), secret: null },
        sealedId,
      }));
      const outcome = await channels.create({ ...wanted, consumerId: consumer }, command);
      if (!outcome.ok) return sendRefusal(reply, outcome);
      const { channel, secret } = outcome.value;
      return reply.code(201).send({ ...view(channel), secret: secret?.reveal() ?? null });
    },
  );

  app.get(
    "/v1/channels",
    call(
      { tag: "notices", id: "listChannels", summary: "List channels", access: access.readOwn },
      {
        querystring: z.strictObject({
          ...shape.pageQuery,
          name: z.string().max(100).optional(),
          consumer: shape.handle.optional(),
        }),
      },
      { 200: shape.pageOf(noticeShape.channel) },
    ),
    async (request) => {
      const { cursor, limit, name, consumer } = request.query;
      const equals = { name, consumer_id: ownConsumer(request) ?? consumer };
      const rows = await store.list("channel", { equals }, { after: cursor, limit: limit + 1 });
      return page(
        rows,
        limit,
        ({ value }) => value.id,
        ({ value }) => view(value),
      );
    },
  );

  app.get(
    "/v1/channels/:channel",
    call({ tag: "notices", id: "getChannel", summary: "Show a channel", access: access.readOwn }, params, {
      200: noticeShape.channel,
    }),
    async (request, reply) => {
      const channel = (await store.get("channel", request.params.channel))?.value;
      if (channel === undefined || !owns(request, channel.consumerId ?? ""))
        return sendProblem(reply, "not_found", `there is no channel ${request.params.channel}`);
      return view(channel);
    },
  );

  app.patch(
    "/v1/channels/:channel",
    call(
      {
        tag: "notices",
        id: "updateChannel",
        summary: "Change a channel; enable it again, or disable it",
        description: "One that others escalate to, or that policies name, is disabled or renamed only with `force`.",
        access: access.operate,
      },
      { ...params, body: noticeShape.channelPatch },
      { 200: noticeShape.changedChannel },
    ),
    async (request, reply) => {
      const command = commandOf<ChangedChannel>(request, world.clock, changed);
      const { force, ...patch } = request.body;
      const outcome = await channels.update(request.params.channel, patch, command, force);
      return outcome.ok ? viewChanged(outcome.value) : sendRefusal(reply, outcome);
    },
  );

  app.delete(
    "/v1/channels/:channel",
    call(
      {
        tag: "notices",
        id: "removeChannel",
        summary: "Remove a channel; what still waits for it becomes dead",
        description: "One that others escalate to, or that policies name, only with `force=true`.",
        access: access.operate,
      },
      { ...params, querystring: z.strictObject({ force: z.enum(["true", "false"]).default("false") }) },
      { 200: noticeShape.changedChannel },
    ),
    async (request, reply) => {
      const command = commandOf<ChangedChannel>(request, world.clock, changed);
      const outcome = await channels.remove(request.params.channel, command, request.query.force === "true");
      return outcome.ok ? viewChanged(outcome.value) : sendRefusal(reply, outcome);
    },
  );

  app.post(
    "/v1/channels/:channel/test",
    call(
      {
        tag: "notices",
        id: "testChannel",
        summary: "Send one message now, and say what came of it",
        access: access.operate,
      },
      { ...params, body: shape.nothing },
      { 200: noticeShape.channelTest },
    ),
    async (request, reply) => {
      const outcome = await channels.test(request.params.channel);
      if (!outcome.ok) return sendRefusal(reply, outcome);
      const { notice, attempt, tookMs } = outcome.value;
      const error = attempt.ok ? null : attempt.error;
      return { notice, delivered: attempt.ok, status: attempt.status, error, tookMs };
    },
  );
}

function secretRoutes(app: App, { world, channels }: Rooms): void {
  const view = (channel: Channel) => channelView(channel, world.clock.now());

  app.post(
    "/v1/channels/:channel/rotate-secret",
    call(
      {
        tag: "notices",
        id: "rotateChannelSecret",
        summary: "A new signing secret beside the old one",
        description:
          "Each delivery is signed with both until the old one ends. The new one is in this answer and in no other.",
        access: access.operate,
      },
      { ...params, body: noticeShape.rotateSecret },
      { 200: noticeShape.createdChannel },
    ),
    async (request, reply) => {
      const keepOldMs = request.body?.keepOldMs ?? noticeShape.KEEP_OLD_MS;
      const command = commandOf<WithSecret>(request, world.clock, ({ channel, sealedId }) => ({
        status: 200,
        body: { ...view(channel), secret: null },
        sealedId,
      }));
      const outcome = await channels.rotateSecret(request.params.channel, keepOldMs, command);
      if (!outcome.ok) return sendRefusal(reply, outcome);
      const { channel, secret } = outcome.value;
      return { ...view(channel), secret: secret?.reveal() ?? null };
    },
  );

  app.post(
    "/v1/channels/:channel/end-old-secret",
    call(
      {
        tag: "notices",
        id: "endOldChannelSecret",
        summary: "Sign with the newer secret alone from now on",
        access: access.operate,
      },
      { ...params, body: shape.nothing },
      { 200: noticeShape.channel },
    ),
    async (request, reply) => {
      const command = commandOf<Channel>(request, world.clock, (channel) => ({ status: 200, body: view(channel) }));
      const outcome = await channels.endOldSecret(request.params.channel, command);
      return outcome.ok ? view(outcome.value) : sendRefusal(reply, outcome);
    },
  );
}

function sentRoutes(app: App, { world, store, channels }: Rooms): void {
  const viewFor = (request: Parameters<typeof owns>[0]) => {
    const outside = ownConsumer(request) !== undefined;
    return (notice: Notice) => noticeView(notice, outside);
  };
  const changed = (notice: Notice) => ({ status: 200, body: noticeView(notice, false) });
  const named = { params: z.object({ notice: shape.handle }) };
  const visible = async (request: Parameters<typeof owns>[0], id: string): Promise<Notice | undefined> => {
    const notice = (await store.get("notice", id))?.value;
    return notice !== undefined && owns(request, notice.consumerId ?? "") ? notice : undefined;
  };

  app.get(
    "/v1/notices",
    call(
      { tag: "notices", id: "listNotices", summary: "List what was sent, waits, or is dead", access: access.readOwn },
      {
        querystring: z.strictObject({
          ...shape.pageQuery,
          state: z.enum(noticeStates).optional(),
          channel: shape.handle.optional(),
        }),
      },
      { 200: shape.pageOf(noticeShape.notice) },
    ),
    async (request) => {
      const { cursor, limit, state, channel } = request.query;
      const equals = { state, channel_id: channel, consumer_id: ownConsumer(request) };
      const rows = await store.list("notice", { equals }, { after: cursor, limit: limit + 1 });
      return page(
        rows,
        limit,
        ({ value }) => value.id,
        ({ value }) => viewFor(request)(value),
      );
    },
  );

  app.get(
    "/v1/notices/:notice",
    call({ tag: "notices", id: "getNotice", summary: "Show a notice with its text", access: access.readOwn }, named, {
      200: noticeShape.noticeWithText,
    }),
    async (request, reply) => {
      const notice = await visible(request, request.params.notice);
      if (notice === undefined) return sendProblem(reply, "not_found", `there is no notice ${request.params.notice}`);
      const rows = await Promise.all(notice.events.map((id) => store.get("notice_event", id)));
      const events = rows.flatMap((row) => (row === undefined ? [] : [row.value]));
      if (events.length === 0) return sendProblem(reply, "not_found", "its events are past keeping");
      const { subject, text, needsReaction } = render(events, notice.id, notice.escalatedFrom.at(-1)?.notice);
      const first = notice.copyOf == null ? notice : ((await store.get("notice", notice.copyOf))?.value ?? notice);
      const { acknowledgedAt, acknowledgedBy } = notice.acknowledgedAt === null ? first : notice;
      return { ...viewFor(request)(notice), acknowledgedAt, acknowledgedBy, subject, text, needsReaction };
    },
  );

  app.post(
    "/v1/notices/:notice/resend",
    call(
      {
        tag: "notices",
        id: "resendNotice",
        summary: "Send a dead or a sent notice again, under the same id",
        access: access.operate,
      },
      { ...named, body: shape.nothing },
      { 200: noticeShape.notice },
    ),
    async (request, reply) => {
      const outcome = await channels.resend(request.params.notice, commandOf<Notice>(request, world.clock, changed));
      return outcome.ok ? viewFor(request)(outcome.value) : sendRefusal(reply, outcome);
    },
  );

  app.post(
    "/v1/notices/:notice/acknowledge",
    call(
      {
        tag: "notices",
        id: "acknowledgeNotice",
        summary: "Somebody looks after it: it goes on to no other channel",
        access: access.operateOwn,
      },
      { ...named, body: shape.nothing },
      { 200: noticeShape.notice },
    ),
    async (request, reply) => {
      if ((await visible(request, request.params.notice)) === undefined)
        return sendProblem(reply, "not_found", `there is no notice ${request.params.notice}`);
      const view = viewFor(request);
      const command = commandOf<Notice>(request, world.clock, (notice) => ({ status: 200, body: view(notice) }));
      const outcome = await channels.acknowledge(request.params.notice, command);
      return outcome.ok ? view(outcome.value) : sendRefusal(reply, outcome);
    },
  );
}

/** A consumer's token sees its consumer's things alone. */
function ownConsumer({ principal }: Parameters<typeof owns>[0]): string | undefined {
  return principal?.kind === "token" && principal.token.role === "consumer"
    ? (principal.token.consumerId ?? "")
    : undefined;
}
