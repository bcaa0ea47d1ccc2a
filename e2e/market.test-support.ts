/** The example API and its bots, each in a process of its own. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BotCounts } from "./bot.ts";
import { freePort, pathOf, type Running, run, type Server, server } from "./processes.test-support.ts";

const MARKET_API = pathOf("../examples/market-api/src/market-api.ts");
const BOT = pathOf("./bot.ts");

export interface MarketSettings {
  authorityUrl: string;
  verifierToken: string;
  /** Of this process alone. */
  dataDir: string;
}

/** examples/market-api as it stands, with `@keyover/verifier` and its Fastify adapter in it. */
export async function startMarketApi({ authorityUrl, verifierToken, dataDir }: MarketSettings): Promise<Server> {
  const port = await freePort();
  const env = {
    KEYOVER_URL: authorityUrl,
    KEYOVER_TOKEN: verifierToken,
    KEYOVER_ENVIRONMENT: "live",
    KEYOVER_DATA: dataDir,
    PORT: String(port),
  };
  const made = server(`http://127.0.0.1:${port}`, "/healthz", () => run(MARKET_API, [], { env }));
  await made.start();
  return made;
}

export interface Bot {
  name: string;
  keyFile: string;
  process: Running;
  counts(): BotCounts;
  stop(): Promise<void>;
}

export interface BotSettings {
  name: string;
  folder: string;
  secret: string;
  apis: string[];
  /** Where its key is already, if another process of the same application has put it there. */
  keyFile?: string;
  pauseMs?: number;
  /** With both it uses the client; without it is plain fetch. */
  authorityUrl?: string;
  consumerToken?: string;
}

export function startBot(settings: BotSettings): Bot {
  const { name, folder, secret, apis, authorityUrl, consumerToken } = settings;
  const home = join(folder, name);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const keyFile = settings.keyFile ?? join(home, "market.key");
  if (settings.keyFile === undefined) writeFileSync(keyFile, `${secret}\n`, { mode: 0o600 });
  let counts: BotCounts = {
    requests: 0,
    accepted: 0,
    refused: 0,
    refusals: [],
    unreachable: 0,
    versions: {},
    lastSentAt: {},
    version: undefined,
  };
  const bot = run(BOT, [], {
    env: {
      BOT_NAME: name,
      BOT_KEY_FILE: keyFile,
      BOT_APIS: apis.join(","),
      BOT_PAUSE_MS: String(settings.pauseMs ?? 25),
      BOT_TOKEN: consumerToken,
      KEYOVER_URL: authorityUrl,
    },
    onMessage: (message) => {
      counts = message as BotCounts;
    },
  });
  return {
    name,
    keyFile,
    process: bot,
    counts: () => counts,
    async stop() {
      await bot.stop();
    },
  };
}
