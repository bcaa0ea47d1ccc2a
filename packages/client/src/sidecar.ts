/**
 * The file beside the secret, `<file>.keyover` (0600): what must survive a crash. It is on the disk before a
 * successor is used for the first time, because that use ends the time in which it can be claimed again.
 *
 *     { "format": "keyover-sidecar-1", "key": "key_…", "rotation": "rot_…",
 *       "current":  { "version": 1, "secret": "…" },        what the secret file held, or holds
 *       "previous": { "version": …, "secret": "…" } | null,  the way back, until the rotation has ended
 *       "pending":  { "version": 2, "secret": "…" } | null } claimed, and not confirmed yet
 *
 *     the file holds   and then
 *     current          with `pending`: go on from trying the successor; without: nothing is under way
 *     pending          the file was replaced, the rest (confirm, tidy up) is still to be done
 *     previous         somebody put the old secret back
 *     anything else    the sidecar belongs to another key; it is left aside with a warning
 */
import { Secret } from "./secret.ts";

const FORMAT = "keyover-sidecar-1";

export interface Sealed {
  secret: Secret;
  version: number;
}

export interface Sidecar {
  key: string;
  rotation: string;
  current: Sealed;
  previous: Sealed | undefined;
  pending: Sealed | undefined;
}

export function formatSidecar(sidecar: Sidecar): string {
  const open = (sealed: Sealed | undefined) => sealed && { version: sealed.version, secret: sealed.secret.reveal() };
  const { key, rotation, current, previous, pending } = sidecar;
  const body = { current: open(current), previous: open(previous) ?? null, pending: open(pending) ?? null };
  return `${JSON.stringify({ format: FORMAT, key, rotation, ...body }, undefined, 2)}\n`;
}

/** Undefined for anything torn, foreign or made by another program. */
export function parseSidecar(text: string): Sidecar | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || value.format !== FORMAT) return undefined;
  const { key, rotation } = value;
  const current = parseSealed(value.current);
  if (typeof key !== "string" || typeof rotation !== "string" || current === undefined) return undefined;
  return { key, rotation, current, previous: parseSealed(value.previous), pending: parseSealed(value.pending) };
}

function parseSealed(value: unknown): Sealed | undefined {
  if (!isRecord(value)) return undefined;
  const { version } = value;
  const secret = Secret.parse(value.secret);
  return secret !== undefined && Number.isSafeInteger(version) ? { secret, version: version as number } : undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Each version that the sidecar holds. */
function sealedIn(sidecar: Sidecar | undefined): Sealed[] {
  return [sidecar?.pending, sidecar?.current, sidecar?.previous].filter((sealed) => sealed !== undefined);
}

/** The version that `secret` is, if the sidecar knows it. */
export function findSecret(sidecar: Sidecar | undefined, secret: Secret): Sealed | undefined {
  return sealedIn(sidecar).find((sealed) => sealed.secret.same(secret));
}

/**
 * The secret of a version other than the one in use, if this very rotation brought it: a number alone could be an abandoned
 * successor's. A sidecar that has the secret in use under that number is wrong, and no way to get there.
 */
export function findOther(
  sidecar: Sidecar | undefined,
  rotation: string,
  version: number,
  inUse: Secret,
): Sealed | undefined {
  if (sidecar?.rotation !== rotation) return undefined;
  return sealedIn(sidecar).find((sealed) => sealed.version === version && !sealed.secret.same(inUse));
}

/** What a request falls back to when the secret of the file is refused. */
export function wayBack(sidecar: Sidecar | undefined, secret: Secret): Sealed | undefined {
  if (sidecar?.pending?.secret.same(secret)) return sidecar.current;
  if (sidecar?.current.secret.same(secret)) return sidecar.previous;
  return sidecar?.previous?.secret.same(secret) ? sidecar.current : undefined;
}
