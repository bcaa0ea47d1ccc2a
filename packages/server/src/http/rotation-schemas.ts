/** The shapes of rotations: starting, commanding, watching, claiming. */
import { phases, ruleLimits } from "@keyover/core";
import { z } from "zod";
import {
  duration,
  handle,
  networks,
  policy,
  policyPatch,
  reason,
  scopes,
  sha256,
  source,
  time,
} from "./schema-parts.ts";

export const startRotation = z.strictObject({
  reason: reason.default("routine"),
  startsAt: time.optional(),
  sha256: sha256.optional(),
  scopes: scopes.optional().describe("Narrower scopes for the successor."),
  policy: policyPatch.optional().describe("For this rotation alone."),
});

const YEAR_MS = 366 * 86_400_000;

export const deadline = z.union([
  z.strictObject({ overlapEndsAt: time }),
  z.strictObject({ byMs: z.int().min(-YEAR_MS).max(YEAR_MS).describe("Later by this much; negative: sooner.") }),
]);

export const extension = z.strictObject({
  byMs: z.int().min(1).max(YEAR_MS).describe("Later by this much."),
});

export const withReason = z.strictObject({ reason });
export const nothing = z.strictObject({}).nullish();

export const emergency = z.strictObject({
  mode: z
    .enum(["kill", "contain"])
    .describe(
      "kill: refused now, everywhere. contain: fenced to where it was always seen, while the consumer changes over.",
    ),
  version: z.int().min(1).optional(),
  reason,
  fence: z.strictObject({ scopes: scopes.optional(), networks: networks.optional() }).optional(),
});

const byWhom = z.object({ at: time, by: z.string(), reason: z.string() });

export const brownoutNow = z.strictObject({
  forMs: duration(ruleLimits["brownout.lengthsMs"]).describe("So long the old version is refused, from now on."),
  reason,
});

export const rotation = z
  .object({
    id: handle,
    key: handle,
    api: handle,
    from: z.int(),
    to: z.int(),
    phase: z.enum(phases),
    policy,
    policySources: z
      .array(
        z.object({
          kind: z.enum(["default", "api", "key", "start", "policy"]),
          policy: handle.optional(),
          name: z.string().optional(),
          version: z.int().optional(),
          members: z.array(z.string()),
        }),
      )
      .describe("Where the policy's values came from when it began; what is not named is the default."),
    reason: z.string(),
    startedBy: z.string(),
    campaign: z.object({ id: handle, wave: z.int() }).nullable().describe("That it is part of."),
    origin: z.enum(["authority", "consumer"]),
    scopes: scopes.nullable(),
    createdAt: time,
    startsAt: time,
    offeredAt: time.nullable(),
    claimedAt: time.nullable(),
    claimEndedAt: time.nullable(),
    confirmedAt: time.nullable(),
    usedAt: time.nullable(),
    overlappingAt: time.nullable(),
    overlapEndsAt: time.nullable(),
    paused: byWhom.nullable(),
    pausedMs: z.int().describe("Since the offer, in sum; the deadline lies so much later."),
    extendedMs: z.int().describe("By the consumer itself, in sum."),
    fenced: z
      .object({
        at: time,
        fence: z.object({ scopes: scopes.optional(), networks: z.array(z.string()).optional() }),
        lifted: byWhom.nullable(),
      })
      .nullable()
      .describe("The old version was limited by the policy's rule."),
    brownouts: z
      .object({
        announcedAt: time.nullable().describe("Of the policy's plan."),
        slots: z.array(
          z.object({
            from: time,
            until: time,
            by: z.string().describe("`policy`, or who wanted it at once."),
            begunAt: time.nullable(),
            endedAt: time.nullable().describe("With begunAt null: it was missed."),
          }),
        ),
        stopped: byWhom.nullable(),
      })
      .nullable()
      .describe("Short refusals of the old version, past and to come."),
    retiredAt: time.nullable(),
    forced: z.object({ by: z.string(), reason: z.string(), at: time }).nullable(),
    fromCompromised: z.boolean(),
    fromRefusedAt: time.nullable(),
    rolledBackAt: time.nullable(),
    rollbackReason: z.string().nullable(),
    endedAt: time.nullable(),
  })
  .meta({ id: "Rotation" });

