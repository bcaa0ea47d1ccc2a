/**
 * `keyover verifier`: a verifier of its own beside a gateway, on a port or a Unix socket (docs/gateways.md).
 *
 *     without --workers   one process
 *     --workers N         one that listens and never stops, and N that decide; SIGHUP changes them over, one after the other
 *     --threads N         one process that holds the keys once, and N threads that decide
 */
import cluster from "node:cluster";
import { CACHE_KEYS_MAX } from "@keyover/verifier";
import { INTROSPECTION_TOKEN_LENGTH_MIN, type IntrospectionCallers } from "@keyover/verifier/standalone";
import { type Command, Option } from "commander";
import { createLogger, realWorld } from "../world.ts";
import { withExamples } from "./command-group.ts";
import { type ConnectionOptions, plainHttpAllowed, tokenOf, urlOf } from "./connection.ts";
import { UnsafeConfigurationError, UsageError } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { duration, positive, several, whole } from "./options.ts";
import { readPrivateFile } from "./private-file.ts";
import { isLoopback, LOG_LEVELS, parseListen } from "./serve.ts";
import { runVerifier, type VerifierSettings } from "./verifier-process.ts";
import { type Listen, prepareSocket } from "./verifier-socket.ts";
import { runThreads } from "./verifier-threads.ts";
import { superviseWorkers, workerOfPool } from "./verifier-workers.ts";

interface VerifierCommandOptions extends Pick<ConnectionOptions, "tokenFile"> {
  url?: string[];
  api: string[];
  environment?: string;
  instance?: string;
  data?: string;
  cacheKeys?: number;
  listen: string;
  grpcListen?: string;
  introspectionTokenFile?: string;
  introspectionCharges?: boolean;
  socketMode: string;
  behindTlsProxy?: boolean;
  trustedHops: number;
  keyHeader?: string;
  keyInQuery?: string;
  docsUrl?: string;
  workers?: number;
  threads?: number;
  drain?: number;
  logLevel: string;
}

const LISTEN_DEFAULT = "127.0.0.1:7710";
const WORKERS_MAX = 64;
const DRAIN_MS_DEFAULT = 10_000;
const DRAIN_MS_MAX = 3_600_000;

export function verifierCommand(program: Command, io: Io): void {
  const command = program
    .command("verifier")
    .description("decide on keys for a gateway (nginx, Caddy, HAProxy, Traefik, Envoy), from a replica of its own")
    .requiredOption("--api <api>", "whose keys to decide on; several times", several)
    .option("--url <url>", "the authority; several times where it is several processes (KEYOVER_URL)", several)
    .option("--token-file <file>", "token of the role verifier (KEYOVER_TOKEN_FILE; or the token in KEYOVER_TOKEN)")
    .option("--environment <name>", "the environment that it serves; needed if the token covers several")
    .option("--instance <name>", "a lasting name, unique among running verifiers; with --workers each adds a number")
    .option("--data <folder>", "a folder of its own, to start again from while the authority is away")
    .option(
      "--cache-keys <n>",
      "hold at most so many keys of each api and ask for the others, without --data",
      positive,
    )
    .option("--listen <address>", "host:port, or unix:/path/of/a/socket", LISTEN_DEFAULT)
    .option("--grpc-listen <address>", "for Envoy's ext_authz by gRPC; as --listen takes it")
    .option(
      "--introspection-token-file <file>",
      "who may ask at /introspect: a token of your own making in each line (KEYOVER_INTROSPECTION_TOKEN_FILE; or one in KEYOVER_INTROSPECTION_TOKEN)",
    )
    .option("--introspection-charges", "each question at /introspect is a request: it costs of the key's limits")
    .option("--socket-mode <mode>", "who may connect to the Unix socket, octal", "660")
    .option("--behind-tls-proxy", "listen on other addresses than this machine's own: nobody else reaches this port")
    .option("--trusted-hops <n>", "proxies before it that append to X-Forwarded-For, the gateway among them", whole, 0)
    .option("--key-header <name>", "the header that carries the key, instead of Authorization and X-API-Key")
    .option("--key-in-query <name>", "accept a key in this parameter of a query string, and count it")
    .option("--docs-url <url>", "where consumers read about rotation: the Link header of an old version's responses")
    .option("--workers <n>", "so many processes, changed over without a gap by SIGHUP", positive)
    .option("--threads <n>", "so many threads that share one process's keys, on a port; not with --workers", positive)
    .option(
      "--drain <duration>",
      "how long to wait on SIGTERM for requests that are under way (otherwise 10s)",
      duration,
    )
    .addOption(new Option("--log-level <level>", "what to log").choices(LOG_LEVELS).default("info"));
  withExamples(command, [
    "keyover verifier --api market --environment live --token-file verifier.token",
    "keyover verifier --api market --listen unix:/run/keyover/verifier.sock --trusted-hops 1 --data /var/lib/keyover-verifier",
    "keyover verifier --api market --workers 2 --listen 127.0.0.1:7710 --trusted-hops 1",
    "keyover verifier --api market --grpc-listen 127.0.0.1:9191 --trusted-hops 1",
  ]);
  command.action((options: VerifierCommandOptions) => verifier(options, io));
}

