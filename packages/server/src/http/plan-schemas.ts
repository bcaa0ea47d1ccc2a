/** The shapes of plans, and of what is used of them. */
import { z } from "zod";
import { handle, limit, name, time } from "./schema-parts.ts";

const limits = z
  .array(limit)
  .max(50)
  .describe("A request is let through if all of them have room; then it is charged to all. None: no limits.");

export const newPlan = z.strictObject({ name, limits });
export const planPatch = z.strictObject({ name: name.optional(), limits: limits.optional() });
export const planParams = z.object({
  api: z.string().max(100),
  plan: z.string().max(100).describe("Handle, or name in this api."),
});

export const plan = z
  .object({
    id: handle,
    api: handle,
    name: z.string(),
    limits: z.array(limit),
    isDefault: z.boolean().describe("Keys of the api that have no plan of their own have it."),
    keys: z.int().describe("That have it as their own and are not revoked; 10000 means as many or more."),
    createdAt: time,
    createdBy: z.string(),
    changedAt: time,
    changedBy: z.string(),
  })
  .meta({ id: "Plan" });

export const planName = z.string().min(1).max(100).nullable();

export const limitState = z
  .object({
    limit,
    remaining: z.number().describe("Whole units that could be used now."),
    resetMs: z.number().describe("Until all of it is there again (rate), or the period ends (quota)."),
  })
  .meta({ id: "LimitState" });

export const selfLimits = z
  .object({
    now: time,
    key: handle,
    plan: z.string().nullable().describe("The name of the key's plan."),
    limits: z.array(
      limitState.extend({
        used: z.number().describe("Of a quota: in this period, by all that verifiers have told."),
      }),
    ),
  })
  .meta({ id: "SelfLimits" });

export const usageBuckets = z.array(
  z.object({
    version: z.int(),
    start: time,
    accepted: z.int().describe("By the version's own standing; some of them were refused for a limit."),
    refused: z.int(),
    limited: z.int().describe("Of `accepted`: so many were refused for a limit of the plan."),
  }),
);

export const usageQuery = z.strictObject({
  from: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe("Epoch milliseconds. Otherwise the last hour, two days or 30 days."),
  to: z.coerce.number().int().min(0).optional().describe("Otherwise now."),
  by: z
    .enum(["10s", "minute", "day"])
    .default("10s")
    .describe("At most a day of 10 seconds, two days of minutes, 400 of (UTC) days. Minutes are kept for a week."),
});

export const selfUsage = z.object({ key: handle, buckets: usageBuckets }).meta({ id: "SelfUsage" });