export const evidence = z
  .object({
    rotation: handle,
    phase: z.enum(phases),
    now: time,
    gates: z.array(
      z.object({
        name: z.enum(["minimum-overlap", "successor-used", "old-version-quiet"]),
        met: z.boolean(),
        earliestAt: time.nullable(),
        waitsFor: z
          .enum(["time", "consumer", "verifiers", "operator"])
          .nullable()
          .describe("Who could meet it; null: it is met."),
        explanation: z.string(),
      }),
    ),
    moved: z
      .object({ moved: z.int(), silent: z.int(), of: z.int(), explanation: z.string() })
      .describe("The sources of the version that is to end, one by one."),
    forecast: z
      .object({
        chance: z.number().min(0).max(1),
        how: z.string(),
        movesPerDay: z.number(),
        sources: z.array(
          z.object({
            source,
            chance: z.number(),
            silentMs: z.number(),
            longerGaps: z.int(),
            gaps: z.int(),
            historyMs: z.number(),
            moved: z.boolean(),
            shared: z.boolean(),
          }),
        ),
      })
      .nullable()
      .describe("The chance that retiring now would refuse a genuine request; null where nothing is to be retired."),
    refused: z
      .object({
        total: z.int(),
        known: z.int().describe("By sources that had used the version before."),
        sources: z.array(
          z.object({ source, refused: z.int(), since: z.number(), last: z.number(), known: z.boolean() }),
        ),
      })
      .nullable()
      .describe("Refused uses of the old version since it retired; null before."),
    waitingFor: z
      .array(
        z.object({ boot: handle, instance: z.string(), applied: z.int(), needs: z.int(), answersUntil: z.number() }),
      )
      .describe("Verifiers that may answer and do not hold the newest record of this key."),
    quiet: z.object({
      quiet: z.boolean(),
      version: z.int(),
      watermark: z.number().describe("Reports are whole up to here."),
      watermarkHeldBy: z.array(z.object({ boot: handle, instance: z.string(), coveredTo: z.number() })),
      holes: z.array(z.object({ boot: handle, instance: z.string(), from: z.number(), to: z.number() })),
      countsFrom: z.number(),
      quietAt: z.number(),
      sources: z.array(
        z.object({
          source,
          lastSeen: z.number(),
          longestGapMs: z.number(),
          usual: z
            .object({
              lengthMs: z.number(),
              rank: z.int().describe("1: its longest silence. 2: the second longest."),
              of: z.int().describe("Silences that are remembered."),
            })
            .describe("The silence that is usual for it."),
          historyMs: z.number().describe("For how long it has been known."),
          young: z.boolean().describe("For less than it must be silent."),
          turnedAway: z
            .boolean()
            .describe(
              "It was refused last, by a brownout or fence, and has not moved: it is waited for twice as long.",
            ),
          neededMs: z.number().describe("It must be silent for this long."),
          quietAt: z.number(),
          quiet: z.boolean(),
          moved: z.boolean(),
        }),
      ),
    }),
    shares: z
      .array(z.object({ version: z.int(), accepted: z.int(), refused: z.int(), share: z.number() }))
      .describe("Requests of the last minute by version."),
    sharesOverTime: z
      .array(
        z.object({
          start: time,
          versions: z.array(z.object({ version: z.int(), accepted: z.int(), refused: z.int(), share: z.number() })),
        }),
      )
      .describe("Of the last hour, in steps of five minutes; those without a request are left out."),
  })
  .meta({ id: "Evidence" });

export const changeoverAsk = z.strictObject({ sha256: sha256.optional() });

export const changeover = z
  .object({
    now: time,
    key: handle,
    environment: z.string(),
    version: z.int(),
    target: z.int(),
    rotation: z
      .object({
        id: handle,
        phase: z.string(),
        from: z.int(),
        to: z.int(),
        claimable: z.boolean(),
        endsAt: time.nullable(),
        suggested: z.object({ from: time, to: time }),
      })
      .nullable(),
    pollAfterMs: z.int(),
  })
  .meta({ id: "Changeover" });

export const ownRotation = z
  .object({
    now: time,
    key: handle,
    version: z.int().describe("The one that was presented."),
    target: z.int().describe("The one to be on."),
    rotation: handle.nullable().describe("That runs; null: none does."),
    phase: z.string().nullable(),
    successorWaits: z.boolean().describe("A successor is on offer, and can be taken by whoever may."),
    claimable: z.boolean().describe("By this key itself."),
    endsAt: time.nullable().describe("The deadline of the overlap."),
    brownout: z
      .object({ from: time, until: time })
      .nullable()
      .describe("The one that runs, or is next: then the presented version is refused for a while."),
    window: z
      .object({ start: time, end: time })
      .nullable()
      .describe("When it is best to move. Past: now. Null: nothing is to be done, or not yet."),
    moveAt: time
      .nullable()
      .describe("A time in the window that is this caller's own: the same each time while the window stays the same."),
  })
  .meta({ id: "OwnRotation" });

export const claim = z
  .object({ rotation: handle, key: handle, version: z.int(), secret: z.string(), endsAt: time.nullable() })
  .meta({ id: "Claim" });
