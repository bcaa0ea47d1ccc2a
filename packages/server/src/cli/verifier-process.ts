/** One process that decides: by itself, or as a worker of `--workers`. */
import type { World } from "@keyover/core";
import { createVerifier, type SharingVerifier, type Verifier } from "@keyover/verifier";
import {
  createStandalone,
  type IntrospectionCallers,
  type Standalone,
  type StandaloneOptions,
} from "@keyover/verifier/standalone";
import { exitCodes, UnsafeConfigurationError } from "./exit-codes.ts";
import { type Io, say } from "./io.ts";
import { stopSignal } from "./stop-signal.ts";
import { addressOf, type Listen, type ListenHow, listenOn } from "./verifier-socket.ts";

export interface VerifierSettings {
  urls: readonly string[];
  allowPlainHttp: boolean;
  token: string;
  apis: readonly string[];
  environment: string | undefined;
  instance: string | undefined;
  data: string | undefined;
  cacheKeys: number | undefined;
  listen: Listen;
  /** For Envoy over gRPC. */
  grpcListen: Listen | undefined;
  introspection: IntrospectionCallers | undefined;
  introspectionCharges: boolean;
  trustedHops: number;
  keyHeader: string | undefined;
  keyParameter: string | undefined;
  docsUrl: string | undefined;
  drainMs: number;
}

/** Beyond the drain itself, for the verifier's goodbye; then the process ends come what may. */
const GOODBYE_MS = 5_000;

/**
 * A gateway keeps few connections for gRPC, and after a worker was changed over all of them are with the others. New ones go to the workers in
 * turn, so that after this time each has its part again.
 */
const GRPC_AGE_MS_MAX = 10 * 60_000;

export interface Opened<V> {
  verifier: V;
  /** Rejects if the authority refuses the token or the api. */
  ready: Promise<void>;
}

export function verifierOf(settings: VerifierSettings, world: World): Opened<SharingVerifier> {
  const { urls, allowPlainHttp, token, apis, environment, instance, data, cacheKeys, docsUrl } = settings;
  const verifier = createVerifier({
    url: urls,
    allowPlainHttp,
    token,
    apis,
    environment,
    instance,
    dataDir: data,
    cache: cacheKeys === undefined ? undefined : { keys: cacheKeys },
    docsUrl,
    world,
  });
  const ready = verifier.ready.catch((error: Error) => {
    throw new UnsafeConfigurationError(error.message);
  });
  // Whoever waits for it hears of it; a stop before it is ready is no defect.
  ready.catch(() => undefined);
  return { verifier, ready };
}

export function standaloneOf(
  verifier: Verifier,
  settings: VerifierSettings,
  world: World,
  gather?: StandaloneOptions["gather"],
): Standalone {
  const { trustedHops, keyHeader, keyParameter, introspection, introspectionCharges } = settings;
  const grpc = settings.grpcListen !== undefined;
  // Whoever gathers has others beside it.
  const grpcAgeMsMax = gather === undefined ? undefined : GRPC_AGE_MS_MAX;
  return createStandalone(verifier, {
    trustedHops,
    keyHeader,
    keyParameter,
    introspection,
    introspectionCharges,
    grpc,
    grpcAgeMsMax,
    gather,
    world,
  });
}

/** Where it listens from now on, for people. */
export async function listenAll(
  { server, grpcServer }: Standalone,
  { listen, grpcListen }: VerifierSettings,
  how: ListenHow = {},
): Promise<string> {
  await listenOn(server, listen, how);
  const address = addressOf(server, listen);
  if (grpcServer === undefined || grpcListen === undefined) return address;
  await listenOn(grpcServer, grpcListen, how);
  return `${address}, and for Envoy by gRPC on ${addressOf(grpcServer, grpcListen)}`;
}

export async function runVerifier(settings: VerifierSettings, io: Io, world: World): Promise<void> {
  const stopped = stopSignal(world, "verifier.draining");
  const { verifier, ready } = verifierOf(settings, world);
  const standalone = standaloneOf(verifier, settings, world);
  // It listens before it is ready and says so: what looks after processes must not take a slow authority for a dead verifier.
  const begin = async () => {
    const address = await listenAll(standalone, settings);
    world.log("info", "verifier.listening", { address });
    await ready;
    say(io, readySentence(address));
    return stopped;
  };
  const outcome = await Promise.race([stopped, begin()]).catch((error: Error) => error);
  await drainWithin(standalone, settings.drainMs, world);
  if (outcome instanceof Error) throw outcome;
}

export function readySentence(address: string): string {
  return `Keyover decides on ${address}. Stop it with Ctrl-C or SIGTERM.`;
}

export async function drainWithin(standalone: Standalone, drainMs: number, world: World): Promise<void> {
  world.clock.after(drainMs + GOODBYE_MS, () => {
    world.log("error", "verifier.drain_timed_out");
    process.exit(exitCodes.defect);
  });
  await standalone.drain(drainMs);
  world.log("info", "verifier.stopped");
}
