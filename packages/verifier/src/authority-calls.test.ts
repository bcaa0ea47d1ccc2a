import type { World } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { AuthorityCalls, type Refusal } from "./authority-calls.ts";
import { VirtualClock } from "./virtual-clock.test-support.ts";

const three = ["https://a.test", "https://b.test/", "https://c.test"];

/** What each host does with a call. Chance is what the test says: bytes, one after the other, 0 when they are used up. */
function callsTo(hosts: Record<string, () => Promise<Response>>, urls = Object.keys(hosts), bytes: number[] = []) {
  const clock = new VirtualClock();
  const called: string[] = [];
  const world: World = {
    clock,
    random: (length) => Uint8Array.from({ length }, () => bytes.shift() ?? 0),
    log: () => {},
    fetch: (input, init) => {
      const { host } = new URL(input as string);
      called.push(host);
      const cut = new Promise<never>((_, refuse) => init?.signal?.addEventListener("abort", () => refuse("aborted")));
      return Promise.race([cut, hosts[`https://${host}`]?.() ?? answered()]);
    },
  };
  return { calls: new AuthorityCalls(world, { urls, token: "t", api: "market" }), clock, called };
}

const answered = async () => Response.json({ now: 1 });
const refused = async () => {
  throw new TypeError("fetch failed", { cause: { code: "ECONNREFUSED" } });
};
const silent = () => new Promise<Response>(() => {});
const problem =
  (status: number, body: object = {}) =>
  async () =>
    Response.json(body, { status });

describe("where a verifier begins", () => {
  test("every order of the addresses comes up, so that a fleet spreads, and so does what a dead authority leaves behind", () => {
    const orders = new Set<string>();
    for (let first = 0; first < 3; first++) {
      for (let second = 0; second < 2; second++) {
        const { calls } = callsTo({}, three, [first, second]);
        const order: string[] = [];
        for (let i = 0; i < 3; i++) {
          order.push(calls.url);
          calls.lost({ ok: true, chunks: new ReadableStream(), sentAt: 0, move: i }, "test");
        }
        expect(order.toSorted()).toEqual(["https://a.test", "https://b.test", "https://c.test"]);
        orders.add(order.join());
      }
    }
    expect(orders.size).toBe(6);
  });

  test("the same address twice is one", () => {
    expect(callsTo({}, ["https://a.test", "https://a.test/"]).calls.count).toBe(1);
  });
});

describe("what sends a verifier to the next authority", () => {
  const cases: [name: string, respond: () => Promise<Response>, moves: boolean][] = [
    ["no connection", refused, true],
    ["no answer in time", silent, true],
    ["a proxy's page", async () => new Response("<h1>Bad gateway</h1>", { status: 502 }), true],
    ["an authority that is shutting down", problem(503, { code: "shutting_down" }), true],
    ["an authority in trouble", problem(500, { code: "internal" }), true],
    ["an answer that is no JSON", async () => new Response("hello"), true],
    ["an answer", answered, false],
    ["a refusal", problem(409, { code: "unknown_boot" }), false],
    ["a refused token", problem(401), false],
    ["too many requests", problem(429, { code: "too_many" }), false],
    ["a database that is being reconciled: it is everybody's", problem(503, { code: "reconciling", after: 7 }), false],
  ];

  test.each(cases)("%s", async (_, respond, moves) => {
    const hosts = { "https://a.test": respond, "https://b.test": respond };
    for (const call of ["post", "open"] as const) {
      const { calls, clock } = callsTo(hosts);
      const before = calls.url;
      const outcome =
        call === "post" ? calls.post("reports", {}, 500) : calls.open("feed", "text/plain", new AbortController(), 500);
      await clock.pass(500);
      const answer = await outcome;
      if (call === "open" && answer.ok) continue;
      expect((answer as Refusal).elsewhere ?? false).toBe(moves);
      expect(calls.url !== before).toBe(moves);
    }
  });

  test("with one address there is no other", async () => {
    const { calls } = callsTo({ "https://a.test": refused });
    expect(await calls.post("reports", {}, 500)).toMatchObject({ code: "unreachable", elsewhere: false });
    expect(calls.url).toBe("https://a.test");
  });

  test("ten calls that fail together move it by one; so do those that fail after it came round", async () => {
    const { calls, clock, called } = callsTo({
      "https://a.test": silent,
      "https://b.test": silent,
      "https://c.test": silent,
    });
    const [first] = [calls.url];
    const late = calls.post("reports", {}, 5_000);
    const ten = Array.from({ length: 10 }, () => calls.post("reports", {}, 100));
    await clock.pass(100);
    await Promise.all(ten);
    expect(new Set(called).size).toBe(1);
    expect(calls.url).not.toBe(first);
    for (let i = 0; i < 2; i++) {
      const next = calls.post("reports", {}, 100);
      await clock.pass(100);
      await next;
    }
    expect(calls.url).toBe(first);
    await clock.pass(5_000);
    await late;
    expect(calls.url).toBe(first);
  });

  test("what we gave up ourselves says nothing of the authority", async () => {
    const { calls, clock } = callsTo({ "https://a.test": silent, "https://b.test": silent });
    const before = calls.url;
    const abort = new AbortController();
    const opening = calls.open("feed", "text/plain", abort, 500);
    await clock.pass(100);
    abort.abort();
    expect(await opening).toMatchObject({ ok: false, elsewhere: false });
    expect(calls.url).toBe(before);
  });

  test("a restore is told with what tells it from others", async () => {
    const { calls } = callsTo({ "https://a.test": problem(503, { code: "reconciling", after: 7, epoch: "r1" }) });
    expect(await calls.post("verifiers", {}, 500)).toMatchObject({ restored: { after: 7, epoch: "r1" } });
  });
});

describe("a question", () => {
  test("is asked of one after the other within its time, and whoever answered is asked first from then on", async () => {
    const hosts = { "https://a.test": silent, "https://b.test": silent, "https://c.test": answered };
    const { calls, clock, called } = callsTo(hosts, three, [2, 1]);
    const asked = calls.ask("misses", {}, 900);
    await clock.pass(600);
    expect(await asked).toMatchObject({ ok: true });
    expect(called).toEqual(["a.test", "b.test", "c.test"]);
    expect(calls.url).toBe("https://c.test");
  });

  test("that nobody answers moves nothing", async () => {
    const hosts = { "https://a.test": refused, "https://b.test": refused };
    const { calls, called } = callsTo(hosts);
    const before = calls.url;
    expect(await calls.ask("misses", {}, 900)).toMatchObject({ ok: false });
    expect(new Set(called).size).toBe(2);
    expect(calls.url).toBe(before);
  });
});
