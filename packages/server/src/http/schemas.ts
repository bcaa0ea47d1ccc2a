/**
 * The shapes of the HTTP API, once: they validate requests, serialise responses, and document both. Times are epoch milliseconds,
 * durations milliseconds. Requests are strict: a member that this server does not know is refused, because passing over a
 * misspelt `overlapMs` would be worse than an error. What verifiers send is lenient (feed-schemas.ts).
 */
import { parseNetwork, phases, policyLimits } from "@keyover/core";
import { z } from "zod";
import { roles } from "../store/entities.ts";

const time = z.int().min(0).max(8_640_000_000_000_000).describe("Epoch milliseconds.");
const duration = (limits: { min: number; max: number }) => z.int().min(limits.min).max(limits.max);

export const handle = z.string().min(1).max(64);
const name = z.string().trim().min(1).max(100);
const notes = z.string().max(2_000);
const reason = z.string().trim().min(1).max(500).describe("For the audit log: why.");
const labels = z
  .record(
    z.string().regex(/^[A-Za-z0-9_.-]{1,50}$/, "a label's name has 1 to 50 letters, digits, _ . -"),
    z.string().max(200),
  )
  .refine((all) => Object.keys(all).length <= 50, "at most 50 labels");
const scopes = z.array(z.string().min(1).max(100)).max(200);
const network = z
  .string()
  .max(50)
  .refine(
    (text) => parseNetwork(text) !== undefined,
    "not a network; write 203.0.113.0/24, 2001:db8::/32 or a single address, with no bits set beyond the prefix",
  );
const networks = z.array(network).max(200);
const sha256 = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/, "SHA-256 of the secret's text as base64url without padding: 43 characters")
  .describe(
    "SHA-256 (base64url, 43 characters) of a secret that the consumer made itself. It should have 112 bits of entropy or more.",
  );

const policyPatch = z
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
      .describe("And for its own longest gap times this."),
    onDeadline: z.enum(["hold", "retire"]).optional(),
    rollbackMs: duration(policyLimits.rollbackMs).optional().describe("How long a retirement can be taken back."),
    claimMs: duration(policyLimits.claimMs).optional().describe("How long the sealed successor can be claimed."),
    claim: z
      .enum(["token", "self"])
      .optional()
      .describe("Who may take the successor: the consumer's token, or also the old version itself."),
  })
  .meta({ id: "RotationPolicyPatch" });

const policy = policyPatch.required().meta({ id: "RotationPolicy" });

const stalenessPatch = z
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

// ---- apis and consumers ---------------------------------------------------------------------------------------------

export const newApi = z.strictObject({
  name,
  prefix: z.string().max(20).describe("Of its keys: 2 to 10 lowercase letters and digits."),
  environments: z.array(z.string().max(20)).min(1).max(20).default(["live", "test"]),
  scopes: z.array(z.string().max(100)).min(1).max(500),
  policy: policyPatch.default({}),
  staleness: stalenessPatch.default({}),
});

export const apiPatch = z.strictObject({
  addEnvironments: z.array(z.string().max(20)).max(20).optional(),
  addScopes: z.array(z.string().max(100)).max(500).optional(),
  policy: policyPatch.optional(),
  staleness: stalenessPatch.optional(),
});

export const api = z
  .object({
    id: handle,
    name: z.string(),
    prefix: z.string(),
    environments: z.array(z.string()),
    scopes: z.array(z.string()),
    policy: policy.describe("In force for its keys, defaults included."),
    staleness: stalenessPatch.required(),
    createdAt: time,
    createdBy: z.string(),
  })
  .meta({ id: "Api" });

export const newConsumer = z.strictObject({ name, labels: labels.default({}), notes: notes.default("") });
export const consumerPatch = z.strictObject({
  name: name.optional(),
  labels: labels.optional(),
  notes: notes.optional(),
});
export const consumer = z
  .object({ id: handle, name: z.string(), labels, notes: z.string(), createdAt: time, createdBy: z.string() })
  .meta({ id: "Consumer" });

// ---- keys -----------------------------------------------------------------------------------------------------------

export const newKey = z.strictObject({
  api: z.string().min(1).max(100).describe("The api's handle or name."),
  environment: z.string().max(20),
  consumer: handle,
  name: name.default("default"),
  scopes,
  networks: networks.default([]),
  labels: labels.default({}),
  notes: notes.default(""),
  policy: policyPatch.default({}),
  expiresAt: time.nullable().default(null),
  sha256: sha256.optional(),
});

export const keyPatch = z.strictObject({
  name: name.optional(),
  scopes: scopes.optional(),
  widen: z.boolean().optional().describe("Needed where the new scopes are not covered by the old."),
  networks: networks.optional(),
  labels: labels.optional(),
  notes: notes.optional(),
  policy: policyPatch.optional(),
  expiresAt: time.nullable().optional(),
});

const version = z
  .object({
    id: handle,
    number: z.int(),
    state: z.enum(["pending", "active", "retiring", "retired", "destroyed"]),
    compromised: z.boolean(),
    fence: z.object({ scopes: scopes.optional(), networks: z.array(z.string()).optional() }).nullable(),
    scopes: scopes.nullable(),
    origin: z.enum(["authority", "consumer"]),
    createdAt: time,
    createdBy: z.string(),
    activatedAt: time.nullable(),
    retiringAt: time.nullable(),
    retiredAt: time.nullable(),
    destroyedAt: time.nullable(),
    lastUsedAt: time.nullable().describe("By the reports so far."),
  })
  .meta({ id: "Version" });

