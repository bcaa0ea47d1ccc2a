/** What verifiers call: register, snapshot, feed, acknowledgements, reports, misses. Shapes in core's wire.ts. */
import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { Grant, MissAnswer, SnapshotEnd, SnapshotHead } from "@keyover/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { welcomeOf } from "../../feed/fleet.ts";
import type { Sink } from "../../feed/hub.ts";
import type { Outcome } from "../../outcome.ts";
import { epochOf, raised } from "../../restore/restorations.ts";
import type { Api, Restoration } from "../../store/entities.ts";
import type { Store } from "../../store/store.ts";
import { access, actorOf, followedEnvironments } from "../auth.ts";
import * as wire from "../feed-schemas.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { bootView } from "../views.ts";
import { as, call } from "./call.ts";

const params = z.object({ api: z.string().max(100) });
const REPORT_BYTES_MAX = 4 * 1024 * 1024;
const REMEMBERED_BYTES_MAX = 16 * 1024 * 1024;
const SNAPSHOT_PAGE = 1_000;

export function feedRoutes(app: App, rooms: Rooms): void {
  const { world, store, desk, fleet, hub, inventory, limits, restorations } = rooms;

  /** The api, if this verifier may follow it now; answers the refusal itself otherwise. */
  const followed = async (
    request: FastifyRequest,
    reply: FastifyReply,
    name: string,
  ): Promise<{ api: Api; environments: string[] } | undefined> => {
    const scope = await granted(request, reply, name);
    const held = scope === undefined ? undefined : await restorations.refusal(scope.api.id);
    if (held === undefined) return scope;
    sendRefusal(reply, held);
    return undefined;
  };
  /** The api, if this verifier may follow it. */
  const granted = async (
    request: FastifyRequest,
    reply: FastifyReply,
    name: string,
  ): Promise<{ api: Api; environments: string[] } | undefined> => {
    const api = await inventory.findApi(name);
    const environments = api === undefined ? undefined : followedEnvironments(request, api);
    if (api === undefined || environments === undefined) {
      sendProblem(reply, "not_found", `there is no api ${name}, or this token may not follow it`);
      return undefined;
    }
    return { api, environments };
  };
  const answer = (reply: FastifyReply, outcome: Outcome<Grant>) =>
    outcome.ok ? outcome.value : sendRefusal(reply, outcome);

  app.post(
    "/v1/apis/:api/verifiers",
    call(
      { tag: "feed", id: "registerVerifier", summary: "Register one start of a verifier", access: access.follow },
      { params, body: wire.registration },
      { 200: wire.welcome },
    ),
    async (request, reply) => {
      const scope = await granted(request, reply, request.params.api);
      if (scope === undefined) return reply;
      const { api, environments } = scope;
      const witness = { tokenId: actorOf(request), environments };
      const refused = await rooms.remembered.admission(api, request.body, witness);
      if (refused !== undefined) return sendRefusal(reply, refused);
      const epoch = epochOf(api.id, (await restorations.of(api.id))?.value);
      const outcome = await fleet.register(api, request.body, actorOf(request));
      if (!outcome.ok) return sendProblem(reply, outcome.code, outcome.detail);
      return welcomeOf(api, environments, outcome.value, epoch);
    },
  );

  app.get(
    "/v1/apis/:api/snapshot",
    call(
      {
        tag: "feed",
        id: "getSnapshot",
        summary: "Every key of an api",
        description:
          "Lines of JSON (application/x-ndjson): a head with the feed's number, a record for each key, and an end with their count. With `keys=none`, for verifiers that hold some of the keys, no records.",
        access: access.follow,
      },
      { params, querystring: z.object({ keys: z.enum(["all", "none"]).default("all") }) },
      { 200: as("application/x-ndjson", z.string(), "The snapshot, complete if its last line is the end.") },
    ),
    async (request, reply) => {
      const scope = await followed(request, reply, request.params.api);
      if (scope === undefined) return reply;
      // Before the number is read: who takes no records has nothing else that makes up for what is committed in between.
      const now = world.clock.now();
      const seq = await store.feedHead(scope.api.id);
      const restoration = (await restorations.of(scope.api.id))?.value;
      const plans = (await store.planRecords(scope.api.id)).map((plan) => raised(plan, restoration));
      const head: SnapshotHead = { seq, now, plans };
      const lines =
        request.query.keys === "none"
          ? [`${JSON.stringify(head)}\n`, `${JSON.stringify({ end: 0 } satisfies SnapshotEnd)}\n`]
          : snapshotLines(store, scope.api.id, scope.environments, head, restoration);
      return reply
        .header("content-type", "application/x-ndjson")
        .header("cache-control", "no-store")
        .send(Readable.from(lines) as never);
    },
  );

  app.get(
    "/v1/apis/:api/feed",
    call(
      {
        tag: "feed",
        id: "followFeed",
        summary: "Changes from a number on, as server-sent events",
        access: access.follow,
      },
      { params, querystring: z.object({ after: z.coerce.number().int().min(0), boot: z.string().max(64).optional() }) },
      {
        200: as("text/event-stream", z.string(), "Events `entry` (a FeedEntry) and `beat`, until the connection ends."),
      },
    ),
    async (request, reply) => {
      const scope = await followed(request, reply, request.params.api);
      if (scope === undefined) return reply;
      const { after, boot } = request.query;
      const since = await restorations.restoredAt(scope.api.id);
      if (since > 0 && boot !== undefined) {
        // One that has slept through the reconciliation: what it knows was not compared. It registers, and is asked.
        const known = await fleet.boot(scope.api.id, boot, actorOf(request));
        if (known === undefined || known.registeredAt < since)
          return sendProblem(reply, "unknown_boot", `the database was restored since ${boot} was registered`);
      }
      const headSeq = await store.feedHead(scope.api.id);
      if (after > headSeq)
        return sendProblem(reply, "feed_ahead", `the feed has reached ${headSeq}; ${after} is in its future`, {
          head: headSeq,
        });
      const floor = await store.feedFloor(scope.api.id);
      if (after < floor) return sendProblem(reply, "feed_compacted", `the feed begins after ${floor}`, { floor });
      const reader = { tokenId: actorOf(request), environments: scope.environments };
      openStream(request, reply, (sink) => hub.subscribe(scope.api.id, after, reader, sink));
      return reply;
    },
  );

  app.post(
    "/v1/apis/:api/acks",
    call(
      { tag: "feed", id: "acknowledge", summary: "Every entry up to a number is applied", access: access.follow },
      { params, body: wire.ack },
      { 200: wire.grant },
    ),
    async (request, reply) => {
      const scope = await followed(request, reply, request.params.api);
      if (scope === undefined) return reply;
      const head = await store.feedHead(scope.api.id);
      return answer(reply, await fleet.ack(scope.api, request.body, head, actorOf(request)));
    },
  );

  app.post(
    "/v1/apis/:api/reports",
    {
      ...call(
        { tag: "feed", id: "report", summary: "What was seen, without gaps; renews the lease", access: access.follow },
        { params, body: wire.report },
        { 200: wire.grant },
      ),
      bodyLimit: REPORT_BYTES_MAX,
    },
    async (request, reply) => {
      const scope = await granted(request, reply, request.params.api);
      if (scope === undefined) return reply;
      const held = await restorations.refusal(scope.api.id);
      if (held !== undefined) {
        // Its boot is over. What it saw goes with the next one, unless the backup has it already.
        const boot = await fleet.boot(scope.api.id, request.body.boot, actorOf(request));
        return sendRefusal(reply, { ...held, members: { ...held.members, counted: boot?.reportNumber } });
      }
      return answer(
        reply,
        await fleet.report(
          scope.api,
          request.body,
          await store.feedHead(scope.api.id),
          actorOf(request),
          scope.environments,
          await restorations.restoredAt(scope.api.id),
        ),
      );
    },
  );

  app.post(
    "/v1/apis/:api/misses",
    call(
      { tag: "feed", id: "askMiss", summary: "A well-formed key that the replica lacks", access: access.follow },
      { params, body: wire.miss },
      { 200: wire.missAnswer },
    ),
    async (request, reply) => {
      const scope = await followed(request, reply, request.params.api);
      if (scope === undefined) return reply;
      const seq = await store.feedHead(scope.api.id);
      const record = await store.recordByHash(scope.api.id, request.body.sha256);
      const shown =
        record !== undefined && (scope.environments.length === 0 || scope.environments.includes(record.environment));
      const restoration = (await restorations.of(scope.api.id))?.value;
      const plans = shown ? await limits.plansNamed(scope.api.id, record.plan) : [];
      const missed: MissAnswer = {
        now: world.clock.now(),
        epoch: epochOf(scope.api.id, restoration),
        seq,
        record: shown ? raised(record, restoration) : null,
        ...(plans.length === 0 ? {} : { plans: plans.map((plan) => raised(plan, restoration)) }),
      };
      return missed as never;
    },
  );

  app.post(
    "/v1/apis/:api/remembered",
    {
      ...call(
        {
          tag: "feed",
          id: "tellRemembered",
          summary: "What a restored database lacks",
          description:
            "Records newer than `after` of the `reconciling` that a registration was answered with, in parts.",
          access: access.follow,
        },
        { params, body: wire.remembered },
        { 200: z.object({ records: z.int() }) },
      ),
      bodyLimit: REMEMBERED_BYTES_MAX,
    },
    async (request, reply) => {
      const scope = await granted(request, reply, request.params.api);
      if (scope === undefined) return reply;
      const witness = { tokenId: actorOf(request), environments: scope.environments };
      const { records: given, ...part } = request.body;
      const records = given.map((record) => wire.keyRecord.safeParse(record)).flatMap(({ data }) => data ?? []);
      const told = { ...part, records, malformed: given.length - records.length };
      const outcome = await rooms.remembered.tell(scope.api, told, witness);
      return outcome.ok ? outcome.value : sendRefusal(reply, outcome);
    },
  );

  app.get(
    "/v1/apis/:api/verifiers",
    call(
      {
        tag: "feed",
        id: "listVerifiers",
        summary: "The verifiers of an api, and how far they are",
        access: access.read,
      },
      { params },
      { 200: z.object({ items: z.array(shape.verifierBoot), head: z.int(), watermark: z.number() }) },
    ),
    async (request, reply) => {
      const api = await inventory.findApi(request.params.api);
      if (api === undefined) return sendProblem(reply, "not_found", `there is no api ${request.params.api}`);
      const now = world.clock.now();
      const items = (await fleet.list(api.id)).map((member) => bootView(member, now));
      const { watermark } = await fleet.view(api.id);
      return { items, head: await store.feedHead(api.id), watermark: watermark.at };
    },
  );

  app.delete(
    "/v1/apis/:api/verifiers/:boot",
    call(
      {
        tag: "feed",
        id: "removeVerifier",
        summary: "Say that a verifier is gone for good",
        description: "Nothing waits for it any more. If it is alive after all, it is refused and registers anew.",
        access: access.operate,
      },
      { params: z.object({ api: z.string().max(100), boot: shape.handle }) },
      { 204: z.null() },
    ),
    async (request, reply) => {
      const api = await inventory.findApi(request.params.api);
      const { boot } = request.params;
      const member = (await store.boot(boot))?.value;
      if (api === undefined || member?.apiId !== api.id || member.removedAt !== null)
        return sendProblem(reply, "not_found", `there is no verifier ${boot}`);
      const entry = {
        at: world.clock.now(),
        actor: actorOf(request),
        action: "verifier.removed",
        subjects: [boot, api.id],
        details: { instance: member.instance },
      };
      const noted = await desk.commit({ writes: [], audit: [entry], feed: [] });
      if (!noted.ok) return sendRefusal(reply, noted);
      await fleet.remove(api, boot);
      return reply.code(204).send(null);
    },
  );
}

