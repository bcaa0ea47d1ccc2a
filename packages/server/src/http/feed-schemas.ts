/** What verifiers send. Lenient: a member that a newer verifier adds is passed over, so the two can be upgraded in any order. */
import type { Ack, KeyRecord, Miss, Registration, Report, Spent } from "@keyover/core";
import {
  limitBounds,
  phases,
  REMEMBERED_PER_CALL_MAX,
  SIGHTINGS_PER_REPORT_MAX,
  SPENT_PER_REPORT_MAX,
} from "@keyover/core";
import { z } from "zod";

const boot = z.string().regex(/^boo_[0-9A-Za-z]{22}$/, "a boot's handle: boo_ and 22 letters and digits");
const number = z.int().min(0);
const moment = z.number().min(0).max(8_640_000_000_000_000);
const label = z.string().max(64);

export const registration = z.object({
  boot,
  instance: z.string().min(1).max(100),
  replaces: boot.optional(),
  holds: z.object({ epoch: z.string().max(100), seq: z.int().min(1), followed: number.optional() }).optional(),
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
  limited: number.max(COUNT_MAX).optional(),
  longestGapMs: z.number().min(0),
});

const cost = number.max(limitBounds.cost.max);
const rateSize = z.object({ unitMs: z.number().positive().max(86_400_000), burst: z.int().min(1) });

const spent = z.object({
  subject: z.string().max(64),
  limit: z.string().max(32),
  units: number,
  refused: number,
  period: moment.optional(),
  since: moment.optional(),
  keeps: number.optional(),
  wants: cost.optional(),
  holds: number.optional(),
  rate: rateSize.optional(),
  largest: cost.optional(),
}) satisfies z.ZodType<Spent>;

export const report = z.object({
  boot,
  n: z.int().min(1),
  from: moment,
  to: moment,
  applied: number,
  sightings: z.array(sighting).max(SIGHTINGS_PER_REPORT_MAX),
  spent: z.array(spent).max(SPENT_PER_REPORT_MAX).optional(),
  final: z.boolean().optional(),
}) satisfies z.ZodType<Report>;

export const miss = z.object({ sha256: z.string().regex(/^[A-Za-z0-9_-]{43}$/) }) satisfies z.ZodType<Miss>;

const version = z.int().min(1).max(1_000_000_000);
const texts = (count: number, length: number) => z.array(z.string().max(length)).max(count);
const handleOf = (prefix: string) => z.string().regex(new RegExp(`^${prefix}_[0-9A-Za-z]{22}$`));
const VERSIONS_MAX = 1_000;

/** Each record by itself: what one verifier can't say well must not keep the rest of what it knows from being heard. */
export const keyRecord = z
  .object({
    seq: z.int().min(1),
    key: handleOf("key"),
    consumer: handleOf("con"),
    environment: z.string().regex(/^[a-z0-9]{1,20}$/),
    status: z.enum(["active", "suspended", "revoked"]),
    scopes: texts(200, 100),
    networks: texts(200, 51),
    consumerNetworks: texts(200, 51).optional(),
    networksMode: z.literal("report").optional(),
    expiresAt: moment.int().optional(),
    plan: handleOf("pln").optional(),
    current: version,
    versions: z
      .array(
        z.object({
          number: version,
          state: z.enum(["pending", "active", "retiring", "retired"]),
          sha256: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
          compromised: z.boolean(),
          fence: z.object({ scopes: texts(200, 100).optional(), networks: texts(500, 50).optional() }).optional(),
          brownoutUntil: moment.int().optional(),
          scopes: texts(200, 100).optional(),
          retiredAt: moment.int().optional(),
        }),
      )
      .max(VERSIONS_MAX),
    rotation: z
      .object({
        id: handleOf("rot"),
        phase: z.enum(phases),
        from: version,
        to: version,
        since: moment.int().optional(),
        endsAt: moment.int().optional(),
        brownout: z.object({ from: moment.int(), until: moment.int() }).optional(),
      })
      .optional(),
  })
  .refine(isConsistent, "the record contradicts itself") satisfies z.ZodType<KeyRecord>;

/** Else it could never be put into force. */
function isConsistent({ versions, current, rotation }: Pick<KeyRecord, "versions" | "current" | "rotation">): boolean {
  const numbers = versions.map(({ number }) => number);
  const named = rotation === undefined ? [current] : [current, rotation.from, rotation.to];
  if (new Set(numbers).size < numbers.length || new Set(versions.map(({ sha256 }) => sha256)).size < numbers.length)
    return false;
  return named.every((number) => numbers.includes(number)) && (rotation === undefined || rotation.from !== rotation.to);
}

export const remembered = z.object({
  instance: z.string().min(1).max(100),
  epoch: z.string().max(100),
  seq: number,
  followed: number.optional(),
  n: z.int().min(1),
  last: z.boolean(),
  records: z.array(z.looseObject({})).max(REMEMBERED_PER_CALL_MAX).describe("As the feed brought them."),
});

const told = z.object({
  subject: z.string(),
  limit: z.string(),
  owedMs: z.number().optional(),
  rate: rateSize.optional(),
  quota: z.object({ period: moment, used: z.number(), own: z.number(), granted: z.number() }).optional(),
});

export const grant = z
  .object({
    now: moment,
    leaseMs: z.number(),
    onStale: z.enum(["closed", "static"]),
    staticMs: z.number(),
    verifiers: z.int().min(1).optional().describe("Of this api, that may answer requests."),
    limits: z.array(told).optional().describe("What all verifiers have used of the limits that the report speaks of."),
  })
  .meta({ id: "Grant" });

export const welcome = grant
  .extend({
    api: z.object({ id: z.string(), name: z.string(), prefix: z.string() }),
    environments: z.array(z.string()),
    reportEveryMs: z.number(),
    epoch: z.string(),
    asks: z.boolean().optional(),
  })
  .meta({ id: "Welcome" });

export const missAnswer = z
  .object({
    now: moment,
    epoch: z.string().optional(),
    seq: number.optional(),
    record: z.looseObject({}).nullable(),
    plans: z.array(z.looseObject({})).optional().describe("Whose limits the key has."),
  })
  .meta({ id: "MissAnswer" });
