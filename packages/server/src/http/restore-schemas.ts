/** The shapes of a reconciliation after a restore. */
import { phases } from "@keyover/core";
import { z } from "zod";
import { sides } from "../store/entities.ts";
import { handle, reason, time } from "./schema-parts.ts";

const feedNumber = z.int().min(0);
const side = z.enum(sides).describe("verifiers: what was in force. backup: what the restored database says.");

const keySide = z
  .object({
    status: z.enum(["active", "suspended", "revoked"]),
    current: z.int(),
    versions: z.array(
      z.object({
        number: z.int(),
        state: z.enum(["pending", "active", "retiring", "retired", "destroyed"]),
        compromised: z.boolean(),
        fenced: z.boolean(),
      }),
    ),
    rotation: z.object({ id: handle, phase: z.enum(phases), from: z.int(), to: z.int() }).nullable(),
  })
  .meta({ id: "RestoreSide" });

export const difference = z
  .object({
    key: handle,
    consumer: handle,
    environment: z.string(),
    changes: z.array(z.string()).describe("Since the backup, in words; empty if both sides are alike."),
    backup: keySide.nullable().describe("Null: the key was made after the backup."),
    verifiers: keySide,
    instances: z.array(z.string()).describe("Who remembers it so; the first few."),
    contradicts: z
      .array(z.object({ instances: z.array(z.string()), verifiers: keySide }))
      .describe("What others remember under the same number. Then say whose word counts."),
  })
  .meta({ id: "RestoreDifference" });

export const reconciliation = z
  .object({
    api: handle,
    state: z
      .enum(["never restored", "held", "being carried out", "served", "late"])
      .describe("held: not served. late: served, while a verifier that came later knows more than was compared."),
    epoch: z.string(),
    restoredAt: time.nullable(),
    asOf: z.number().nullable().describe("The last that the backup knows of."),
    after: feedNumber.nullable().describe("The feed's head in the backup; what has a higher number is compared."),
    reconciledAt: time.nullable(),
    compared: z.record(z.string(), feedNumber).describe("By environment: how far the former feed was compared."),
    marks: z.array(
      z.object({
        instance: z.string(),
        environments: z.array(z.string()),
        epoch: z.string(),
        seq: feedNumber,
        complete: z.boolean().describe("It has told all that it knows."),
        passedOver: z.int().describe("Records that it may not speak of, or that were ill-formed."),
        at: time,
      }),
    ),
    unheard: z
      .array(z.object({ boot: handle, instance: z.string(), software: z.string(), coveredTo: z.number() }))
      .describe("Verifiers that ran when the backup was made, and have not been heard of since the restore."),
    keys: z.int().describe("Keys that verifiers have told of, whether or not they differ."),
    seen: z.string().describe("Names this state; send it with the choice."),
  })
  .meta({ id: "Reconciliation" });

export const choosing = z.strictObject({
  choose: side,
  keys: z
    .array(
      z.strictObject({
        key: handle,
        choose: side,
        instance: z.string().max(100).optional().describe("Where verifiers contradict each other: whose word counts."),
      }),
    )
    .max(10_000)
    .default([])
    .describe("Keys for which something else is chosen."),
  revive: z
    .boolean()
    .default(false)
    .describe("With backup: also accept again what verifiers know to be compromised or revoked."),
  reason,
  seen: z.string().max(100).optional().describe("Refuses the choice if verifiers have told more since."),
});
