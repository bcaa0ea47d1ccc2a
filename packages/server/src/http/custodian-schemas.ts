/** The shapes of who could have seen what, and of offboarding. */
import { campaignActions } from "@keyover/core";
import { z } from "zod";
import { secretStates } from "../custodians/reach.ts";
import { whoKinds } from "../custodians/who.ts";
import { handle, reason, time } from "./schema-parts.ts";

export const whoParams = z.object({
  who: z
    .string()
    .min(1)
    .max(200)
    .describe(
      "A token's handle, an owner, a consumer's name or handle, or a label name=value; owner:… says which is meant.",
    ),
});

const direct = z.boolean().default(false).describe("Only what was shown to their own tokens.");

const reachedToken = z
  .object({
    id: handle,
    name: z.string(),
    role: z.string(),
    owner: z.string().nullable(),
    consumer: handle.nullable(),
    works: z.boolean(),
    madeWith: handle
      .nullable()
      .describe("It is not theirs, but was made with this token of theirs, and shown to them."),
    createdAt: time,
  })
  .meta({ id: "ReachedToken" });

const reachedSecret = z
  .object({
    key: handle,
    name: z.string(),
    api: handle,
    environment: z.string(),
    consumer: handle,
    version: z.int(),
    state: z.enum(secretStates),
    ways: z.array(z.enum(["created", "claimed", "handed-in", "held"])),
    through: handle.nullable().describe("It was shown to this token, which was made with theirs; null: to them."),
    at: time,
    rotation: handle.nullable().describe("The rotation that its key is in."),
  })
  .meta({ id: "ReachedSecret" });

export const reach = z
  .object({
    who: z.object({
      kind: z.enum(whoKinds),
      text: z.string(),
      consumers: z.array(z.object({ id: handle, name: z.string() })),
    }),
    tokens: z.array(reachedToken),
    counts: z
      .object(Object.fromEntries(secretStates.map((state) => [state, z.int()])) as Record<State, z.ZodInt>)
      .nullable()
      .describe("Of all secrets; on the first page alone, null on the others."),
    warnings: z.array(z.string()).describe("On the first page alone."),
    secrets: z.object({ items: z.array(reachedSecret), next: z.string().nullable() }),
  })
  .meta({ id: "CustodianReach" });

type State = (typeof secretStates)[number];

export const offboard = z.strictObject({
  mode: z.enum(campaignActions).default("rotate"),
  reason,
  direct,
  revokeMade: z.boolean().default(false).describe("Revoke also the tokens that they have made for others."),
});

export const offboarded = z
  .object({
    who: z.string(),
    mode: z.enum(campaignActions),
    revoked: z.array(handle).describe("Tokens that are refused from now on."),
    left: z.array(z.object({ token: handle, why: z.string() })).describe("Tokens that still work."),
    campaign: handle.nullable().describe("What replaces the keys; null: there was nothing to replace."),
    keys: z.int(),
  })
  .meta({ id: "Offboarded" });
