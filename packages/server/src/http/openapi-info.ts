import type { FastifySchema } from "fastify";

/** The head of the OpenAPI document; everything else in it comes from the routes. */
export const openapiInfo = {
  openapi: "3.1.0",
  info: {
    title: "Keyover",
    version: "0.1.0",
    summary: "Issue, verify and change over API keys without losing a request.",
    description:
      "Times are epoch milliseconds, durations milliseconds. Errors are RFC 9457 problem details with a stable `code`. Every write takes an `Idempotency-Key`. Lists have `cursor`, `limit` and filters.",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  servers: [{ url: "/", description: "This authority." }],
  tags: [
    { name: "apis", description: "What is protected." },
    { name: "plans", description: "Limits of use that keys have." },
    { name: "consumers", description: "Who holds keys." },
    { name: "keys", description: "The lasting credentials, and their status." },
    { name: "rotations", description: "Changing a key over." },
    { name: "campaigns", description: "Changing many keys over, in waves or at once." },
    { name: "policies", description: "What holds for which keys, and when they rotate." },
    { name: "holder", description: "For the consumer's own program." },
    { name: "tokens", description: "Credentials for this API itself." },
    { name: "custodians", description: "Who could have seen which secret, and what follows when they leave." },
    { name: "notices", description: "Who is told of what, and how." },
    { name: "feed", description: "For verifiers." },
    { name: "operations", description: "Verification, audit, health." },
  ],
  components: {
    securitySchemes: {
      token: { type: "http" as const, scheme: "bearer", description: "A token of the authority: kot_…" },
      key: {
        type: "http" as const,
        scheme: "bearer",
        description: "An api key, on the calls that let it speak for itself.",
      },
    },
  },
};

type Document = Record<string, unknown> & { components?: { schemas?: Record<string, unknown> } };

/**
 * Leaves out the component schemas that nothing refers to: the schema library makes one for requests and one for responses of
 * everything that has a name, needed or not.
 */
export function withoutUnusedSchemas<T extends object>(document: T): T {
  const { components } = document as Document;
  const schemas = components?.schemas;
  if (schemas === undefined) return document;
  for (;;) {
    const text = JSON.stringify(document);
    const unused = Object.keys(schemas).filter((name) => !text.includes(`"#/components/schemas/${name}"`));
    if (unused.length === 0) return document;
    for (const name of unused) delete schemas[name];
  }
}

const idempotencyKey = {
  type: "object",
  properties: {
    "Idempotency-Key": {
      type: "string",
      minLength: 1,
      maxLength: 200,
      description:
        "A repeated request with the same key and body gets the same answer and changes nothing twice. Kept for two days.",
    },
  },
};

/** Documents the header that idempotency.ts reads; validation leaves headers alone. */
export function withIdempotencyKey(schema: FastifySchema, method: string): FastifySchema {
  const write =
    method !== "GET" && method !== "HEAD" && !schema.tags?.some((tag) => tag === "feed" || tag === "operations");
  return write ? { ...schema, headers: idempotencyKey } : schema;
}

interface Operation {
  requestBody?: { required?: boolean; content?: Record<string, { schema?: { anyOf?: { type?: string }[] } }> };
}

/** A body that may be null may be left out. */
export function withOptionalBodies<T extends { paths?: object | undefined }>(document: T): T {
  for (const path of Object.values(document.paths ?? {}) as Record<string, Operation>[]) {
    for (const { requestBody } of Object.values(path)) {
      const schema = requestBody?.content?.["application/json"]?.schema;
      if (requestBody !== undefined && schema?.anyOf?.some(({ type }) => type === "null")) requestBody.required = false;
    }
  }
  return document;
}
