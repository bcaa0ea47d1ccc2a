/**
 * The shapes of the HTTP API, once: they validate requests, serialise responses, and document both. Times are epoch milliseconds,
 * durations milliseconds. Requests are strict: a member that this server does not know is refused, because passing over a
 * misspelt `overlapMs` would be worse than an error. What verifiers send is lenient (feed-schemas.ts).
 */
import { limitBounds, withoutKeyTexts } from "@keyover/core";
import { z } from "zod";
import { roles } from "../store/entities.ts";
import { limitState, planName, usageBuckets } from "./plan-schemas.ts";
import {
  handle,
  labels,
  name,
  networkList,
  networksMode,
  notes,
  policy,
  policyPatch,
  reason,
  scopes,
  sha256,
  source,
  stalenessPatch,
  time,
} from "./schema-parts.ts";

export * from "./campaign-schemas.ts";
export * from "./plan-schemas.ts";
export * from "./policy-schemas.ts";
export * from "./rotation-schemas.ts";
export { handle, problem } from "./schema-parts.ts";

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
  defaultPlan: planName.optional().describe("Of keys without a plan of their own: handle or name; null: none."),
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
    defaultPlan: handle.nullable().describe("Of keys without a plan of their own."),
    createdAt: time,
    createdBy: z.string(),
  })
  .meta({ id: "Api" });

export const newConsumer = z.strictObject({
  name,
  labels: labels.default({}),
  notes: notes.default(""),
  networks: networkList.default([]),
});
export const consumerPatch = z.strictObject({
  name: name.optional(),
  labels: labels.optional(),
  notes: notes.optional(),
  networks: networkList.optional(),
});
export const consumer = z
  .object({
    id: handle,
    name: z.string(),
    labels,
    notes: z.string(),
    networks: z.array(z.string()).describe("Of all its keys, besides their own."),
    createdAt: time,
    createdBy: z.string(),
  })
  .meta({ id: "Consumer" });

// ---- keys -----------------------------------------------------------------------------------------------------------

export const newKey = z.strictObject({
  api: z.string().min(1).max(100).describe("The api's handle or name."),
  environment: z.string().max(20),
  consumer: handle,
  name: name.default("default"),
  scopes,
  networks: networkList.default([]),
  networksMode: networksMode.optional(),
  plan: planName.optional().describe("Handle, or name in the api; null: the api's default."),
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
  networks: networkList.optional(),
  networksMode: networksMode.optional(),
  plan: planName.optional().describe("Handle, or name in the api; null: the api's default."),
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
    brownoutUntil: time.nullable().describe("It is refused until then, in a brownout."),
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
    networksMode,
    consumerNetworks: z.array(z.string()).describe("The consumer's own list: both must allow."),
    plan: handle.nullable().describe("Of its own; null: it has its api's default, if there is one."),
    labels,
    notes: z.string(),
    policy: policyPatch.describe("What this key overrides."),
    currentVersion: z.int(),
    rotation: handle.nullable().describe("The rotation that has not ended."),
    rotateAt: time.nullable().describe("When it rotates by itself; null: not, or not known yet."),
    expiresAt: time.nullable(),
    graceUntil: time.nullable().describe("It was in use when it expired, and is accepted until then."),
    idle: z
      .object({
        since: time,
        announcedAt: time,
        suspendAt: time.nullable(),
        suspendedAt: time
          .nullable()
          .describe("By the policy, because nobody used it; null: it is not, or a person did it."),
        revokeAt: time.nullable(),
      })
      .nullable()
      .describe("It was announced as unused."),
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

// ---- tokens, verification, usage, audit -----------------------------------------------------------------------------

const owner = z.string().trim().min(1).max(100).overwrite(withoutKeyTexts).nullable();

export const newToken = z.strictObject({
  name,
  role: z.enum(roles),
  apis: z.array(z.string().min(1).max(100)).max(100).default([]).describe("Verifier tokens: handles or names."),
  environments: z.array(z.string().max(20)).max(20).default([]),
  consumer: handle.nullable().default(null),
  owner: owner
    .default(null)
    .describe("Whose it is: a person's mail address, a team. `keyover offboard` finds it by this."),
  expiresAt: time.nullable().default(null),
});

export const tokenPatch = z.strictObject({ owner });

export const token = z
  .object({
    id: handle,
    name: z.string(),
    role: z.enum(roles),
    apis: z.array(handle),
    environments: z.array(z.string()),
    consumer: handle.nullable(),
    owner: z.string().nullable(),
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
  cost: z
    .int()
    .min(limitBounds.cost.min)
    .max(limitBounds.cost.max)
    .optional()
    .describe("What the request takes of the key's limits. Otherwise 1."),
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
    expiresAt: time.optional().describe("The key's own end, where it has one."),
    rotation: z
      .object({
        id: handle,
        phase: z.string(),
        from: z.int(),
        to: z.int(),
        since: time.optional(),
        endsAt: time.optional(),
        brownout: z.object({ from: time, until: time }).optional().describe("The one that runs, or is next."),
      })
      .optional(),
    retiredAt: time.optional(),
    retryAfterMs: z
      .number()
      .optional()
      .describe(
        "With `brownout`: it ends in so long. With `rate_limited`, `quota_exceeded`: there is room in so long.",
      ),
    limits: z.array(limitState).optional().describe("What is left of the key's limits, this request charged."),
    wouldRefuse: z
      .string()
      .optional()
      .describe("Accepted, and refused for this if the key's networks were enforced (its `networksMode` is `report`)."),
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
        networksAllow: z
          .enum(["all", "some", "none"])
          .nullable()
          .describe(
            "How much of the source's network the lists of the key and its consumer let through, enforced or not. Null: the source stands for several.",
          ),
        versions: z.array(z.object({ version: z.int(), first: time, last: time, accepted: z.int(), refused: z.int() })),
      }),
    ),
    buckets: usageBuckets,
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
