/**
 * The authority's whole HTTP API, typed by its OpenAPI document: for the command line, scripts and other programs.
 *
 *     const api = createApi({ url: "https://keys.example.com", token });
 *     const rotation = await api.request("post", "/v1/keys/{key}/rotations", { params: { key }, body: { reason } });
 *
 * Answers are the documented JSON; anything else is an `ApiError`. Each write carries an `Idempotency-Key`: give one of your
 * own to repeat a call whose answer was lost.
 */
import { authorityUrlProblem, type Problem, randomBase62, type World } from "@keyover/core";
import type { paths } from "./generated/api.ts";
import { isRecord } from "./sidecar.ts";
import { realWorld } from "./world.ts";

export type { paths };

export interface ApiOptions {
  url: string;
  token?: string | undefined;
  /** Send the token over http:// to another machine. Only where nobody else can listen. */
  allowPlainHttp?: boolean | undefined;
  fetch?: typeof globalThis.fetch | undefined;
  /** For all calls; 30 s if not given. */
  timeoutMs?: number | undefined;
  world?: World | undefined;
}

export type Method = "get" | "put" | "post" | "patch" | "delete";

type OperationOf<Paths, P extends keyof Paths, M extends Method> = Paths[P] extends { [K in M]: infer Operation }
  ? Operation
  : never;

/** The paths that know a method. */
export type PathsWith<Paths, M extends Method> = {
  [P in keyof Paths]: [OperationOf<Paths, P, M>] extends [never] ? never : P;
}[keyof Paths] &
  string;

type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : undefined;

type Parameters<Operation, Place extends "path" | "query"> = Operation extends {
  parameters: { [K in Place]?: infer P };
}
  ? Exclude<P, undefined>
  : never;

type BodyOf<Operation> = Operation extends { requestBody: infer Body }
  ? Json<Body>
  : Operation extends { requestBody?: infer Body }
    ? Json<Exclude<Body, undefined>> | undefined
    : undefined;

/** The JSON of the answers that mean success. */
export type AnswerOf<Operation> = Operation extends { responses: infer Responses }
  ? {
      [Status in keyof Responses]: Status extends 200 | 201 | 202 | 204 ? Json<Responses[Status]> : never;
    }[keyof Responses]
  : never;

/** `name` is needed where `Value` has a needed member, may be given where it has members, and is unknown where it has none. */
type Part<Name extends string, Value> = [Value] extends [never]
  ? { [K in Name]?: undefined }
  : undefined extends Value
    ? { [K in Name]?: Value }
    : Partial<Value> extends Value
      ? { [K in Name]?: Value | undefined }
      : { [K in Name]: Value };

export type RequestOptions<Operation> = Part<"params", Parameters<Operation, "path">> &
  Part<"query", Parameters<Operation, "query">> &
  Part<"body", BodyOf<Operation>> & { idempotencyKey?: string | undefined; signal?: AbortSignal | undefined };

type Options<Operation> =
  Partial<RequestOptions<Operation>> extends RequestOptions<Operation>
    ? [options?: RequestOptions<Operation>]
    : [options: RequestOptions<Operation>];

export interface Api<Paths = paths> {
  request<M extends Method, P extends PathsWith<Paths, M>>(
    method: M,
    path: P,
    ...options: Options<OperationOf<Paths, P, M>>
  ): Promise<AnswerOf<OperationOf<Paths, P, M>>>;
}

/** An answer that is no success: `code` is stable (docs/errors), `unreachable` and `unreadable` are this package's own. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly problem: Problem | undefined;

  constructor(message: string, status: number, code: string, problem?: Problem, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.problem = problem;
  }
}

interface Untyped {
  params?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: unknown;
  idempotencyKey?: string;
  signal?: AbortSignal;
}

const TIMEOUT_MS = 30_000;

export function createApi<Paths = paths>(options: ApiOptions): Api<Paths> {
  const world = options.world ?? realWorld();
  const fetch = options.fetch ?? world.fetch;
  const problem = authorityUrlProblem(options.url, options.allowPlainHttp);
  if (problem !== undefined) throw new TypeError(`createApi: ${problem}`);
  const base = options.url.replace(/\/+$/, "");

  async function request(method: Method, path: string, given: Untyped = {}): Promise<unknown> {
    given.signal?.throwIfAborted();
    const url = base + fillPath(path, given.params ?? {}) + queryOf(given.query ?? {});
    const headers = new Headers({ accept: "application/json" });
    if (options.token !== undefined) headers.set("authorization", `Bearer ${options.token}`);
    if (method !== "get") headers.set("idempotency-key", given.idempotencyKey ?? randomBase62(22, world.random));
    if (given.body !== undefined) headers.set("content-type", "application/json");
    const body = given.body === undefined ? null : JSON.stringify(given.body);
    // Not `AbortSignal.any`: a caller's signal that lives for long would hold on to every call that it could have ended.
    const abort = new AbortController();
    const stop = () => abort.abort(given.signal?.reason);
    given.signal?.addEventListener("abort", stop, { once: true });
    const { signal } = abort;
    const cancel = world.clock.after(options.timeoutMs ?? TIMEOUT_MS, () =>
      abort.abort(new Error("no answer in time")),
    );
    try {
      const response = await fetch(url, { method: method.toUpperCase(), headers, body, signal, redirect: "error" });
      return read(response, await response.text());
    } catch (error) {
      if (error instanceof ApiError || given.signal?.aborted) throw error;
      throw new ApiError(`${base} can't be reached`, 0, "unreachable", undefined, error);
    } finally {
      cancel();
      given.signal?.removeEventListener("abort", stop);
    }
  }
  return { request: request as Api<Paths>["request"] };
}

function read(response: Response, text: string): unknown {
  const { status } = response;
  let body: unknown;
  try {
    body = text === "" ? undefined : JSON.parse(text);
  } catch {
    throw new ApiError(`the answer (HTTP ${status}) is no JSON`, status, response.ok ? "unreadable" : `http_${status}`);
  }
  if (response.ok) return body;
  if (!isRecord(body) || typeof body.code !== "string") throw new ApiError(`HTTP ${status}`, status, `http_${status}`);
  const problem = body as Problem;
  throw new ApiError(String(problem.detail ?? problem.title), status, problem.code, problem);
}

function fillPath(path: string, params: Record<string, unknown>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    // An empty or dotted segment would make another path of it.
    if (value === undefined || value === "" || value === "." || value === "..") {
      throw new TypeError(`${path} needs a value for ${name}`);
    }
    return encodeURIComponent(typeof value === "string" ? value : JSON.stringify(value));
  });
}

/** Lists become repeated names; undefined is left out. */
function queryOf(query: Record<string, unknown>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((each) => each !== undefined)
      .map((each) => [name, String(each)] as [string, string]),
  );
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs).toString()}`;
}
