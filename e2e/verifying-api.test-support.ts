/** The smallest API with the verifier in it, in a process of its own (verifying-api.ts). */
import type { ApiStatus, Verdict } from "@keyover/verifier";
import { ask } from "./authority.test-support.ts";
import { freePort, pathOf, type Running, run, type Server, server } from "./processes.test-support.ts";

const VERIFYING_API = pathOf("./verifying-api.ts");

export interface VerifyingApi extends Server {
  verdict(key: string, scope?: string): Promise<Verdict>;
  status(): Promise<ApiStatus[]>;
}

export interface VerifyingApiSettings {
  authorityUrl: string | readonly string[];
  token: string;
  apis: string[];
  instance?: string;
  dataDir?: string;
  /** Answers (with 503) before the verifier is ready. */
  listenFirst?: boolean;
  /** What its wall clock is wrong by. */
  clockShiftMs?: number;
  /** A file for its decisions. */
  history?: string;
  /** A file for what it writes. */
  log?: string;
}

export async function verifyingApi(settings: VerifyingApiSettings): Promise<VerifyingApi> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    KEYOVER_URL: [settings.authorityUrl].flat().join(","),
    KEYOVER_TOKEN: settings.token,
    KEYOVER_DATA: settings.dataDir,
    APIS: settings.apis.join(","),
    INSTANCE: settings.instance,
    PORT: String(port),
    LISTEN_FIRST: settings.listenFirst ? "yes" : undefined,
    CLOCK_SHIFT_MS: String(settings.clockShiftMs ?? 0),
    HISTORY: settings.history,
  };
  const nodeArgs = settings.clockShiftMs === undefined ? [] : ["--import", pathOf("./shifted-clock.ts")];
  const launch = (): Running => run(VERIFYING_API, [], { env, nodeArgs, log: settings.log });
  const made = server(url, settings.listenFirst ? "/status" : "/ready", launch);
  return Object.assign(made, {
    verdict: async (key: string, scope?: string) =>
      (await ask(`${url}/verdict`, { body: { key, scope } })).body as unknown as Verdict,
    status: async () => (await ask(`${url}/status`)).body as unknown as ApiStatus[],
  });
}
