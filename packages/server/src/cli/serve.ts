/**
 * `keyover serve`: the authority as a process. Refuses an unsafe configuration before it makes or opens anything; on SIGTERM or
 * SIGINT it finishes what has begun, ends the streams, and exits 0.
 */
import { readFileSync, statSync } from "node:fs";
import { BlockList, createServer } from "node:net";
import { createSecureContext } from "node:tls";
import type { World } from "@keyover/core";
import type { Command } from "commander";
import { type Authority, createAuthority, TICK_MS } from "../authority.ts";
import { SchemaError, type Store } from "../store/store.ts";
import { createLogger, realWorld } from "../world.ts";
import { withExamples } from "./command-group.ts";
import { serveEnvironment } from "./environment.ts";
import { exitCodes, UnsafeConfigurationError } from "./exit-codes.ts";
import { firstTokenFile, handOver } from "./first-token.ts";
import { type Io, say } from "./io.ts";
import { noticesConfigOf } from "./notices-config.ts";
import { openPlace } from "./open-place.ts";
import { type Place, type PlaceOptions, placeOf, placeOptions } from "./place.ts";
import { roughly } from "./render.ts";
import { stopSignal } from "./stop-signal.ts";
import { versionOf } from "./version.ts";

interface ServeOptions extends PlaceOptions {
  listen?: string;
  adminTokenFile?: string;
  tlsCert?: string;
  tlsKey?: string;
  behindTlsProxy?: boolean;
  logLevel?: string;
}

const LISTEN_DEFAULT = "127.0.0.1:7700";
export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"];
/** A drain is given up if it takes longer. */
const DRAIN_MS_MAX = 10_000;

export function serveCommand(program: Command, io: Io): void {
  const command = placeOptions(
    program.command("serve").description("run the authority; makes the data folder and the first token on first start"),
  )
    .option("--listen <host:port>", `address (KEYOVER_LISTEN; otherwise ${LISTEN_DEFAULT})`)
    .option("--admin-token-file <file>", "on first start write the first token there, mode 0600, instead of showing it")
    .option("--tls-cert <file>", "serve HTTPS: certificate, PEM")
    .option("--tls-key <file>", "serve HTTPS: its key, PEM")
    .option("--behind-tls-proxy", "a proxy in front does TLS, and nobody else reaches this port")
    .option("--log-level <level>", `${LOG_LEVELS.join(", ")} (KEYOVER_LOG_LEVEL; otherwise info)`);
  withExamples(command, [
    "keyover serve",
    "keyover serve --data /var/lib/keyover --listen 0.0.0.0:7700 --tls-cert cert.pem --tls-key key.pem",
    "keyover serve --database-url-file database.url --master-key-file /etc/keyover/master.key",
  ]);
  command.addHelpText("after", `\n${serveEnvironment()}`);
  command.action((options: ServeOptions) => serve(options, io));
}

async function serve(options: ServeOptions, io: Io): Promise<void> {
  const begun = io.world.clock.elapsed();
  const { host, port } = parseListen(options.listen ?? (io.env.KEYOVER_LISTEN || LISTEN_DEFAULT));
  const tls = readTls(options);
  refuseUnsafe(host, tls !== undefined, options.behindTlsProxy === true);
  const notices = noticesConfigOf(io.env);
  const place = placeOf(options, io);
  const logger = createLogger(logLevelOf(options, io));
  const world = realWorld(logger);
  await refuseTaken(host, port);
  const reserved = firstTokenFile(options.adminTokenFile, place);
  if (place.database?.inTheClear) logger.warn({ event: "store.in_the_clear", database: place.database.name });
  const { authority, outdated } = await start();
  const bound = authority.app.server.address();
  const url = urlOf(host, typeof bound === "object" && bound !== null ? bound.port : port, tls !== undefined);
  try {
    // Only now: a token that was made by a start that failed would never have been shown.
    const firstToken = await authority.firstToken();
    if (firstToken === undefined) reserved?.release();
    else handOver(io, firstToken, reserved);
  } catch (error) {
    reserved?.release();
    await authority.close();
    throw error;
  }
  logger.info({
    event: "server.listening",
    host,
    port: typeof bound === "object" ? bound?.port : port,
    tls: tls !== undefined,
    database: place.database?.name ?? "sqlite",
  });
  const stopped = stopSignal(world, "server.draining");
  say(
    io,
    `Keyover listens on ${url} (reference: ${url}/docs), ${whereOf(place)}. Ready in ${roughly(world.clock.elapsed() - begun)}; stop it with Ctrl-C or SIGTERM.`,
  );
  tickForever(authority, world);
  await drained(authority, world, Promise.race([stopped, outdated]));

  async function start(): Promise<{ authority: Authority; outdated: Promise<SchemaError> }> {
    try {
      const { store, masterKey } = await openPlace(place, world);
      const { watched, outdated } = watchSchema(store);
      const made = await createAuthority(world, watched, {
        masterKey,
        logger,
        trustProxy: options.behindTlsProxy === true,
        tls,
        software: `keyover/${versionOf()}`,
        notices,
      }).catch(async (error: unknown) => {
        await store.close();
        throw error;
      });
      try {
        await made.app.listen({ host, port });
        return { authority: made, outdated };
      } catch (error) {
        await made.close();
        throw error;
      }
    } catch (error) {
      reserved?.release();
      throw error;
    }
  }
}

