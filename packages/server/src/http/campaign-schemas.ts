/** The shapes of campaigns and of emergencies over many keys. */
import { campaignActions, campaignStates, itemStates, WAVES_MAX } from "@keyover/core";
import { z } from "zod";
import { emergency } from "./rotation-schemas.ts";
import { duration, handle, labels, name, reason, time } from "./schema-parts.ts";

const MANY = 5_000;
const DAY_MS = 86_400_000;

const some = z.array(z.string().min(1).max(100)).min(1).max(200).optional();
/** As many as there are: an answer must be able to say whatever an offboarding selects. What is asked ends with the body's size. */
const any = z.array(handle).min(1);
const someLabels = labels.refine((all) => Object.keys(all).length > 0, "name a label").optional();

export const keySelection = z
  .strictObject({
    everything: z.literal(true).optional().describe("All keys; stands alone."),
    apis: some.describe("Handles or names."),
    environments: some,
    consumers: any.optional().describe("Handles."),
    keys: z.array(handle).min(1).max(MANY).optional(),
    consumerLabels: someLabels.describe("Of the keys' consumers; all must hold."),
    keyLabels: someLabels,
    createdBefore: time
      .optional()
      .describe("An accepted version was made before this time. An emergency strikes just those versions."),
    custodians: any
      .optional()
      .describe("Tokens: an accepted version was shown to one of them. An emergency strikes just those versions."),
  })
  .describe("All that is said must hold. Revoked keys are never selected.")
  .meta({ id: "KeySelection" });

const share = z.number().min(0).max(1);

const gate = z.strictObject({
  offered: share.optional().describe("Share of its rotations whose successor is offered. Default 1."),
  claimed: share.optional().describe("Claimed, used or confirmed by the consumer. Default 0."),
  retired: share.optional().describe("Whose old version has retired. Default 0."),
  soakMs: duration({ min: 0, max: 92 * DAY_MS })
    .optional()
    .describe("And then so long. Default 0."),
  waitMs: duration({ min: 1_000, max: 366 * DAY_MS })
    .nullable()
    .optional()
    .describe("Held if it has not come to this so long after its last start. Default null: it waits."),
});

const canaries = z.array(handle).min(1).max(MANY);
const label = z.strictObject({ name: z.string().min(1).max(50), value: z.string().max(200) });
const withGate = { gate: gate.optional() };

const wave = z.union([
  z.strictObject({ keys: canaries.describe("Canaries."), ...withGate }),
  z.strictObject({
    percent: z
      .number()
      .gt(0)
      .max(100)
      .describe("Of all selected keys, with those of the waves before, rounded; one key at least."),
    ...withGate,
  }),
  z.strictObject({ environment: z.string().min(1).max(20), ...withGate }),
  z.strictObject({ consumerLabel: label, ...withGate }),
  z.strictObject({ rest: z.literal(true), ...withGate }),
]);

const count = z.int().min(0).max(1_000_000_000);

const started = {
  dryRun: z.boolean().default(false).describe("Change nothing; count what would be selected."),
  expect: z
    .strictObject({ keys: count })
    .optional()
    .describe("Refused if more keys are selected than this: the number that a dry run has shown."),
};

export const newCampaign = z.strictObject({
  name,
  action: z.enum(campaignActions).default("rotate"),
  select: keySelection,
  waves: z.array(wave).max(WAVES_MAX).default([]).describe("What no wave takes comes in a last one."),
  gate: gate.optional().describe("Of each wave that says nothing else."),
  limits: z
    .strictObject({
      failedMax: count.optional().describe("Keys that failed or were taken back; more hold the campaign. Default 10."),
      refusedMax: count
        .optional()
        .describe(
          "Consumers that are refused with retired versions that they had used. One counts once with its first key, and once more at 2, 4, 8 … keys. Default 0.",
        ),
    })
    .optional(),
  pace: z.int().min(1).max(10_000).nullable().default(null).describe("Keys started in a second at most."),
  fence: emergency.shape.fence.describe("With contain."),
  reason,
  ...started,
});

export const newEmergency = z.strictObject({
  mode: emergency.shape.mode,
  select: keySelection,
  name: name.optional(),
  fence: emergency.shape.fence,
  reason,
  ...started,
});

const counted = z.array(z.object({ id: handle, name: z.string(), keys: z.int() }));
const namedCounts = z.array(z.object({ name: z.string(), keys: z.int() }));

