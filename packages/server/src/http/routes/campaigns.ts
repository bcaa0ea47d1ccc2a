/** /v1/campaigns, /v1/emergencies */
import { type Campaign, type CampaignCommand, sleep, sumItems, waveName } from "@keyover/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { WantedCampaign } from "../../campaigns/campaign-desk.ts";
import { type CampaignStanding, reportOf, standingOf } from "../../campaigns/standing.ts";
import type { Outcome } from "../../outcome.ts";
import { accept, refuse } from "../../outcome.ts";
import type { CampaignItem } from "../../store/campaign-entities.ts";
import { access } from "../auth.ts";
import { commandOf } from "../idempotency.ts";
import { sendProblem, sendRefusal } from "../problems.ts";
import type { App, Rooms } from "../rooms.ts";
import * as shape from "../schemas.ts";
import { call, page } from "./call.ts";

const params = z.object({ campaign: shape.handle });
const NOTHING = { waves: [], gate: undefined, limits: undefined, pace: null };

export function campaignRoutes(app: App, rooms: Rooms): void {
  const { world, store, campaigns, inventory, fleet, restorations } = rooms;
  const standingDeps = { store, fleet, restorations, now: () => world.clock.now() };

  /** Apis may be named; what is kept are handles. */
  const selectionOf = async (
    select: z.infer<typeof shape.keySelection>,
  ): Promise<Outcome<WantedCampaign["select"]>> => {
    const apis: string[] = [];
    for (const name of select.apis ?? []) {
      const api = await inventory.findApi(name);
      if (api === undefined) return refuse("not_found", `there is no api ${name}`);
      apis.push(api.id);
    }
    return accept(select.apis === undefined ? select : { ...select, apis });
  };

  const begin = async (
    request: FastifyRequest,
    reply: FastifyReply,
    wanted: Omit<WantedCampaign, "select">,
    given: z.infer<typeof shape.keySelection>,
    dryRun: boolean,
  ) => {
    const select = await selectionOf(given);
    if (!select.ok) return sendRefusal(reply, select);
    const whole = { ...wanted, select: select.value };
    if (dryRun) {
      const preview = await campaigns.preview(whole);
      if (!preview.ok) return sendRefusal(reply, preview);
      const { keys, ...rest } = preview.value;
      return reply.code(200).send({ dryRun: true, selection: { keys }, ...rest });
    }
    const command = commandOf<Campaign>(request, world.clock, (campaign) => ({
      status: 201,
      body: campaignView(campaign),
    }));
    const outcome = await campaigns.start(whole, command);
    return outcome.ok ? reply.code(201).send(campaignView(outcome.value)) : sendRefusal(reply, outcome);
  };

  app.post(
    "/v1/campaigns",
    call(
      {
        tag: "campaigns",
        id: "startCampaign",
        summary: "Rotate many keys in waves",
        description:
          "With `dryRun` nothing is changed, and 200 answers what would be selected. Each key rotates under its own policy.",
        access: access.operate,
      },
      { body: shape.newCampaign },
      { 200: shape.campaignPreview, 201: shape.campaign },
    ),
    async (request, reply) => {
      const { select, dryRun, waves, fence = null, ...wanted } = request.body;
      const ofWaves = waves.map(({ gate, ...of }) => ({ of, gate }));
      return begin(request, reply, { ...wanted, fence, waves: ofWaves }, select, dryRun);
    },
  );

  app.post(
    "/v1/emergencies",
    call(
      {
        tag: "campaigns",
        id: "startEmergency",
        summary: "Many keys have leaked: refuse them now, or fence them, and change over",
        description:
          "A campaign of one wave without gates. Every accepted version that was handed out is struck, a hundred keys in a commit; it ends when every verifier refuses them.",
        access: access.operate,
      },
      { body: shape.newEmergency },
      { 200: shape.campaignPreview, 201: shape.campaign },
    ),
    async (request, reply) => {
      const { mode, select, dryRun, fence = null, name, reason, expect } = request.body;
      const wanted = { ...NOTHING, action: mode, name: name ?? `emergency: ${mode}`, fence, reason, expect };
      return begin(request, reply, wanted, select, dryRun);
    },
  );

  app.get(
    "/v1/campaigns",
    call(
      { tag: "campaigns", id: "listCampaigns", summary: "List campaigns, the newest first", access: access.read },
      {
        querystring: z.strictObject({ ...shape.pageQuery, state: shape.campaign.shape.state.optional() }),
      },
      { 200: shape.pageOf(shape.campaign) },
    ),
    async (request) => {
      const { cursor, limit, state } = request.query;
      const asked = { after: cursor, limit: limit + 1, backwards: true };
      const rows = await store.list("campaign", { equals: { state } }, asked);
      return page(
        rows,
        limit,
        ({ value }) => value.id,
        ({ value }) => campaignView(value),
      );
    },
  );

  const unknown = (reply: FastifyReply, id: string) => sendProblem(reply, "not_found", `there is no campaign ${id}`);

  app.get(
    "/v1/campaigns/:campaign",
    call(
      { tag: "campaigns", id: "getCampaign", summary: "Show a campaign and how far it is", access: access.read },
      { params },
      { 200: shape.campaignStanding },
    ),
    async (request, reply) => {
      const held = await store.get("campaign", request.params.campaign);
      if (held === undefined) return unknown(reply, request.params.campaign);
      return standingView(await standingOf(standingDeps, held.value));
    },
  );

  app.get(
    "/v1/campaigns/:campaign/items",
    call(
      { tag: "campaigns", id: "listCampaignItems", summary: "The keys of a campaign", access: access.read },
      {
        params,
        querystring: z.strictObject({
          ...shape.pageQuery,
          wave: z.coerce.number().int().min(0).optional(),
          state: shape.campaignItem.shape.state.optional(),
        }),
      },
      { 200: shape.pageOf(shape.campaignItem) },
    ),
    async (request, reply) => {
      const { cursor, limit, wave, state } = request.query;
      const id = request.params.campaign;
      if ((await store.get("campaign", id)) === undefined) return unknown(reply, id);
      const equals = { campaign_id: id, wave, state };
      const rows = await store.list("campaign_item", { equals }, { after: cursor, limit: limit + 1 });
      return page(
        rows,
        limit,
        ({ value }) => value.id,
        ({ value }) => itemView(value),
      );
    },
  );

  app.get(
    "/v1/campaigns/:campaign/report",
    call(
      { tag: "campaigns", id: "reportCampaign", summary: "What has become of a campaign", access: access.read },
      { params },
      { 200: shape.campaignReport },
    ),
    async (request, reply) => {
      const held = await store.get("campaign", request.params.campaign);
      if (held === undefined) return unknown(reply, request.params.campaign);
      const { createdAt, endedAt } = held.value;
      const report = await reportOf(standingDeps, held.value, () => sleep(world.clock, 0));
      return {
        ...standingView(await standingOf(standingDeps, held.value, report.refused)),
        tookMs: (endedAt ?? world.clock.now()) - createdAt,
        refused: report.refused,
        refusedBy: report.refusedBy,
        refusedWeight: report.refusedWeight,
        skipped: report.skipped.map(itemView),
        failed: report.failed.map(itemView),
      };
    },
  );

  const withWave = shape.withReason.extend({
    wave: z.int().min(0).optional().describe("Otherwise the one under way."),
  });
  const commands: {
    path: string;
    id: string;
    summary: string;
    body: z.ZodType;
    of: (body: never) => CampaignCommand;
  }[] = [
    {
      path: "pause",
      id: "pauseCampaign",
      summary: "Start no further key; rotations that run go on",
      body: shape.withReason,
      of: (body: z.infer<typeof shape.withReason>) => ({ type: "pause", reason: body.reason }),
    },
    {
      path: "resume",
      id: "resumeCampaign",
      summary: "Let a paused campaign go on; one that is held is looked at anew",
      body: shape.nothing,
      of: () => ({ type: "resume" }),
    },
    {
      path: "continue",
      id: "continueCampaign",
      summary: "Go on in spite of what holds it, or past the gate that it waits at",
      body: shape.withReason,
      of: (body: z.infer<typeof shape.withReason>) => ({ type: "continue", reason: body.reason }),
    },
    {
      path: "abort",
      id: "abortCampaign",
      summary: "End it; rotations that run go on",
      body: shape.withReason,
      of: (body: z.infer<typeof shape.withReason>) => ({ type: "abort", reason: body.reason }),
    },
    {
      path: "rollback-wave",
      id: "rollBackWave",
      summary: "Take every rotation of a wave back; the campaign is held",
      body: withWave,
      of: ({ wave, reason }: z.infer<typeof withWave>) => ({ type: "roll-back", wave, reason }),
    },
  ];
  for (const { path, id, summary, body, of } of commands) {
    app.post(
      `/v1/campaigns/:campaign/${path}`,
      call({ tag: "campaigns", id, summary, access: access.operate }, { params, body }, { 200: shape.campaign }),
      async (request, reply) => {
        const command = commandOf<Campaign>(request, world.clock, (campaign) => ({
          status: 200,
          body: campaignView(campaign),
        }));
        const wanted = of((request.body ?? {}) as never);
        const outcome = await campaigns.command(request.params.campaign, wanted, command);
        return outcome.ok ? campaignView(outcome.value) : sendRefusal(reply, outcome);
      },
    );
  }
}

