/** What verifiers send. Lenient: a member that a newer verifier adds is passed over, so the two can be upgraded in any order. */
import type { Ack, Miss, Registration, Report } from "@keyover/core";
import { SIGHTINGS_PER_REPORT_MAX } from "@keyover/core";
import { z } from "zod";

const boot = z.string().regex(/^boo_[0-9A-Za-z]{22}$/, "a boot's handle: boo_ and 22 letters and digits");
const number = z.int().min(0);
const moment = z.number().min(0).max(8_640_000_000_000_000);
const label = z.string().max(64);

export const registration = z.object({
  boot,
  instance: z.string().min(1).max(100),
  replaces: boot.optional(),
  software: z.string().max(200),
}) satisfies z.ZodType<Registration>;

export const ack = z.object({ boot, applied: number }) satisfies z.ZodType<Ack>;

/** In one interval, by one source. */
const COUNT_MAX = 1_000_000_000;

const sighting = z.object({
  key: z.string().max(64),
  version: z.int().min(1),
  source: z.object({ network: label, client: label, instance: label }),
  first: moment,
  last: moment,
  accepted: number.max(COUNT_MAX),
  refused: number.max(COUNT_MAX),
  longestGapMs: z.number().min(0),
});

export const report = z.object({
  boot,
  n: z.int().min(1),
  from: moment,
  to: moment,
  applied: number,
  sightings: z.array(sighting).max(SIGHTINGS_PER_REPORT_MAX),
  final: z.boolean().optional(),
}) satisfies z.ZodType<Report>;

export const miss = z.object({ sha256: z.string().regex(/^[A-Za-z0-9_-]{43}$/) }) satisfies z.ZodType<Miss>;

export const grant = z
  .object({ now: moment, leaseMs: z.number(), onStale: z.enum(["closed", "static"]), staticMs: z.number() })
  .meta({ id: "Grant" });

export const welcome = grant
  .extend({
    api: z.object({ id: z.string(), name: z.string(), prefix: z.string() }),
    environments: z.array(z.string()),
    reportEveryMs: z.number(),
  })
  .meta({ id: "Welcome" });

export const missAnswer = z.object({ now: moment, record: z.looseObject({}).nullable() }).meta({ id: "MissAnswer" });
