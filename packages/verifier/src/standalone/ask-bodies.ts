/**
 * The JSON that `POST /verify` and `POST /verify/batch` take: as the authority's `POST /v1/verify`, with the same bounds, but that `api` may be
 * left out. What is misspelt is refused: an `environmnet` passed over would let a key of another in.
 */
import type { IncomingMessage } from "node:http";
import { costProblem } from "@keyover/core";
import type { PresentedAsk } from "../api-replica.ts";
import { parseJson } from "../shapes.ts";

export interface AskBody {
  api: string | undefined;
  key: string;
  ask: PresentedAsk;
}

/** Why a body is refused: the code of a problem, and a sentence. */
export interface BodyProblem {
  code: "invalid_request" | "payload_too_large" | "unsupported_media_type";
  detail: string;
}

export const ASK_BYTES_MAX = 65_536;
export const BATCH_BYTES_MAX = 1 << 20;
const BATCH_MAX = 1_000;

const LENGTHS: Record<string, number> = {
  api: 100,
  key: 20_000,
  environment: 20,
  network: 50,
  client: 300,
  instance: 100,
};
const SCOPE_LENGTH_MAX = 100;
const SCOPES_MAX = 50;

export function isBodyProblem(value: object): value is BodyProblem {
  return "detail" in value;
}

/** The whole body, or why it is not taken. What is beyond the bound is not kept. */
export async function readJson(request: IncomingMessage, bytesMax: number): Promise<{ value: unknown } | BodyProblem> {
  const type = request.headers["content-type"] ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type))
    return { code: "unsupported_media_type", detail: "Content-Type must be application/json." };
  const body = await readBody(request, bytesMax);
  if (body === undefined) return { code: "payload_too_large", detail: `At most ${bytesMax} bytes are taken.` };
  const value = parseJson(body);
  return value === undefined ? invalid("The body is no JSON.") : { value };
}

/** Undefined, at once, if it is longer; what is beyond the bound is not kept. Rejects if the caller goes away. */
export function readBody(request: IncomingMessage, bytesMax: number): Promise<string | undefined> {
  // Nothing announced a body, and of none nothing would be heard.
  if (request.readableEnded) return Promise.resolve("");
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    // Read on, for as long as a request may take: a caller that is still sending would not hear the answer on a connection that ends.
    else resolve(undefined);
  });
  request.once("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
  request.once("error", reject).once("close", () => reject(new Error("the caller went away")));
  return promise;
}

export function asAsk(value: unknown): AskBody | BodyProblem {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return invalid("An object is needed.");
  const given = value as Record<string, unknown>;
  for (const [name, member] of Object.entries(given)) {
    const problem = memberProblem(name, member);
    if (problem !== undefined) return invalid(problem);
  }
  if (given.key === undefined) return invalid("key is needed: the presented text.");
  const { api, key, scope, environment, network, client, instance } = given as Record<string, string | undefined>;
  const cost = given.cost as number | undefined;
  return { api, key: key as string, ask: { scope, environment, network, client, instance, cost } };
}

function memberProblem(name: string, member: unknown): string | undefined {
  if (name === "scope") return scopeProblem(member);
  if (name === "cost") return costProblem(member);
  if (!Object.hasOwn(LENGTHS, name)) return `There is no member "${name.slice(0, 50)}".`;
  if (typeof member !== "string") return `${name} must be text.`;
  return lengthProblem(name, member);
}

/** Of a member that there is. */
export function lengthProblem(name: string, value: string): string | undefined {
  const lengthMax = LENGTHS[name] as number;
  return value.length > lengthMax ? `${name} has at most ${lengthMax} characters.` : undefined;
}

function scopeProblem(member: unknown): string | undefined {
  const scopes = typeof member === "string" ? [member] : member;
  const fits = (each: unknown) => typeof each === "string" && each.length <= SCOPE_LENGTH_MAX;
  return Array.isArray(scopes) && scopes.length <= SCOPES_MAX && scopes.every(fits)
    ? undefined
    : `scope must be text, or a list of at most ${SCOPES_MAX}, each of at most ${SCOPE_LENGTH_MAX} characters.`;
}

/** One that is wrong in itself is a problem in its place, and spoils none of the others. */
export function asBatch(value: unknown): (AskBody | BodyProblem)[] | BodyProblem {
  const asks = (value as { asks?: unknown } | null)?.asks;
  if (!Array.isArray(asks) || Object.keys(value as object).length !== 1)
    return invalid('An object with "asks" alone is needed: a list of what POST /verify takes.');
  if (asks.length > BATCH_MAX) return invalid(`At most ${BATCH_MAX} can be asked at once.`);
  return asks.map(asAsk);
}

function invalid(detail: string): BodyProblem {
  return { code: "invalid_request", detail };
}