function whereOf({ data, database }: Place): string {
  return database === undefined ? `data in ${data}` : `database ${database.name}`;
}

/** Resolves once the database has been brought to a schema that this program can't work with: it must stop then. */
function watchSchema(store: Store): { watched: Store; outdated: Promise<SchemaError> } {
  let resolve: (error: SchemaError) => void = () => {};
  const outdated = new Promise<SchemaError>((done) => {
    resolve = done;
  });
  const share: Store["share"] = async (...given) => {
    try {
      return await store.share(...given);
    } catch (error) {
      if (error instanceof SchemaError) resolve(error);
      throw error;
    }
  };
  return { watched: { ...store, share }, outdated };
}

function logLevelOf(options: ServeOptions, io: Io): string {
  const level = options.logLevel ?? (io.env.KEYOVER_LOG_LEVEL || "info");
  if (!LOG_LEVELS.includes(level))
    throw new UnsafeConfigurationError(`--log-level takes ${LOG_LEVELS.join(", ")}; got ${level}`);
  return level;
}

/** `also`: what else the option takes. */
export function parseListen(listen: string, option = "--listen", also = ""): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(listen);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new UnsafeConfigurationError(
      `${option} takes host:port, such as 127.0.0.1:7700 or [::1]:7700${also}; got ${listen}`,
    );
  }
  return { host: (match[1] ?? match[2]) as string, port };
}

function urlOf(host: string, port: number, tls: boolean): string {
  return `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function readTls({ tlsCert, tlsKey }: ServeOptions): { cert: Buffer; key: Buffer } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new UnsafeConfigurationError("--tls-cert and --tls-key go together; give both");
  try {
    const files = { cert: readFileSync(tlsCert), key: readFileSync(tlsKey) };
    createSecureContext(files);
    if ((statSync(tlsKey).mode & 0o007) === 0) return files;
  } catch (error) {
    throw new UnsafeConfigurationError(
      `the TLS certificate and key can't be used: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  throw new UnsafeConfigurationError(`the TLS key ${tlsKey} can be read by everybody. Run: chmod 600 ${tlsKey}`);
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

export function isLoopback(host: string): boolean {
  return host === "localhost" || loopback.check(host, host.includes(":") ? "ipv6" : "ipv4");
}

/** Secrets and tokens travel over this port: in the clear only where nobody else can listen (R73). */
function refuseUnsafe(host: string, tls: boolean, behindTlsProxy: boolean): void {
  if (isLoopback(host) || tls || behindTlsProxy) return;
  throw new UnsafeConfigurationError(
    `listening on ${host} would send secrets in the clear. Give --tls-cert and --tls-key, or listen on 127.0.0.1, or, if a proxy in front does TLS and nobody else reaches this port, say --behind-tls-proxy`,
  );
}

/** Before the data folder is made: a start that can't listen leaves nothing behind. */
function refuseTaken(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen({ host, port }, () => probe.close(() => resolve()));
  });
}

function tickForever(authority: Authority, world: World): void {
  const tick = () => {
    authority.tick().catch((error: unknown) => world.log("error", "server.tick_failed", { error: String(error) }));
    world.clock.after(TICK_MS, tick);
  };
  tick();
}

/** Resolves when the authority has ended, after a signal; rejects if it ended because it is outdated. */
async function drained(authority: Authority, world: World, stopped: Promise<SchemaError | undefined>): Promise<void> {
  const error = await stopped;
  world.clock.after(DRAIN_MS_MAX, () => {
    world.log("error", "server.drain_timed_out");
    process.exit(exitCodes.defect);
  });
  try {
    await authority.close();
    world.log("info", "server.stopped");
  } catch (failure) {
    world.log("error", "server.stop_failed", { error: String(failure) });
    process.exit(exitCodes.defect);
  }
  if (error !== undefined) throw error;
}
