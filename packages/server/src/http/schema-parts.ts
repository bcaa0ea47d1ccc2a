/** The small shapes that the others are made of. */
import {
  BROWNOUTS_MAX,
  defaultRotationPolicy,
  isZone,
  parseNetwork,
  parseNetworkEntry,
  policyLimits,
  REMINDERS_MAX,
  ruleLimits,
  scopePatternProblem,
  withoutKeyTexts,
} from "@keyover/core";
import { z } from "zod";
import { wordsOf } from "./words.ts";

// Of every shape in this process: where a shape says nothing itself.
z.config({ localeError: wordsOf });

export const time = z.int().min(0).max(8_640_000_000_000_000).describe("Epoch milliseconds.");
export const duration = ({ min, max }: { min: number; max: number }) => {
  const range = `takes milliseconds, ${min} (${inWords(min)}) to ${max} (${inWords(max)})`;
  return z.int(range).min(min, range).max(max, range);
};

function inWords(ms: number): string {
  if (ms >= 86_400_000) return `${ms / 86_400_000} days`;
  return ms >= 60_000 ? `${ms / 60_000} min` : `${ms / 1_000} s`;
}

export const handle = z.string().min(1).max(64);
export const name = z.string().trim().min(1).max(100).overwrite(withoutKeyTexts);
export const notes = z.string().max(2_000).overwrite(withoutKeyTexts);
/** People paste the leaked key into it; the audit log keeps it for good, and must not keep that (I15). */
export const reason = z.string().trim().min(1).max(500).overwrite(withoutKeyTexts).describe("For the audit log: why.");
export const labels = z
  .record(
    z.string().regex(/^[A-Za-z0-9_.-]{1,50}$/, "a label's name has 1 to 50 letters, digits, _ . -"),
    z.string().max(200).overwrite(withoutKeyTexts),
  )
  .refine((all) => Object.keys(all).length <= 50, "at most 50 labels");
export const scopes = z.array(z.string().min(1).max(100)).max(200);
const network = z
  .string()
  .max(50)
  .refine(
    (text) => parseNetwork(text) !== undefined,
    "not a network; write 203.0.113.0/24, 2001:db8::/32 or a single address, with no bits set beyond the prefix",
  );
export const networks = z.array(network).max(200);
export const networkList = z
  .array(
    z
      .string()
      .max(51)
      .refine(
        (text) => parseNetworkEntry(text) !== undefined,
        "not a network; write 203.0.113.0/24, 2001:db8::/32 or a single address, with no bits set beyond the prefix; with ! before it, it is denied",
      ),
  )
  .max(200)
  .describe(
    "Who may call from where: 10.0.0.0/8 is allowed, !10.1.0.0/16 is not, whatever else allows it. Empty: from everywhere.",
  );
export const networksMode = z
  .enum(["enforce", "report"])
  .describe("`report`: a request from elsewhere is let through, and its verdict says `wouldRefuse`.");
export const sha256 = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/, "SHA-256 of the secret's text as base64url without padding: 43 characters")
  .describe(
    "SHA-256 (base64url, 43 characters) of a secret that the consumer made itself. It should have 112 bits of entropy or more.",
  );

export const zone = z
  .string()
  .max(64)
  .refine(isZone, "not a time zone of the IANA list, such as Europe/Berlin")
  .meta({
    examples: ["America/New_York", "Europe/Berlin", "UTC"],
  });

const scopePattern = z
  .string()
  .max(100)
  .superRefine((text, context) => {
    const problem = scopePatternProblem(text);
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  });

const plain = defaultRotationPolicy.brownout;
const count = ({ min, max }: { min: number; max: number }) => z.int().min(min).max(max);

/** What is left out is the default's, not a farther policy's. */
const brownout = z.strictObject({
  zone: zone.default(plain.zone),
  at: z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, "a time of day as HH:MM")
    .default(plain.at)
    .describe("They begin at this time of day, by the wall clock of the zone, on one free day after the other."),
  lengthsMs: z
    .array(duration(ruleLimits["brownout.lengthsMs"]))
    .min(1)
    .max(BROWNOUTS_MAX)
    .default(plain.lengthsMs)
    .describe("One brownout for each."),
  announceMs: duration(ruleLimits["brownout.announceMs"])
    .default(plain.announceMs)
    .describe("The first begins no sooner than this after it was announced."),
  errorBudget: count(ruleLimits["brownout.errorBudget"])
    .nullable()
    .default(plain.errorBudget)
    .describe("More refusals than this, of sources that have not used the successor, end the plan. Null: none do."),
  after: z.enum(["hold", "retire"]).default(plain.after).describe("What comes after the last."),
});