export const key = z
  .object({
    id: handle,
    api: handle,
    environment: z.string(),
    consumer: handle,
    name: z.string(),
    status: z.enum(["active", "suspended", "revoked"]),
    statusReason: z.string().nullable(),
    scopes,
    networks: z.array(z.string()),
    labels,
    notes: z.string(),
    policy: policyPatch.describe("What this key overrides."),
    currentVersion: z.int(),
    rotation: handle.nullable().describe("The rotation that has not ended."),
    expiresAt: time.nullable(),
    createdAt: time,
    createdBy: z.string(),
  })
  .meta({ id: "Key" });

export const keyWithVersions = key.extend({ versions: z.array(version) }).meta({ id: "KeyWithVersions" });

export const createdKey = key
  .extend({
    secret: z
      .string()
      .nullable()
      .describe("Shown here only. Null where the consumer made it, or in a repeated answer after it was used."),
  })
  .meta({ id: "CreatedKey" });

export const statusReason = z.strictObject({ reason });

// ---- rotations ------------------------------------------------------------------------------------------------------

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

export const rotation = z
  .object({
    id: handle,
    key: handle,
    api: handle,
    from: z.int(),
    to: z.int(),
    phase: z.enum(phases),
    policy,
    reason: z.string(),
    startedBy: z.string(),
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
    retiredAt: time.nullable(),
    forced: z.object({ by: z.string(), reason: z.string(), at: time }).nullable(),
    fromCompromised: z.boolean(),
    fromRefusedAt: time.nullable(),
    rolledBackAt: time.nullable(),
    rollbackReason: z.string().nullable(),
    endedAt: time.nullable(),
  })
  .meta({ id: "Rotation" });

const source = z.object({ network: z.string(), client: z.string(), instance: z.string() }).meta({ id: "Source" });

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
        explanation: z.string(),
      }),
    ),
    waitingFor: z
      .array(z.object({ boot: handle, instance: z.string(), applied: z.int(), needs: z.int() }))
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
          quietAt: z.number(),
          quiet: z.boolean(),
          moved: z.boolean(),
        }),
      ),
    }),
    shares: z
      .array(z.object({ version: z.int(), accepted: z.int(), refused: z.int(), share: z.number() }))
      .describe("Requests of the last minute by version."),
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

export const claim = z
  .object({ rotation: handle, key: handle, version: z.int(), secret: z.string(), endsAt: time.nullable() })
  .meta({ id: "Claim" });

// ---- tokens, verification, usage, audit -----------------------------------------------------------------------------

export const newToken = z.strictObject({
  name,
  role: z.enum(roles),
  apis: z.array(z.string().min(1).max(100)).max(100).default([]).describe("Verifier tokens: handles or names."),
  environments: z.array(z.string().max(20)).max(20).default([]),
  consumer: handle.nullable().default(null),
  expiresAt: time.nullable().default(null),
});

export const token = z
  .object({
    id: handle,
    name: z.string(),
    role: z.enum(roles),
    apis: z.array(handle),
    environments: z.array(z.string()),
    consumer: handle.nullable(),
    expiresAt: time.nullable(),
    revokedAt: time.nullable(),
    createdAt: time,
    createdBy: z.string(),
  })
  .meta({ id: "Token" });

export const createdToken = token.extend({ secret: z.string().nullable() }).meta({ id: "CreatedToken" });

export const verifyAsk = z.strictObject({
  api: z.string().min(1).max(100),
  key: z.string().max(20_000).describe("The presented text."),
  environment: z.string().max(20).optional(),
  scope: z.union([z.string().max(100), z.array(z.string().max(100)).max(50)]).optional(),
  network: z.string().max(50).optional().describe("The caller's address."),
  client: z.string().max(300).optional(),
  instance: z.string().max(100).optional(),
});

export const verdict = z
  .object({
    valid: z.boolean(),
    code: z.string(),
    key: handle.optional(),
    version: z.int().optional(),
    consumer: handle.optional(),
    environment: z.string().optional(),
    scopes: z.array(z.string()).optional(),
    rotation: z
      .object({
        id: handle,
        phase: z.string(),
        from: z.int(),
        to: z.int(),
        since: time.optional(),
        endsAt: time.optional(),
      })
      .optional(),
    retiredAt: time.optional(),
  })
  .meta({ id: "Verdict" });

export const usage = z
  .object({
    key: handle,
    sources: z.array(
      z.object({
        source,
        lastSeen: time,
        longestGapMs: z.int(),
        versions: z.array(z.object({ version: z.int(), first: time, last: time, accepted: z.int(), refused: z.int() })),
      }),
    ),
    buckets: z.array(z.object({ version: z.int(), start: time, accepted: z.int(), refused: z.int() })),
  })
  .meta({ id: "Usage" });

export const auditEntry = z
  .object({
    seq: z.int(),
    at: time,
    actor: z.string(),
    action: z.string(),
    subjects: z.array(z.string()),
    details: z.record(z.string(), z.unknown()),
    hash: z.string(),
  })
  .meta({ id: "AuditEntry" });

export const verifierBoot = z
  .object({
    boot: handle,
    instance: z.string(),
    software: z.string(),
    state: z.enum(["live", "lost", "closed", "replaced", "removed"]),
    registeredAt: time,
    applied: z.int().describe("Feed entries applied, as far as told since the authority started."),
    coveredTo: z.number(),
    answersUntil: z.number(),
  })
  .meta({ id: "VerifierBoot" });

/** A page of a list: `next` is the cursor of the following page, null on the last. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}

export const pageQuery = {
  cursor: z.string().max(100).optional().describe("`next` of the page before."),
  limit: z.coerce.number().int().min(1).max(500).default(50),
};