export const campaignPreview = z
  .object({
    dryRun: z.literal(true),
    selection: z.object({ keys: z.int() }).describe("What `expect` takes."),
    revoked: z.int().describe("Match too, and are never selected."),
    inRotation: z.int().describe("Of the keys; a campaign passes them over, an emergency does not."),
    suspended: z.int(),
    expired: z.int(),
    apis: counted,
    environments: namedCounts,
    consumers: counted.describe("The first few, those with most keys first."),
    consumersTotal: z.int(),
    waves: namedCounts.describe("Keys of percents are drawn anew for each campaign: as many, and others."),
    samples: z.array(
      z.object({
        key: handle,
        name: z.string(),
        api: handle,
        environment: z.string(),
        consumer: handle,
        wave: z.int(),
      }),
    ),
  })
  .meta({ id: "CampaignPreview" });

const items = z.object(
  Object.fromEntries(itemStates.map((state) => [state, z.int()])) as Record<(typeof itemStates)[number], z.ZodInt>,
);

const waveStanding = z.object({
  name: z.string(),
  of: z.union([
    z.object({ keys: z.array(handle) }),
    z.object({ percent: z.number() }),
    z.object({ environment: z.string() }),
    z.object({ consumerLabel: z.object({ name: z.string(), value: z.string() }) }),
    z.object({ rest: z.literal(true) }),
  ]),
  gate: z.object({
    offered: z.number(),
    claimed: z.number(),
    retired: z.number(),
    soakMs: z.int(),
    waitMs: z.int().nullable(),
  }),
  items,
  rotations: z
    .object({ rotations: z.int(), offered: z.int(), claimed: z.int(), retired: z.int(), broken: z.int() })
    .describe("Those that the campaign began; `broken`: cancelled or rolled back."),
});

const said = z.object({ at: time, by: z.string(), reason: z.string() });

export const campaign = z
  .object({
    id: handle,
    name: z.string(),
    action: z.enum(campaignActions),
    select: keySelection,
    limits: z.object({ failedMax: z.int(), refusedMax: z.int() }),
    pace: z.int().nullable(),
    fence: z.object({ scopes: z.array(z.string()).optional(), networks: z.array(z.string()).optional() }).nullable(),
    reason: z.string(),
    startedBy: z.string(),
    createdAt: time,
    state: z.enum(campaignStates),
    selected: z.boolean().describe("The selection is whole."),
    keys: items.describe("By what has become of them so far."),
    wave: z.int().describe("Under way, from 0."),
    waveCount: z.int(),
    why: said.nullable().describe("Why it is paused, held, or was aborted."),
    takingBack: z.object({ wave: z.int(), by: z.string(), reason: z.string() }).nullable(),
    outcome: z.enum(["done", "aborted"]).nullable(),
    endedAt: time.nullable(),
    itemsKept: z
      .boolean()
      .describe(
        "False once it has ended for more than 400 days: of its items only those that its report names are left.",
      ),
  })
  .meta({ id: "Campaign" });

export const campaignStanding = campaign
  .extend({
    waves: z.array(waveStanding),
    waitsFor: z.string().nullable().describe("What the gate waits for."),
    estimate: z.object({ endsAt: time.nullable().describe("At the earliest."), because: z.string() }),
    receipts: z
      .array(
        z.object({
          api: handle,
          seq: z.int().describe("Every strike has this feed number or a lower one."),
          verifiers: z.int().describe("May answer."),
          applied: z.int().describe("Of them have applied it: they refuse what was struck."),
          behind: z.array(z.object({ instance: z.string(), applied: z.int() })),
          at: time.nullable().describe("When all had."),
        }),
      )
      .describe("Of an emergency, once every key is struck."),
  })
  .meta({ id: "CampaignStanding" });

export const campaignItem = z
  .object({
    key: handle,
    wave: z.int(),
    state: z.enum(itemStates),
    rotation: handle.nullable(),
    why: z.string().nullable(),
    at: time,
  })
  .meta({ id: "CampaignItem" });

export const campaignReport = campaignStanding
  .extend({
    tookMs: z.int().describe("Up to its end, or to now."),
    refused: z.int().describe("Requests with versions that it retired, by sources that had used them before."),
    refusedBy: z
      .array(z.object({ consumer: handle, keys: z.int() }))
      .describe("Whose keys see them, and how many: the first few, those with most first."),
    refusedWeight: z.int().describe("As limits count it."),
    skipped: z.array(campaignItem).describe("The first few."),
    failed: z.array(campaignItem).describe("The first few."),
  })
  .meta({ id: "CampaignReport" });
