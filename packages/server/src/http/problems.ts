/** Every error leaves as RFC 9457 problem details with a code from core's table. */
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { type ProblemCode, problemBody, withoutKeyTexts } from "@keyover/core";
import type { FastifyError, FastifyInstance, FastifyReply } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import type { z } from "zod";
import type { Refusal } from "../outcome.ts";
import {
  OutcomeUnknownError,
  StorageFullError,
  StoreConfigurationError,
  StoreUnavailableError,
} from "../store/store.ts";
import { plainIssues } from "./issues.ts";

export function sendProblem(
  reply: FastifyReply,
  code: ProblemCode,
  detail?: string,
  members?: Record<string, unknown>,
): FastifyReply {
  const body = problemBody(code, detail, members);
  if (code === "unauthenticated") void reply.header("www-authenticate", 'Bearer realm="keyover"');
  if (body.status === 503) void reply.header("retry-after", "1");
  return reply
    .code(body.status)
    .header("content-type", "application/problem+json")
    .serializer((payload: unknown) => withoutKeyTexts(JSON.stringify(payload)))
    .send(body);
}

export function sendRefusal(reply: FastifyReply, refusal: Refusal): FastifyReply {
  return sendProblem(reply, refusal.code, refusal.detail, refusal.members);
}

/** Fastify's own error codes that are the caller's doing. */
const fastifyErrors: Record<string, { code: ProblemCode; detail: string }> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: "payload_too_large", detail: "the body is too large for this call" },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { code: "unsupported_media_type", detail: "send Content-Type: application/json" },
  FST_ERR_CTP_INVALID_JSON_BODY: {
    code: "invalid_request",
    detail: "the body is not JSON, or has a member named __proto__",
  },
  KEYOVER_UNSTORABLE_TEXT: {
    code: "invalid_request",
    detail: "a text in the body holds U+0000, or half of a character (a lone surrogate)",
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: "invalid_request", detail: "the body is empty; send a JSON object" },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: "invalid_request",
    detail: "the body's length differs from Content-Length",
  },
};

type Invalidity = NonNullable<FastifyError["validation"]>[number];

/** As zod found it, before it was put into Fastify's words. */
function issueOf({ keyword, instancePath, message, params }: Invalidity): z.core.$ZodIssue {
  const path = instancePath.split("/").filter((step) => step !== "");
  return { ...params, code: keyword, path, message: message ?? "is wrong" } as z.core.$ZodIssue;
}

export function useProblems(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, "not_found", `${request.method} ${pathOf(request.url)} is no call of this API; see /docs`),
  );
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (hasZodFastifySchemaValidationErrors(error)) {
      const issues = plainIssues(error.validation.map(issueOf));
      const errors = issues.map(({ path, message }) => ({
        path: [error.validationContext ?? "body", ...path].join("."),
        message,
      }));
      return sendProblem(
        reply,
        "invalid_request",
        errors
          .map(({ path, message }) => `${path}: ${message}`)
          .join("; ")
          .slice(0, 2_000),
        { errors },
      );
    }
    const known = fastifyErrors[error.code];
    if (known !== undefined) return sendProblem(reply, known.code, known.detail);
    if (error instanceof StorageFullError) {
      request.log.error({ event: "store.full" }, "the disk is full");
      return sendProblem(reply, "storage_full");
    }
    if (error instanceof StoreUnavailableError || error instanceof StoreConfigurationError) {
      request.log.error({ event: "store.unavailable", reason: error.message }, "the database can't be used");
      return sendProblem(reply, "storage_unavailable");
    }
    if (error instanceof OutcomeUnknownError) {
      request.log.error({ event: "store.outcome_unknown", reason: error.message }, "an outcome is unknown");
      return sendProblem(reply, "outcome_unknown");
    }
    if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
      return sendProblem(reply, "invalid_request", "the request can't be read");
    }
    request.log.error(
      { event: "http.failed", error: error.message, stack: error.stack, route: request.routeOptions.url },
      "a request failed",
    );
    return sendProblem(reply, "internal");
  });
}

/** What is no HTTP, or has too large a head, never becomes a request: the socket itself is answered. */
export function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (socket.destroyed || !socket.writable) return;
  const overflow = error.code === "HPE_HEADER_OVERFLOW";
  const problem = overflow
    ? problemBody("payload_too_large", "the head of the request is too large")
    : problemBody("invalid_request", "this is no HTTP");
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** The path without its query, which could hold anything. */
function pathOf(url: string): string {
  return (url.split("?", 1)[0] as string).slice(0, 200);
}
