/**
 * The shapes of policies. `policyFile` is what a file for `keyover policy apply` says; docs/policy.schema.json is made from it. A name of a member
 * that ends in `Ms` holds milliseconds; in a file it may be written as `14d`.
 */
import { dayOf, expiryLimits, idleLimits, minutesOf, scheduleLimits, weekdays } from "@keyover/core";
import { z } from "zod";
import { cronProblem } from "../policies/cron.ts";
import { duration, handle, name, policyPatch, time, zone } from "./schema-parts.ts";

/** `abort`: of the two forms of a blackout the other one is told of unless this one is out of the question. */
const shaped = (regex: RegExp, error: string) => z.string().regex(regex, { error, abort: true });
const clockTime = shaped(/^([01]\d|2[0-4]):[0-5]\d$/, "a time of day as HH:MM").refine(
  (text) => minutesOf(text) !== undefined,
  "a time of day from 00:00 to 24:00",
);
const date = shaped(/^\d{4}-\d\d-\d\d$/, "a date as YYYY-MM-DD").refine(
  (text) => dayOf(text) !== undefined,
  "no such date",
);
const shortName = z.string().trim().min(1).max(60);

const dailyBlackout = z
  .strictObject({
    name: shortName.optional(),
    zone,
    days: z.array(z.enum(weekdays)).min(1).max(7).optional().describe("On which it begins; left out: every day."),
    from: clockTime,
    to: clockTime.describe("Not later than `from`: on the next day. 24:00 is the end of the day."),
  })
  .refine(({ from, to }) => from !== to, "from and to are the same; for whole days say 00:00 to 24:00");
const datedBlackout = z
  .strictObject({ name: shortName.optional(), zone, from: date, to: date.describe("The last day, whole.") })
  .refine(({ from, to }) => from <= to, "from lies after to");

const schedule = z.strictObject({
  everyMs: duration(scheduleLimits.everyMs).nullable().optional().describe("So long after the last activation."),
  cron: z
    .strictObject({
      expression: z
        .string()
        .max(100)
        .superRefine((text, context) => {
          const problem = cronProblem(text);
          if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
        })
        .describe("Five fields: minute, hour, day of the month, month, day of the week."),
      zone,
    })
    .nullable()
    .optional(),
  maxAgeMs: duration(scheduleLimits.maxAgeMs)
    .nullable()
    .optional()
    .describe("A version that gets so old is being replaced; jitter comes off it. Null: no maximum."),
  jitterMs: duration(scheduleLimits.jitterMs)
    .nullable()
    .optional()
    .describe("Keys move apart by up to this. Null: a tenth of the period, a week at most; none for cron."),
  maxAgeFirst: z.boolean().optional().describe("The maximum age wins over blackouts."),
  blackouts: z
    .array(z.union([dailyBlackout, datedBlackout]))
    .max(50)
    .optional(),
  holidays: z
    .array(z.strictObject({ name: shortName.optional(), zone, dates: z.array(date).min(1).max(1_000) }))
    .max(20)
    .optional(),
});

const expiry = z.strictObject({
  announceMs: z
    .array(duration(expiryLimits.announceMs))
    .max(20)
    .optional()
    .describe("A key's expiry is announced so long before."),
  graceMs: duration(expiryLimits.graceMs).optional().describe("A key that is still in use works on for this long."),
});

const idle = z.strictObject({
  unusedMs: duration(idleLimits.unusedMs)
    .nullable()
    .optional()
    .describe("A key that is not used for so long is announced as idle. Null: none is."),
  announceMs: z
    .array(duration(idleLimits.announceMs))
    .max(20)
    .optional()
    .describe("And announced again so long before it is suspended."),
  suspendAfterMs: duration(idleLimits.suspendAfterMs)
    .nullable()
    .optional()
    .describe("So long after the first announcement it is suspended. Null: it is only announced."),
  revokeAfterMs: duration(idleLimits.revokeAfterMs)
    .nullable()
    .optional()
    .describe("So long after the suspension, or the last try since, it is revoked. Null: it stays suspended."),
});

const policySpec = policyPatch
  .extend({
    schedule: schedule.optional(),
    expiry: expiry.optional(),
    idle: idle.optional(),
    channels: z
      .array(z.string().min(1).max(100))
      .max(20)
      .optional()
      .describe(
        "Names of channels by which notices about its keys go out, beside those that choose these events themselves.",
      ),
  })
  .meta({ id: "PolicySpec" });

const policyName = name
  .refine((text) => /^[a-z0-9][a-z0-9._-]*$/.test(text), "lower-case letters, digits, . _ -; a letter or digit first")
  .refine((text) => !text.startsWith("pol_"), "a name does not begin like a handle");

export const policyFile = z.strictObject({ name: policyName, spec: policySpec });