function campaignView(campaign: Campaign) {
  const { cursor, counts, waves, rollback, itemsGone, ...rest } = campaign;
  const { resumes: _resumes, apis: _apis, wholeAt: _whole, metAt: _met, lap: _lap, accepted: _accepted, ...all } = rest;
  const { receipts: _receipts, ...shown } = all;
  const takingBack = rollback === null ? null : { wave: rollback.wave, by: rollback.by, reason: rollback.reason };
  return {
    ...shown,
    takingBack,
    selected: cursor === null,
    itemsKept: itemsGone === undefined,
    keys: sumItems(counts),
    waveCount: waves.length,
  };
}

function standingView({ campaign, waves, estimate, waitsFor, receipts }: CampaignStanding) {
  return {
    ...campaignView(campaign),
    waitsFor,
    estimate,
    waves: campaign.waves.map(({ of, gate }, i) => ({
      name: waveName(of),
      of,
      gate,
      ...(waves[i] as (typeof waves)[0]),
    })),
    receipts: receipts.map(({ behind, ...rest }) => ({
      ...rest,
      behind: behind.map(({ instance, applied }) => ({ instance, applied })),
    })),
  };
}

function itemView({ keyId, wave, state, rotationId, why, at }: CampaignItem) {
  return { key: keyId, wave, state, rotation: rotationId, why, at };
}
