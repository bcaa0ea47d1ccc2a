/**
 * `Keyover-Rotation`: what the response to a request tells the holder of a key in rotation. An RFC 9651 dictionary:
 *
 *     Keyover-Rotation: id="rot_…", phase=overlapping, version=1, target=2, ends=@1767225600, brownout=@1767182400
 *
 * `version` was presented; `target` is the one to be on. `brownout`: from then on the presented version is refused for a short time. They differ for whoever still has to move, and then
 * `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a `Link` go with it.
 */
import type { RotationRecord } from "./record.ts";
import type { Phase } from "./rotation.ts";
import { phases } from "./rotation.ts";

export interface RotationHeader {
  id: string;
  phase: Phase;
  version: number;
  target: number;
  /** The deadline of the overlap, epoch milliseconds (whole seconds on the wire). */
  endsAt?: number | undefined;
  /** When the brownout that runs, or is next, begins; the same. */
  brownoutAt?: number | undefined;
}

export const ROTATION_HEADER = "keyover-rotation";

/** The version that a consumer should be on while this rotation runs. */
export function targetVersion(rotation: Pick<RotationRecord, "phase" | "from" | "to">): number {
  const back = rotation.phase === "rolled-back" || rotation.phase === "planned" || rotation.phase === "propagating";
  return back ? rotation.from : rotation.to;
}

/** The response headers for a request that presented `version`, as name and value pairs; none where nothing is to be said. */
export function rotationHeaders(
  rotation: RotationRecord | undefined,
  version: number,
  documentation?: string,
): [name: string, value: string][] {
  if (rotation === undefined) return [];
  const target = targetVersion(rotation);
  const members = [`id="${rotation.id}"`, `phase=${rotation.phase}`, `version=${version}`, `target=${target}`];
  if (rotation.endsAt !== undefined) members.push(`ends=@${Math.floor(rotation.endsAt / 1000)}`);
  if (rotation.brownout !== undefined && version === rotation.from)
    members.push(`brownout=@${Math.floor(rotation.brownout.from / 1000)}`);
  const headers: [string, string][] = [[ROTATION_HEADER, members.join(", ")]];
  if (target === version) return headers;
  if (rotation.since !== undefined) headers.push(["deprecation", `@${Math.floor(rotation.since / 1000)}`]);
  if (rotation.endsAt !== undefined) headers.push(["sunset", new Date(rotation.endsAt).toUTCString()]);
  if (documentation !== undefined) headers.push(["link", `<${documentation}>; rel="deprecation"; type="text/html"`]);
  return headers;
}

/** Reads the header leniently (members in any order, unknown ones passed over); undefined if it is no such thing. */
export function parseRotationHeader(value: string | null | undefined): RotationHeader | undefined {
  if (value === null || value === undefined || value.length > 500) return undefined;
  const members = new Map<string, string>();
  for (const part of value.split(",")) {
    const match = /^\s*([a-z][a-z0-9_.*-]*)=("?)([^"\s;]*)\2\s*$/.exec(part);
    if (match !== null) members.set(match[1] as string, match[3] as string);
  }
  const id = members.get("id");
  const phase = phases.find((name) => name === members.get("phase"));
  const version = versionNumber(members.get("version"));
  const target = versionNumber(members.get("target"));
  // The id goes into the path of a request: nothing but a handle's characters.
  if (id === undefined || !/^[0-9A-Za-z_-]{1,64}$/.test(id)) return undefined;
  if (phase === undefined || version === undefined || target === undefined) return undefined;
  const [endsAt, brownoutAt] = [dateIn(members.get("ends")), dateIn(members.get("brownout"))];
  return {
    id,
    phase,
    version,
    target,
    ...(endsAt === undefined ? {} : { endsAt }),
    ...(brownoutAt === undefined ? {} : { brownoutAt }),
  };
}

/** An RFC 9651 date, in milliseconds. */
function dateIn(text: string | undefined): number | undefined {
  const match = /^@(\d{1,12})$/.exec(text ?? "");
  return match === null ? undefined : Number(match[1]) * 1000;
}

function versionNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}
