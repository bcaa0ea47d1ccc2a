/** The shapes of channels and notices. */
import { z } from "zod";
import { channelKinds, noticeEvents, noticeStates, severities } from "../store/notice-entities.ts";
import { duration, handle, name, time } from "./schema-parts.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const url = z
  .string()
  .max(2_000)
  .describe("https://…; the DNS is asked and the addresses are judged each time it is used.");
const secret = (what: string) =>
  z
    .string()
    .regex(/^[\x21-\x7e]{1,300}$/, "visible ASCII characters without spaces")
    .describe(`${what} Kept sealed, and never shown again.`);

const channelTarget = z
  .discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("webhook"), url }),
    z.strictObject({ kind: z.literal("email"), to: z.array(z.email().max(254)).min(1).max(50) }),
    z.strictObject({ kind: z.literal("slack"), url: secret("The incoming webhook's URL.").pipe(z.url()) }),
    z.strictObject({
      kind: z.literal("telegram"),
      chat: z.string().regex(/^(-?\d{1,20}|@\w{1,64})$/, "a chat's number, or @name"),
      token: secret("The bot's token.").pipe(z.string().regex(/^\d{1,20}:[\w-]{1,200}$/, "a bot's token")),
    }),
    z.strictObject({ kind: z.literal("pagerduty"), key: secret("The integration key (Events API v2).") }),
  ])
  .meta({ id: "ChannelTarget" });

const wall = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "a time of day such as 22:00");
const quiet = z
  .strictObject({
    zone: z.string().min(1).max(64).describe("IANA time zone, such as Europe/Berlin."),
    from: wall,
    to: wall,
  })
  .nullable()
  .describe("Only urgent notices come in these hours; the others come together at their end.");
const escalate = z
  .strictObject({
    channel: handle,
    afterMs: duration({ min: MINUTE_MS, max: 30 * DAY_MS }),
  })
  .nullable()
  .describe("Where an event that needs a reaction goes when nobody has acknowledged it for so long.");
const events = z
  .array(z.string().min(1).max(50))
  .max(50)
  .describe(
    "Names of events, `*` standing for any part: `rotation.*`. None: only what policies and other channels send here.",
  );
const digestMs = duration({ min: 0, max: 7 * DAY_MS }).describe(
  "Notices of so long become one message; 0: each is one.",
);
const severity = z.enum(severities).describe("Nothing below this.");

export const newChannel = z.strictObject({
  name,
  consumer: handle
    .nullable()
    .default(null)
    .describe("Whose; it gets what concerns that consumer. Null: the operators'."),
  target: channelTarget,
  events: events.default(["*"]),
  severity: severity.default("info"),
  quiet: quiet.default(null),
  digestMs: digestMs.optional().describe("Otherwise 5 minutes for email, 1 for slack and telegram, 0 for programs."),
  escalate: escalate.default(null),
});

export const channelPatch = z.strictObject({
  name: name.optional(),
  target: channelTarget.optional().describe("Of the same kind."),
  events: events.optional(),
  severity: severity.optional(),
  quiet: quiet.optional(),
  digestMs: digestMs.optional(),
  escalate: escalate.optional(),
  enabled: z.boolean().optional(),
  force: z
    .boolean()
    .default(false)
    .describe("Disable or rename it though channels escalate to it, or policies name it."),
});

export const channel = z
  .object({
    id: handle,
    name: z.string(),
    consumer: handle.nullable(),
    kind: z.enum(channelKinds),
    url: z.string().optional(),
    to: z.array(z.string()).optional(),
    chat: z.string().optional(),
    signing: z
      .array(z.object({ version: z.int(), createdAt: time, retireAt: time.nullable() }))
      .describe("A webhook's signing secrets in force, the newest first. Two: each delivery is signed with both."),
    events: z.array(z.string()),
    severity: z.enum(severities),
    quiet: z.object({ zone: z.string(), from: z.string(), to: z.string() }).nullable(),
    digestMs: z.int(),
    escalate: z.object({ channel: handle, afterMs: z.int() }).nullable(),
    disabledAt: time.nullable(),
    disabledReason: z.string().nullable(),
    createdAt: time,
    createdBy: z.string(),
  })
  .meta({ id: "Channel" });

export const createdChannel = channel
  .extend({ secret: z.string().nullable().describe("A webhook's signing secret (whsec_…), shown here only.") })
  .meta({ id: "CreatedChannel" });

export const changedChannel = channel
  .extend({ warnings: z.array(z.string()).describe("What leads nowhere from now on.") })
  .meta({ id: "ChangedChannel" });

export const KEEP_OLD_MS: number = 7 * DAY_MS;

export const rotateSecret = z
  .strictObject({
    keepOldMs: duration({ min: 0, max: 90 * DAY_MS })
      .optional()
      .describe("For so long deliveries are signed with the old secret too; otherwise 7 days."),
  })
  .nullish();

export const channelTest = z
  .object({
    notice: handle,
    delivered: z.boolean(),
    status: z.int().nullable().describe("Of the target's answer."),
    error: z.string().nullable(),
    tookMs: z.int(),
  })
  .meta({ id: "ChannelTest" });

export const notice = z
  .object({
    id: handle.describe("Stays the same however often it is sent; the `webhook-id` of a webhook."),
    channel: handle,
    kind: z.enum(channelKinds),
    recipient: z
      .string()
      .nullable()
      .describe(
        "Of mail: to whom; each recipient of a channel has a notice of its own. Null: not mail, or not sent yet.",
      ),
    state: z.enum(noticeStates),
    severity: z.enum(severities),
    about: z.enum(noticeEvents).describe("The first of its events."),
    events: z.int().describe("How many events are in it."),
    createdAt: time,
    dueAt: time.nullable().describe("When it is sent, or tried again."),
    attempts: z.int(),
    lastAttemptAt: time.nullable(),
    lastError: z
      .string()
      .nullable()
      .describe("A consumer's token sees it without what concerns the authority's network."),
    sentAt: time.nullable(),
    acknowledgedAt: time.nullable(),
    acknowledgedBy: z.string().nullable(),
    escalateAt: time.nullable(),
    escalatedFrom: z.array(handle),
  })
  .meta({ id: "Notice" });

export const noticeWithText = notice
  .extend({ subject: z.string(), text: z.string(), needsReaction: z.boolean() })
  .meta({ id: "NoticeWithText" });
