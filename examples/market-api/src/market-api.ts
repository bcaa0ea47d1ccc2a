/**
 * A market data API with Keyover in front of each route. Copy it as a start.
 *
 *     KEYOVER_URL=http://127.0.0.1:7700 KEYOVER_TOKEN=kot_verifier_… node src/market-api.ts
 *
 * Where the authority is several processes, name them all: KEYOVER_URL=http://…:7700,http://…:7701
 *
 * The api is registered once:
 *
 *     keyover api create market --prefix mkt --scope market:read --scope trade:write --scope account:withdraw
 *     keyover token create market-api-1 --role verifier --api market --environment live
 */
import { createVerifier } from "@keyover/verifier";
import { requireKey } from "@keyover/verifier/fastify";
import Fastify, { type FastifyInstance } from "fastify";

interface Settings {
  /** Of each process of the authority. */
  keyoverUrls: readonly string[];
  keyoverToken: string;
  environment: string;
  /** A folder of this process alone: lets it restart while the authority is away. */
  dataDir: string | undefined;
  host: string;
  port: number;
}

export interface MarketApi {
  app: FastifyInstance;
  close(): Promise<void>;
}

/** Starts the API; it listens once it can decide on keys. */
export async function startMarketApi(settings: Settings): Promise<MarketApi> {
  const verifier = createVerifier({
    url: settings.keyoverUrls,
    token: settings.keyoverToken,
    apis: ["market"],
    environment: settings.environment,
    dataDir: settings.dataDir,
  });
  await verifier.ready;

  const app = Fastify({ logger: false });
  const prices = new Map([
    ["BTC-USD", 97_250],
    ["ETH-USD", 5_120],
    ["SOL-USD", 310],
  ]);

  app.get("/healthz", async () => ({ status: "ok" }));

  app.get<{ Params: { symbol: string } }>(
    "/v1/ticker/:symbol",
    { onRequest: requireKey(verifier, "market:read") },
    async (request, reply) => {
      const price = prices.get(request.params.symbol);
      if (price === undefined) return reply.code(404).send({ error: "unknown symbol" });
      return { symbol: request.params.symbol, price, for: request.keyover.consumer };
    },
  );

  app.post<{ Body: { symbol: string; side: "buy" | "sell"; size: number } }>(
    "/v1/orders",
    {
      onRequest: requireKey(verifier, "trade:write"),
      schema: {
        body: {
          type: "object",
          required: ["symbol", "side", "size"],
          properties: {
            symbol: { type: "string" },
            side: { enum: ["buy", "sell"] },
            size: { type: "number", exclusiveMinimum: 0 },
          },
        },
      },
    },
    async (request, reply) =>
      reply.code(201).send({ accepted: true, order: request.body, account: request.keyover.consumer }),
  );

  app.post("/v1/withdrawals", { onRequest: requireKey(verifier, "account:withdraw") }, async (request, reply) =>
    reply.code(202).send({ accepted: true, account: request.keyover.consumer }),
  );

  await app.listen({ host: settings.host, port: settings.port });
  return {
    app,
    async close() {
      await app.close();
      await verifier.close();
    },
  };
}

if (import.meta.main) {
  const { KEYOVER_URL, KEYOVER_TOKEN, KEYOVER_ENVIRONMENT, KEYOVER_DATA, HOST, PORT } = process.env;
  if (KEYOVER_TOKEN === undefined) throw new Error("set KEYOVER_TOKEN to a verifier's token");
  const api = await startMarketApi({
    keyoverUrls: (KEYOVER_URL ?? "http://127.0.0.1:7700").split(","),
    keyoverToken: KEYOVER_TOKEN,
    environment: KEYOVER_ENVIRONMENT ?? "live",
    dataDir: KEYOVER_DATA,
    host: HOST ?? "127.0.0.1",
    port: Number(PORT ?? 8080),
  });
  // A verifier that says goodbye holds nobody up; one that vanishes is waited for until its lease and static time are over.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void api.close());
}
