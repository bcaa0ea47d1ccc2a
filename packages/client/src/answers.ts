/** The authority's answers, checked field by field: unknown fields are passed over, a missing one is named. */
import type { Changeover, Claim } from "@keyover/core";
import { parseKeyText } from "@keyover/core";
import { isRecord } from "./sidecar.ts";

/** Thrown by a field that is not what it must be, and caught where an answer is parsed. */
class Misfit extends Error {}

type Fields = Record<string, unknown>;

/** The answer, or a sentence that says what is wrong with it. */
export function parseChangeover(body: unknown): Changeover | string {
  return orMisfit(() => {
    const fields = record(body, "the answer");
    const rotation = fields.rotation;
    if (rotation === undefined) throw new Misfit("rotation is missing");
    return {
      now: number(fields, "now"),
      key: text(fields, "key"),
      environment: text(fields, "environment"),
      version: count(fields, "version"),
      target: count(fields, "target"),
      rotation: rotation === null ? null : parseRotation(record(rotation, "rotation")),
      pollAfterMs: number(fields, "pollAfterMs"),
    };
  });
}

function parseRotation(fields: Fields): NonNullable<Changeover["rotation"]> {
  const suggested = record(fields.suggested, "rotation.suggested");
  return {
    id: text(fields, "id"),
    phase: text(fields, "phase"),
    from: count(fields, "from"),
    to: count(fields, "to"),
    claimable: flag(fields, "claimable"),
    endsAt: numberOrNull(fields, "endsAt"),
    suggested: { from: number(suggested, "from"), to: number(suggested, "to") },
  };
}

export function parseClaim(body: unknown): Claim | string {
  return orMisfit(() => {
    const fields = record(body, "the answer");
    const secret = text(fields, "secret");
    // A claim that was cut off must not become the key: the checksum shows that the secret is whole.
    if (parseKeyText(secret) === undefined) throw new Misfit("secret is no whole key");
    return {
      rotation: text(fields, "rotation"),
      key: text(fields, "key"),
      version: count(fields, "version"),
      secret,
      endsAt: numberOrNull(fields, "endsAt"),
    };
  });
}

function orMisfit<T>(parse: () => T): T | string {
  try {
    return parse();
  } catch (error) {
    if (error instanceof Misfit) return error.message;
    throw error;
  }
}

function record(value: unknown, name: string): Fields {
  if (!isRecord(value)) throw new Misfit(`${name} is no object`);
  return value;
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string" || value === "" || value.length > 300)
    throw new Misfit(`${name} is missing or no text`);
  return value;
}

function number(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Misfit(`${name} is missing or no number`);
  return value;
}

function numberOrNull(fields: Fields, name: string): number | null {
  return fields[name] === null ? null : number(fields, name);
}

function count(fields: Fields, name: string): number {
  const value = number(fields, name);
  if (!Number.isSafeInteger(value) || value < 1) throw new Misfit(`${name} is no version number`);
  return value;
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value !== "boolean") throw new Misfit(`${name} is missing or neither true nor false`);
  return value;
}