async function verifier(options: VerifierCommandOptions, io: Io): Promise<void> {
  const settings = settingsOf(options, io);
  const world = realWorld(createLogger(options.logLevel));
  if (cluster.isWorker) return workerOfPool(settings, world);
  for (const place of [settings.listen, settings.grpcListen])
    if (place?.path !== undefined) await prepareSocket(place.path);
  if (settings.introspection === undefined)
    world.log("info", "verifier.introspection_off", {
      reason: "other machines reach it, and there is no token for it",
    });
  const { threads, logLevel } = options;
  if (threads !== undefined) return runThreads({ ...settings, threads, logLevel }, io, world);
  if (options.workers === undefined) return runVerifier(settings, io, world);
  return superviseWorkers({ ...settings, workers: options.workers }, io, world);
}

function settingsOf(options: VerifierCommandOptions, io: Io): VerifierSettings {
  const urls = options.url ?? [undefined];
  const token = tokenOf({ tokenFile: options.tokenFile }, io);
  if (token === undefined)
    throw new UsageError(
      "no token: put one of the role verifier in KEYOVER_TOKEN, or in a file that --token-file names",
    );
  const { environment, instance, data, cacheKeys, trustedHops, keyHeader, keyInQuery, docsUrl } = options;
  if (data === "") throw new UsageError("--data takes a folder; leave it out, and nothing is kept on disk");
  if (instance === "")
    throw new UsageError("--instance takes a name; leave it out, and one is made of the host's name");
  if (cacheKeys !== undefined && cacheKeys > CACHE_KEYS_MAX)
    throw new UsageError(
      `--cache-keys takes 1 to ${CACHE_KEYS_MAX}; got ${cacheKeys}. Leave it out, and all keys are held`,
    );
  if (cacheKeys !== undefined && data !== undefined)
    throw new UsageError(
      "--cache-keys and --data exclude each other: a cache is not kept on disk; give --instance instead",
    );
  if (trustedHops > 16) throw new UsageError(`--trusted-hops takes 0 to 16; got ${trustedHops}`);
  if (keyHeader !== undefined && !/^[A-Za-z0-9-]{1,100}$/.test(keyHeader))
    throw new UsageError(`--key-header takes a header's name, such as X-Acme-Key; got "${keyHeader}"`);
  if (keyInQuery !== undefined && !/^[^\s&;=#]{1,100}$/.test(keyInQuery))
    throw new UsageError(`--key-in-query takes a parameter's name, such as api_key; got "${keyInQuery}"`);
  if ((options.workers ?? 1) > WORKERS_MAX)
    throw new UsageError(`--workers takes 1 to ${WORKERS_MAX}; got ${options.workers}`);
  refuseThreads(options);
  if ((options.drain ?? 0) > DRAIN_MS_MAX) throw new UsageError("--drain takes 1h at most");
  if (docsUrl !== undefined && !URL.canParse(docsUrl)) throw new UsageError(`--docs-url takes a URL; got "${docsUrl}"`);
  const listen = listenOf(options.listen, "--listen", options);
  const grpcListen =
    options.grpcListen === undefined ? undefined : listenOf(options.grpcListen, "--grpc-listen", options);
  return {
    urls: urls.map((url) => urlOf({ url }, io)),
    allowPlainHttp: plainHttpAllowed(io),
    token,
    apis: options.api,
    environment,
    instance,
    data,
    cacheKeys,
    listen,
    grpcListen,
    introspection: introspectionOf(options.introspectionTokenFile, listen, io),
    introspectionCharges: options.introspectionCharges === true,
    trustedHops,
    keyHeader,
    keyParameter: keyInQuery,
    docsUrl,
    drainMs: options.drain ?? DRAIN_MS_DEFAULT,
  };
}

function refuseThreads({ threads, workers, cacheKeys, listen, grpcListen }: VerifierCommandOptions): void {
  if (threads === undefined) return;
  if (threads > WORKERS_MAX) throw new UsageError(`--threads takes 1 to ${WORKERS_MAX}; got ${threads}`);
  if (workers !== undefined)
    throw new UsageError(
      "--threads and --workers exclude each other: threads share one process's keys, workers hold their own",
    );
  if (cacheKeys !== undefined)
    throw new UsageError("--threads and --cache-keys exclude each other: a cache is one thread's");
  if ([listen, grpcListen].some((place) => place?.startsWith("unix:") === true))
    throw new UsageError(
      "--threads listens on a port: threads can't share a Unix socket; take --workers, or one process",
    );
}

/** Tokens of its own: the authority's are for other things, and would then lie with every resource server. */
function introspectionOf(option: string | undefined, listen: Listen, io: Io): IntrospectionCallers | undefined {
  const { KEYOVER_INTROSPECTION_TOKEN: given, KEYOVER_INTROSPECTION_TOKEN_FILE: named } = io.env;
  const file = option ?? (given ? undefined : named || undefined);
  if (file === undefined && !given) return listen.path !== undefined || isLoopback(listen.host) ? "anybody" : undefined;
  const source = file ?? "KEYOVER_INTROSPECTION_TOKEN";
  const text = file === undefined ? (given as string) : readPrivateFile(file, "file of tokens for introspection");
  const tokens = text.split(/\s+/).filter((each) => each !== "");
  const isToken = (each: string) => each.length >= INTROSPECTION_TOKEN_LENGTH_MIN && /^[\x21-\x7e]{1,200}$/.test(each);
  // The text itself is never repeated: it may be half a secret.
  if (tokens.length === 0 || !tokens.every(isToken))
    throw new UsageError(
      `${source} holds no token for introspection, or something else besides: a line for each, of ${INTROSPECTION_TOKEN_LENGTH_MIN} to 200 characters, such as "openssl rand -hex 32" makes`,
    );
  return tokens;
}

function listenOf(
  listen: string,
  option: "--listen" | "--grpc-listen",
  { socketMode, behindTlsProxy }: VerifierCommandOptions,
): Listen {
  if (listen.startsWith("unix:")) {
    const path = listen.slice("unix:".length);
    if (!path.startsWith("/")) throw new UnsafeConfigurationError(`${option} unix: takes a whole path; got ${listen}`);
    // sockaddr_un has room for no more; a longer path would be cut off without a word.
    if (Buffer.byteLength(path) > 107)
      throw new UnsafeConfigurationError(`the path of a Unix socket has at most 107 bytes; got ${listen}`);
    if (!/^[0-7]{3,4}$/.test(socketMode))
      throw new UsageError(`--socket-mode takes octal digits, such as 660; got "${socketMode}"`);
    return { path, mode: Number.parseInt(socketMode, 8) };
  }
  const { host, port } = parseListen(listen, option, ", or unix:/path/of/a/socket");
  if (!isLoopback(host) && behindTlsProxy !== true)
    throw new UnsafeConfigurationError(
      `${option} ${listen} would send keys in the clear: listen on 127.0.0.1 or a Unix socket, or, if nobody else reaches this port, say --behind-tls-proxy`,
    );
  return { host, port };
}