const fenceRule = z
  .strictObject({
    from: z.enum(["offered", "used"]).default("offered").describe("The offer, or the successor's first use."),
    afterMs: duration(ruleLimits["fence.afterMs"]).default(0).describe("So long after it the fence goes up."),
    scopes: scopes.min(1).optional().describe("Of these grants those that the version has."),
    without: z
      .array(scopePattern)
      .min(1)
      .max(50)
      .optional()
      .describe("Not the scopes that match one of these; * stands for any text: *:withdraw."),
    networks: z.literal("seen").optional().describe("Only those that it was accepted from before the rotation."),
  })
  .refine(
    ({ scopes, without, networks }) => scopes !== undefined || without !== undefined || networks !== undefined,
    "a fence without scopes, without and networks limits nothing; give one of them",
  );

const automaticRollback = z.strictObject({
  refusals: count(ruleLimits["automaticRollback.refusals"]).describe("So many refused uses of the retired version,"),
  sources: count(ruleLimits["automaticRollback.sources"])
    .default(1)
    .describe("by so many sources that had used it before, bring it back."),
  coolDownMs: duration(ruleLimits["automaticRollback.coolDownMs"])
    .default(30 * 86_400_000)
    .describe("Not again for the same key within this time."),
});

export const policyPatch = z
  .strictObject({
    overlapMinMs: duration(policyLimits.overlapMinMs)
      .optional()
      .describe("Both versions are accepted at least this long."),
    overlapMs: duration(policyLimits.overlapMs).optional().describe("From the offer to the deadline."),
    quietMs: duration(policyLimits.quietMs).optional().describe("Every source silent at least this long."),
    gapMargin: z
      .number()
      .min(policyLimits.gapMargin.min)
      .max(policyLimits.gapMargin.max)
      .optional()
      .describe("And for its own usual gap times this."),
    youngQuietMs: duration(policyLimits.youngQuietMs)
      .optional()
      .describe("A source known for less than this must be silent for this long."),
    onDeadline: z.enum(["hold", "retire", "brownout"]).optional(),
    brownout: brownout.optional().describe("With onDeadline: brownout. Short refusals that rehearse the retirement."),
    fence: fenceRule.nullable().optional().describe("What the old version may still do while its successor waits."),
    rollbackMs: duration(policyLimits.rollbackMs).optional().describe("How long a retirement can be taken back."),
    claimMs: duration(policyLimits.claimMs).optional().describe("How long the sealed successor can be claimed."),
    claim: z
      .enum(["token", "self"])
      .optional()
      .describe("Who may take the successor: the consumer's token, or also the old version itself."),
    overlapMaxMs: duration(policyLimits.overlapMaxMs)
      .optional()
      .describe("The deadline may be moved up to this long after the offer."),
    consumerMayExtendMs: duration(policyLimits.consumerMayExtendMs)
      .optional()
      .describe("How much later the consumer itself may move the deadline, in sum."),
    remindMs: z
      .array(duration({ min: 60_000, max: policyLimits.overlapMs.max }))
      .max(REMINDERS_MAX)
      .optional()
      .describe("The consumer is reminded this long before the deadline."),
    automaticRollback: automaticRollback
      .nullable()
      .optional()
      .describe("A retirement that hurts is taken back by itself. Null: people are told, and decide."),
  })
  .meta({ id: "RotationPolicyPatch" });

export const policy = policyPatch.required().meta({ id: "RotationPolicy" });

export const stalenessPatch = z
  .strictObject({
    leaseMs: duration(policyLimits.leaseMs).optional(),
    onStale: z
      .enum(["closed", "static"])
      .optional()
      .describe("A verifier past its lease refuses everything, or goes on with what it knows."),
    staticMs: duration(policyLimits.staticMs).optional().describe("For how long it goes on."),
  })
  .meta({ id: "StalenessPolicyPatch" });

export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().describe("Stable; listed in docs/errors.md."),
    detail: z.string().optional(),
  })
  .meta({ id: "Problem", description: "RFC 9457 problem details. Served as application/problem+json." });

export const source = z
  .object({ network: z.string(), client: z.string(), instance: z.string() })
  .meta({ id: "Source" });

const limitName = z.string().max(32);
const per = z
  .enum(["key", "consumer"])
  .describe("Whose uses are counted together: of one key, or of all keys of the consumer in this api.");
const units = z.number();
/** As core's limitsProblem has it: one sentence for what is out of range, wherever it is said. */
export const limit = z
  .discriminatedUnion("kind", [
    z
      .strictObject({
        kind: z.literal("rate"),
        name: limitName,
        per: per.default("key"),
        units: units.describe("In each `windowMs`."),
        windowMs: z.number().describe("1000 (a second) to 86400000 (a day)."),
        burst: z.number().describe("Units that may be used at once after a pause: 1 to 1000000."),
      })
      .meta({ id: "RateLimit" }),
    z
      .strictObject({
        kind: z.literal("quota"),
        name: limitName,
        per: per.default("key"),
        units: units.describe("In each period."),
        period: z.enum(["day", "month"]),
        zone: z.string().max(64).default("UTC").describe("IANA name: a period begins at its midnight."),
      })
      .meta({ id: "QuotaLimit" }),
  ])
  .meta({ id: "Limit" });