export const applyPolicy = z.strictObject({
  spec: policySpec,
  dryRun: z.boolean().default(false).describe("Change nothing; say what would change."),
});
export const policyParams = z.object({ policy: policyName.or(handle) });
export const newPolicyParams = z.object({ policy: policyName });

const target = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("api"), api: handle }),
  z.strictObject({ kind: z.literal("environment"), api: handle, environment: z.string().min(1).max(20) }),
  z.strictObject({
    kind: z.literal("label"),
    name: z.string().min(1).max(50),
    value: z.string().max(200),
    api: handle.nullable().default(null).describe("Only keys of this api."),
  }),
  z.strictObject({ kind: z.literal("key"), key: handle }),
]);

export const policy = z
  .object({
    id: handle.nullable().describe("Null where it would be made."),
    name: z.string(),
    version: z.int(),
    spec: policySpec,
    createdAt: time,
    createdBy: z.string(),
    changedAt: time,
    changedBy: z.string(),
  })
  .meta({ id: "Policy" });

const reach = z.object({ attachment: handle, target, keys: z.int() });

export const appliedPolicy = z
  .object({
    policy,
    outcome: z.enum(["created", "changed", "unchanged"]),
    dryRun: z.boolean(),
    changes: z.array(z.object({ member: z.string(), before: z.unknown(), after: z.unknown() })),
    reach: z.array(reach).describe("What it is attached to; a key may be reached in several ways."),
    warnings: z.array(z.string()),
  })
  .meta({ id: "AppliedPolicy" });

export const policyVersion = z
  .object({
    policy: handle,
    name: z.string(),
    version: z.int(),
    spec: policySpec,
    changedAt: time,
    changedBy: z.string(),
  })
  .meta({ id: "PolicyVersion" });

export const attachment = z
  .object({ id: handle, policy: handle, target, createdAt: time, createdBy: z.string() })
  .meta({ id: "PolicyAttachment" });

export const attachedPolicy = attachment
  .extend({ warnings: z.array(z.string()).describe("What is allowed, and yet worth a second look.") })
  .meta({ id: "AttachedPolicy" });

export const policyWithAttachments = policy
  .extend({ attachments: z.array(attachment) })
  .meta({ id: "PolicyWithAttachments" });

export const attach = z.strictObject({ target });

const rule = z
  .object({
    kind: z.enum(["default", "api", "key", "start", "policy"]),
    policy: handle.optional(),
    name: z.string().optional(),
    version: z.int().optional(),
    attachment: handle.optional(),
    target: target.optional(),
    text: z.string(),
  })
  .meta({ id: "PolicyRule" });

export const explainedPolicy = z
  .object({
    key: handle,
    now: time,
    members: z.array(
      z.object({
        member: z.string(),
        value: z.unknown(),
        rule,
        overrode: z.array(z.object({ value: z.unknown(), rule })).describe("The nearest first."),
      }),
    ),
    problem: z.string().nullable().describe("Why no rotation can begin under it."),
    warnings: z.array(z.string()),
    rotateAt: time.nullable().describe("When the key rotates by itself next; null: not, or it is in rotation."),
    reasons: z.array(z.object({ because: z.string(), from: time.optional(), to: time, text: z.string() })),
    calendar: z.array(z.object({ at: time, what: z.string(), text: z.string() })),
  })
  .meta({ id: "ExplainedPolicy" });

/** For editors and pipelines: what a policy's file may say. */
export function policyJsonSchema(): Record<string, unknown> {
  const made = z.toJSONSchema(policyFile, { io: "input", reused: "inline" });
  return {
    $schema: made.$schema,
    $id: "https://keyover.dev/schemas/policy.json",
    title: "Keyover policy",
    description:
      "A file for `keyover policy apply`. Over HTTP `spec` has the same form, with durations as milliseconds alone.",
    ...(withDurations({ ...made, $schema: undefined }) as object),
  };
}

const durationText = {
  type: "string",
  pattern: "^(0|([0-9]+(\\.[0-9]+)?(ms|[wdhms]))+)$",
  description: "Such as 90s, 36h, 14d or 1h30m.",
};

/** What is a number of milliseconds may be a text in a file. */
function withDurations(schema: unknown, member = ""): unknown {
  if (Array.isArray(schema)) return schema.map((each) => withDurations(each, member));
  if (typeof schema !== "object" || schema === null) return schema;
  const { type, ...rest } = schema as { type?: unknown };
  if (type === "integer" && member.endsWith("Ms")) {
    const { description, ...limits } = rest as { description?: string };
    return { ...(description === undefined ? {} : { description }), anyOf: [{ type, ...limits }, durationText] };
  }
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => {
        if (name !== "properties")
          return [name, withDurations(value, name === "items" || name === "anyOf" ? member : "")];
        const members = Object.entries(value as object).map(([each, inner]) => [each, withDurations(inner, each)]);
        return [name, Object.fromEntries(members)];
      }),
  );
}
