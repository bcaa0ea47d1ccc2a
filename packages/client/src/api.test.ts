import { getEventListeners } from "node:events";
import { expect, expectTypeOf, test } from "vitest";
import { ApiError, createApi } from "./api.ts";
import { KEYS, refuse } from "./client.test-world.ts";

interface Paths {
  "/v1/keys": {
    get: {
      parameters: { query?: { limit?: number; state?: string[] } };
      responses: { 200: { content: { "application/json": { keys: string[] } } } };
    };
    put?: never;
    post: {
      parameters: { query?: never; path?: never };
      requestBody: { content: { "application/json": { name: string } } };
      responses: {
        201: { content: { "application/json": { id: string } } };
        409: { content: { "application/problem+json": { code: string } } };
      };
    };
  };
  "/v1/keys/{key}": {
    delete: { parameters: { path: { key: string } }; requestBody?: never; responses: { 204: { content?: never } } };
  };
}

function api(answer: (request: Request) => Response | Promise<Response>) {
  const requests: Request[] = [];
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    requests.push(request.clone() as Request);
    return answer(request);
  };
  return { requests, api: createApi<Paths>({ url: `${KEYS}/`, token: "kot_x", fetch }) };
}

test("a request is typed by its path and method, and its answer by the document", async () => {
  const { api: client, requests } = api(() => Response.json({ keys: ["a"] }));
  const answer = await client.request("get", "/v1/keys", { query: { limit: 2, state: ["a b", "c"] } });
  expectTypeOf(answer).toEqualTypeOf<{ keys: string[] }>();
  expect(answer).toEqual({ keys: ["a"] });
  await client.request("get", "/v1/keys");
  expect(requests.map(({ url }) => url)).toEqual([`${KEYS}/v1/keys?limit=2&state=a+b&state=c`, `${KEYS}/v1/keys`]);
  expect(requests[0]?.headers.get("authorization")).toBe("Bearer kot_x");
  expect(requests[0]?.headers.get("idempotency-key")).toBeNull();
  const wrong = () => {
    // @ts-expect-error a path without this method
    void client.request("put", "/v1/keys", {});
    // @ts-expect-error a body is needed
    void client.request("post", "/v1/keys");
    // @ts-expect-error of another shape
    void client.request("post", "/v1/keys", { body: { nam: "x" } });
    // @ts-expect-error the key is needed
    void client.request("delete", "/v1/keys/{key}", {});
  };
  expect(wrong).toBeTypeOf("function");
});

test("each write carries an Idempotency-Key, a fresh one or the one given", async () => {
  const { api: client, requests } = api(() => Response.json({ id: "key_1" }, { status: 201 }));
  await client.request("post", "/v1/keys", { body: { name: "x" } });
  await client.request("post", "/v1/keys", { body: { name: "x" } });
  await client.request("post", "/v1/keys", { body: { name: "x" }, idempotencyKey: "mine" });
  const keys = requests.map(({ headers }) => headers.get("idempotency-key"));
  expect(keys[0]).toMatch(/^\w{22}$/);
  expect(keys[1]).not.toBe(keys[0]);
  expect(keys[2]).toBe("mine");
  expect(await requests[0]?.json()).toEqual({ name: "x" });
});

test("a value in the path stays in its segment", async () => {
  const { api: client, requests } = api(() => new Response(null, { status: 204 }));
  expect(await client.request("delete", "/v1/keys/{key}", { params: { key: "a/../b?c" } })).toBeUndefined();
  expect(requests[0]?.url).toBe(`${KEYS}/v1/keys/a%2F..%2Fb%3Fc`);
  await expect(client.request("delete", "/v1/keys/{key}", { params: { key: ".." } })).rejects.toThrow("needs a value");
});

test.each<[string, () => Response | Promise<Response>, object]>([
  ["a problem", () => refuse("name_taken"), { status: 409, code: "name_taken", problem: { code: "name_taken" } }],
  ["an error page", () => new Response("<html>", { status: 502 }), { status: 502, code: "http_502" }],
  ["a page in place of an answer", () => new Response("<html>"), { status: 200, code: "unreadable" }],
  ["no server", () => Promise.reject(new TypeError("fetch failed")), { status: 0, code: "unreachable" }],
])("%s is an ApiError with a code", async (_, answer, expected) => {
  const error = await api(answer)
    .api.request("get", "/v1/keys")
    .catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject(expected);
});

test("a caller's signal ends a call with its reason, before and during, and holds on to none that is over", async () => {
  const caller = new AbortController();
  const { signal } = caller;
  const { api: client } = api((request) =>
    new URL(request.url).search === ""
      ? Response.json({ keys: [] })
      : new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason))),
  );
  const list = (query: { limit?: number }) => client.request("get", "/v1/keys", { query, signal });
  await list({});
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  const hanging = list({ limit: 1 });
  const reason = new Error("the user went away");
  caller.abort(reason);
  await expect(hanging).rejects.toBe(reason);
  await expect(list({ limit: 1 })).rejects.toBe(reason);
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});
