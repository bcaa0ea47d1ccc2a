/** `keyover init`: data folder, master key and first token, without serving. */
import type { Command } from "commander";
import { createAuthority } from "../authority.ts";
import type { Secret } from "../custody/secret.ts";
import { createLogger, realWorld } from "../world.ts";
import { withExamples } from "./command-group.ts";
import { RefusedError } from "./exit-codes.ts";
import { firstTokenFile, handOver } from "./first-token.ts";
import { type Io, say, sayJson } from "./io.ts";
import { openPlace } from "./open-place.ts";
import { type Place, type PlaceOptions, placeName, placeOf, placeOptions } from "./place.ts";

interface InitOptions extends PlaceOptions {
  adminTokenFile?: string;
  json?: boolean;
}

export function initCommand(program: Command, io: Io): void {
  const command = placeOptions(
    program
      .command("init")
      .description("make data folder, master key and first token without serving; a second time it changes nothing"),
  )
    .option("--admin-token-file <file>", "write the first token there, mode 0600, instead of showing it")
    .option("--json", "print { adminToken } as JSON");
  withExamples(command, ["keyover init", "keyover init --data /var/lib/keyover --admin-token-file admin.token"]);
  command.action((options: InitOptions) => init(options, io));
}

async function init(options: InitOptions, io: Io): Promise<void> {
  const place = placeOf(options, io);
  const reserved = firstTokenFile(options.adminTokenFile, place);
  let token: Secret | undefined;
  try {
    token = await firstToken(place);
  } catch (error) {
    reserved?.release();
    throw error;
  }
  if (token === undefined) {
    reserved?.release();
    if (reserved !== undefined) {
      const instead = `keyover token create administrator --role admin --secret-file ${options.adminTokenFile}`;
      throw new RefusedError(
        `${placeName(place)} was set up before, and its first token was handed over then; make another with: ${instead}`,
      );
    }
    return options.json
      ? sayJson(io, { adminToken: null })
      : say(io, `${placeName(place)} was set up before; nothing was changed.`);
  }
  if (options.json) {
    const inFile = reserved?.write(io, token.reveal()) === true;
    return sayJson(io, { adminToken: inFile ? null : token.reveal() });
  }
  say(
    io,
    `${placeName(place)} is ready; start the authority with: keyover serve${options.data === undefined ? "" : ` --data ${place.data}`}`,
  );
  handOver(io, token, reserved);
}

async function firstToken(place: Place): Promise<Secret | undefined> {
  const world = realWorld(createLogger("warn"));
  const { store, masterKey } = await openPlace(place, world);
  const authority = await createAuthority(world, store, { masterKey, logger: false, trustProxy: false });
  try {
    return await authority.firstToken();
  } finally {
    await authority.close();
  }
}