async function* snapshotLines(
  store: Store,
  apiId: string,
  environments: readonly string[],
  head: SnapshotHead,
  restoration: Restoration | undefined,
): AsyncGenerator<string> {
  yield `${JSON.stringify(head)}\n`;
  let count = 0;
  let after = "";
  for (;;) {
    const records = await store.records(apiId, after, SNAPSHOT_PAGE);
    const shown =
      environments.length === 0 ? records : records.filter((record) => environments.includes(record.environment));
    count += shown.length;
    if (shown.length > 0) yield shown.map((record) => `${JSON.stringify(raised(record, restoration))}\n`).join("");
    if (records.length < SNAPSHOT_PAGE) break;
    after = records.at(-1)?.key ?? "";
  }
  const end: SnapshotEnd = { end: count };
  yield `${JSON.stringify(end)}\n`;
}

/** Takes the response out of fastify's hands and keeps it open. */
function openStream(request: FastifyRequest, reply: FastifyReply, subscribe: (sink: Sink) => () => void): void {
  reply.hijack();
  const { raw } = reply;
  // The connection ends with the stream: kept alive, it would hold a shutdown up.
  const headers = { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" };
  raw.writeHead(200, { ...headers, connection: "close" });
  request.raw.socket.setNoDelay(true);
  raw.write(": follow\n\n");
  const unsubscribe = subscribe({
    write(chunk) {
      // Now, and not at the end of the turn: what it takes to send to all is measured (feed/gathering.ts).
      raw.socket?.cork();
      raw.write(chunk);
      raw.socket?.uncork();
      return raw.writableLength;
    },
    drained: () => (raw.writableNeedDrain && !raw.destroyed ? drainOf(raw) : Promise.resolve()),
    end: () => raw.end(),
    cut: () => raw.destroy(),
  });
  raw.on("close", unsubscribe);
  raw.on("error", unsubscribe);
}

function drainOf(raw: ServerResponse): Promise<void> {
  const events = ["drain", "close", "error"];
  return new Promise((resolve) => {
    const done = () => {
      for (const event of events) raw.off(event, done);
      resolve();
    };
    for (const event of events) raw.on(event, done);
  });
}
