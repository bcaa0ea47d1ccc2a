/** How the first administrator's token is handed over: into a file, or shown this once. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Secret } from "../custody/secret.ts";
import { type Io, painterOf, say } from "./io.ts";
import type { Place } from "./place.ts";
import { type ReservedFile, reserveSecretFile } from "./secret-file.ts";

/** The place for it. Where everything was set up before, a file that exists is from the first start and stays as it is. */
export function firstTokenFile(path: string | undefined, place: Place): ReservedFile | undefined {
  if (path === undefined) return undefined;
  const before = place.database === undefined ? join(place.data, "keyover.sqlite") : place.masterKeyPath;
  if (existsSync(path) && existsSync(before)) return undefined;
  return reserveSecretFile(path);
}

export function handOver(io: Io, token: Secret, reserved: ReservedFile | undefined): void {
  if (reserved?.write(io, token.reveal())) return;
  const shown = painterOf(io)("bold", token.reveal());
  say(io, `\nThe first administrator's token. It is shown this once; keep it safe:\n\n  ${shown}\n`);
}
