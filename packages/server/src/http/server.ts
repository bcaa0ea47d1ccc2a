/**
 * The HTTP face of the authority. A request goes: onRequest (who, may they) → preValidation (shape) → preHandler (asked before?) →
 * handler → one commit → answer. Every error leaves through problems.ts.
 */

import type { Socket } from "node:net";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import Fastify, { type FastifyBaseLogger, LogController } from "fastify";
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import { useAuth } from "./auth.ts";
import { useIdempotency } from "./idempotency.ts";
import { openapiInfo, withIdempotencyKey, withOptionalBodies, withoutUnusedSchemas } from "./openapi-info.ts";
import { answerUnreadable, sendProblem, useProblems } from "./problems.ts";
import type { App, Rooms } from "./rooms.ts";
import { campaignRoutes } from "./routes/campaigns.ts";
import { custodianRoutes } from "./routes/custodians.ts";
import { feedRoutes } from "./routes/feed.ts";
import { holderRoutes } from "./routes/holder.ts";
import { inventoryRoutes } from "./routes/inventory.ts";
import { keyRoutes } from "./routes/keys.ts";
import { noticeRoutes } from "./routes/notices.ts";
import { oauthRoutes } from "./routes/oauth.ts";
import { operationRoutes } from "./routes/operations.ts";
import { planRoutes } from "./routes/plans.ts";
import { policyRoutes } from "./routes/policies.ts";
import { restoreRoutes } from "./routes/restore.ts";
import { rotationRoutes } from "./routes/rotations.ts";
import { selfRoutes } from "./routes/self.ts";
import { selfUseRoutes } from "./routes/self-use.ts";
import { tokenRoutes } from "./routes/tokens.ts";

export interface HttpOptions {
  logger: FastifyBaseLogger | false;
  /** Believe the last address in X-Forwarded-For, which the proxy in front has written. */
  trustProxy: boolean;
  tls?: { key: string | Buffer; cert: string | Buffer } | undefined;
}

/** For a request to arrive whole. */
const REQUEST_MS_MAX = 15_000;
const BODY_BYTES_MAX = 256 * 1024;

export async function createHttp(rooms: Rooms, options: HttpOptions): Promise<App> {
  const app = Fastify({
    ...(options.logger === false ? { logger: false } : { loggerInstance: options.logger }),
    ...(options.tls === undefined ? {} : { https: options.tls as never }),
    // One hop: the proxy in front. What it was told by others stands further left, and anybody can write that.
    trustProxy: options.trustProxy && ((_address: string, hop: number) => hop === 0),
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: "idle",
    // What still arrives over open connections is answered; /readyz says that this server goes.
    return503OnClosing: false,
    frameworkErrors(_error, _request, reply) {
      sendProblem(reply, "invalid_request", "the path can't be read");
    },
    clientErrorHandler: answerUnreadable,
    routerOptions: { maxParamLength: 600 },
  }).withTypeProvider<ZodTypeProvider>() as App;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  useProblems(app as never);
  useEmptyBodies(app);
  useAuth(app as never, rooms.tokens, rooms.store, rooms.world.clock);
  useIdempotency(app as never, rooms.store, rooms.custody);
  useRequestLog(app, rooms);
  useDraining(app, rooms);
  await app.register(swagger, {
    openapi: openapiInfo,
    transform(input) {
      const { schema, url } = jsonSchemaTransform(input);
      return { schema: withIdempotencyKey(schema, String(input.route.method)), url };
    },
    transformObject: (input) => withOptionalBodies(withoutUnusedSchemas(jsonSchemaTransformObject(input))),
  });
  await app.register(swaggerUi, { routePrefix: "/docs" });

  inventoryRoutes(app, rooms);
  planRoutes(app, rooms);
  keyRoutes(app, rooms);
  rotationRoutes(app, rooms);
  campaignRoutes(app, rooms);
  holderRoutes(app, rooms);
  selfRoutes(app, rooms);
  selfUseRoutes(app, rooms);
  oauthRoutes(app, rooms);
  tokenRoutes(app, rooms);
  custodianRoutes(app, rooms);
  policyRoutes(app, rooms);
  noticeRoutes(app, rooms);
  feedRoutes(app, rooms);
  restoreRoutes(app, rooms);
  operationRoutes(app, rooms);
  return app;
}

/**
 * While the server shuts down each answer is the last on its connection; an idle one would hold the shutdown up. So would one on which
 * nothing was ever asked (clients connect ahead, load balancers merely knock): Node takes it for one in the midst of a request.
 */
function useDraining(app: App, rooms: Rooms): void {
  const open = new Set<Socket>();
  for (const event of ["connection", "secureConnection"]) {
    app.server.on(event, (socket: Socket) => {
      open.add(socket);
      socket.once("close", () => open.delete(socket));
    });
  }
  app.addHook("preClose", async () => {
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy();
  });
  app.addHook("onSend", async (_request, reply) => {
    if (!rooms.ready()) void reply.header("connection", "close");
  });
}

/** A POST without a body is a POST with an empty object; `curl -X POST` needs no -d then. */
function useEmptyBodies(app: App): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "") return done(null, undefined);
    try {
      // What is presented as a key may be anything, and is kept nowhere.
      done(null, parseJson(body as string, request.routeOptions.url === "/v1/verify"));
    } catch (error) {
      const code = error instanceof UnstorableTextError ? error.code : "FST_ERR_CTP_INVALID_JSON_BODY";
      done(Object.assign(new Error("not JSON"), { code, statusCode: 400 }));
    }
  });
  // In a path or a query no other such text can be written: what is not UTF-8 is refused as it is.
  app.addHook("onRequest", async (request, reply) => {
    if (!request.url.includes("%00")) return;
    return sendProblem(reply, "invalid_request", "the path or the query holds U+0000");
  });
}

/** JSON can say what PostgreSQL has no place for: U+0000, and halves of a character. */
class UnstorableTextError extends Error {
  code = "KEYOVER_UNSTORABLE_TEXT";
}

/**
 * A member named __proto__ would be lost on the way, or worse; nobody means it. Texts that not every database can hold are refused whichever
 * it is; they can only be written with `\\u`.
 */
function parseJson(text: string, anyText: boolean): unknown {
  if (!text.includes("__proto__") && !text.includes("\\u")) return JSON.parse(text);
  const isStorable = (value: unknown) => typeof value !== "string" || (value.isWellFormed() && !value.includes("\0"));
  return JSON.parse(text, (name, value: unknown) => {
    if (name === "__proto__") throw new SyntaxError("a member named __proto__");
    if (!anyText && !(isStorable(name) && isStorable(value))) throw new UnstorableTextError();
    return value;
  });
}

/** One line and one observation for each answer; never a header, a body or a query. */
function useRequestLog(app: App, { metrics }: Rooms): void {
  app.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "unmatched";
    metrics.httpSeconds.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
    const fields = {
      event: "http.answered",
      method: request.method,
      route,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 10) / 10,
      actor: request.principal?.id,
    };
    // 503 is said to all while a restored database waits, or the database is away: what is wrong is logged where it is known.
    if (reply.statusCode === 503) request.log.info(fields);
    else if (reply.statusCode >= 500) request.log.error(fields);
    else request.log.debug(fields);
  });
}
