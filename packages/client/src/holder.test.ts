import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { API, dead, FILE, KEYS, refuse, scene, settle } from "./client.test-world.ts";
import { createKeyHolder, type KeyChange } from "./client.ts";
import { get, hold, secretsOf, sidecarOf, traffic } from "./holder.test-support.ts";

describe("a rotation", () => {
  test("is learnt from the response header and changed over without one refused request", async () => {
    const stage = scene();
    const changes: KeyChange[] = [];
    const holder = await hold(stage, { onChange: (change) => changes.push(change) });
    await stage.clock.advance(6_000);
    const successor = stage.provider.rotate();
    expect(await traffic(stage, holder, 3_000)).toEqual([]);
    expect(holder.secret()).toBe(successor);
    expect(stage.platter.text(FILE)).toBe(`${successor}\n`);
    expect(stage.provider.confirmed).toEqual([2]);
    expect(changes).toEqual([{ reason: "rotated", version: 2, rotation: "rot_1" }]);
    expect(stage.provider.served.some(({ status }) => status !== 200)).toBe(false);
  });

  test("is found by polling where no request is sent, and needs the application for nothing", async () => {
    const stage = scene();
    const holder = await hold(stage);
    const successor = stage.provider.rotate();
    await stage.clock.advance(26_000);
    expect(holder.secret()).toBe(stage.provider.secret(1));
    await stage.clock.advance(8_000); // 30 s ± 10 %
    expect(holder.secret()).toBe(successor);
  });

  test("waits for a moment in the suggested window, drawn once however often it asks", async () => {
    const stage = scene();
    const moments = new Set<number>();
    for (let seed = 1; seed <= 6; seed++) {
      const each = scene();
      each.provider.suggested = { from: each.clock.wall + 600_000, to: each.clock.wall + 1_200_000 };
      const holder = await hold(each, { world: each.world(seed * 7919) });
      each.provider.rotate();
      await holder.check();
      await each.clock.advance(599_000);
      expect(holder.state()).toMatchObject({ phase: "due", version: 1, target: 2 });
      let at = 599;
      while (holder.state().version === 1 && at < 1_210) {
        await each.clock.advance(1_000);
        at++;
      }
      expect(at).toBeLessThanOrEqual(1_201);
      moments.add(at);
    }
    expect(moments.size).toBeGreaterThan(3);
    expect(stage.provider.calls).toEqual([]);
  });

  test("keeps every concurrent request good while versions swap, streams and all", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.rotate();
    const answers: Promise<Response>[] = [];
    for (let i = 0; i < 200; i++) {
      const stream = () => new Blob([`s${i}`]).stream();
      answers.push(holder.fetch(`${API}/orders`, { method: "POST", body: `b${i}` }));
      answers.push(holder.fetch(`${API}/orders`, { method: "POST", body: stream(), duplex: "half" } as RequestInit));
      if (i === 50) void holder.check();
      if (i % 10 === 0) await settle();
    }
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(holder.state().version).toBe(2);
  });

  test("whose word was never heard is not taken for the next one's: that successor is claimed first", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.rotate();
    stage.provider.before = async (path) => (path.endsWith("/confirm") ? refuse("shutting_down") : undefined);
    await stage.clock.advance(6_000);
    await traffic(stage, holder, 8_000);
    expect(holder.secret()).toBe(stage.provider.secret(2));
    stage.provider.retire();
    stage.provider.end();
    stage.provider.before = async () => undefined;
    stage.provider.calls.length = 0;
    const third = stage.provider.rotate();
    await traffic(stage, holder, 40_000, 500);
    expect(holder.secret()).toBe(third);
    const told = stage.provider.calls.map(({ path }) => path).filter((path) => /rot_2\/(claim|confirm)$/.test(path));
    expect(told).toEqual(["/v1/rotations/rot_2/claim", "/v1/rotations/rot_2/confirm"]);
  });

  test("survives a claim whose answer is lost: the same secret comes again under the same Idempotency-Key", async () => {
    const stage = scene();
    const holder = await hold(stage);
    const successor = stage.provider.rotate();
    let lost = 0;
    stage.provider.after = async (path) => {
      if (path.endsWith("/claim") && lost++ < 2) throw new TypeError("socket closed");
      return undefined;
    };
    void holder.check();
    expect(await traffic(stage, holder, 20_000)).toEqual([]);
    expect(holder.secret()).toBe(successor);
    const keys = stage.provider.calls.filter(({ path }) => path.endsWith("/claim")).map(({ key }) => key);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/^\w{22}$/);
  });

  test("never makes a request wait, even if the authority hangs", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.rotate();
    stage.provider.before = async (path) => (path.startsWith("/v1/") ? dead() : undefined);
    void holder.check();
    await settle();
    expect(await get(holder)).toBe(200); // no time has passed
    await stage.clock.advance(60_000);
    expect(holder.state().lastProblem?.code).toBe("unreachable");
  });

  test("erases the previous secret when it is over", async () => {
    const stage = scene();
    const old = stage.provider.secret(1);
    const holder = await hold(stage);
    stage.provider.rotate();
    await holder.check();
    await traffic(stage, holder, 2_000);
    expect(sidecarOf(stage).previous).toEqual({ version: 1, secret: old });
    expect(holder.state().wayBack).toBe(true);
    stage.provider.retire();
    stage.provider.end();
    await holder.check();
    await settle();
    expect(sidecarOf(stage)).toMatchObject({ previous: null, pending: null, current: { version: 2 } });
    expect(holder.state().wayBack).toBe(false);
    for (const name of stage.platter.names()) expect(stage.platter.text(name) ?? "").not.toContain(old);
  });

  test("rolled back leads back to the old secret without asking for it", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.rotate();
    await holder.check();
    expect(await traffic(stage, holder, 8_000)).toEqual([]);
    expect(holder.state().version).toBe(2);
    const claims = stage.provider.count("/claim");
    stage.provider.rollBack();
    expect(await traffic(stage, holder, 8_000)).toEqual([]);
    expect(holder.secret()).toBe(stage.provider.secret(1));
    expect(stage.platter.text(FILE)).toBe(`${stage.provider.secret(1)}\n`);
    expect(stage.provider.count("/claim")).toBe(claims);
    stage.provider.end();
    expect(await traffic(stage, holder, 40_000)).toEqual([]);
    expect(sidecarOf(stage)).toMatchObject({ previous: null, pending: null, current: { version: 1 } });
  });

  test("rolled back, with the old secret lost, goes on with what works and says so", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.rotate();
    await holder.check();
    await traffic(stage, holder, 6_000);
    stage.platter.entries.delete(`${FILE}.keyover`);
    stage.provider.rollBack();
    await holder.check();
    expect(await get(holder)).toBe(200);
    expect(holder.state()).toMatchObject({ version: 2, obstacle: "previous-not-held" });
    expect(stage.log.find(({ event }) => event === "key.stays-behind")?.level).toBe("error");
  });
});

describe("hostile or broken answers", () => {
  test.each([
    'id="rot_1", phase=overlapping, version=1, target=2',
    'id="../../claim", phase=offered, version=1, target=99999999999999999999',
    `id="${"x".repeat(400)}", phase=offered, version=1, target=2`,
    "x".repeat(10_000),
    "=,=,=;;;",
  ])(
    "the header %# sends the authority at most one look in five seconds, and moves nothing by itself",
    async (value) => {
      const stage = scene();
      const holder = await hold(stage);
      stage.provider.before = async (path) =>
        path === "/quotes" ? new Response("", { headers: { "keyover-rotation": value } }) : undefined;
      expect(await traffic(stage, holder, 20_000)).toEqual([]);
      expect(stage.provider.count("/v1/changeover")).toBeLessThanOrEqual(5);
      expect(stage.provider.count("/claim")).toBe(0);
      expect(holder.state().version).toBe(1);
    },
  );

  const json = (body: unknown) => async () => Response.json(body);
  test.each<[string, string, () => Promise<Response>, string]>([
    ["huge", "/v1/changeover", async () => new Response("x".repeat(1_000_000)), "65536 bytes"],
    ["no JSON", "/v1/changeover", async () => new Response("<html>"), "no JSON"],
    ["null", "/v1/changeover", json(null), "no object"],
    [
      "without a rotation",
      "/v1/changeover",
      json({ now: 1, key: "k", environment: "e", version: 1, target: 1, pollAfterMs: 1 }),
      "rotation is missing",
    ],
    ["with a time of 1e400", "/v1/changeover", async () => new Response('{"now":1e400,"rotation":null}'), "now is"],
    ["an HTML 502", "/v1/changeover", async () => new Response("<html>", { status: 502 }), "HTTP 502"],
    [
      "a claim that was cut off",
      "/v1/rotations/rot_1/claim",
      json({ rotation: "rot_1", key: "key_1", version: 2, secret: "mkt_live_abc", endsAt: null }),
      "no whole key",
    ],
    [
      "a claim of the same secret",
      "/v1/rotations/rot_1/claim",
      json({ rotation: "rot_1", key: "key_1", version: 7, secret: "SECRET1", endsAt: null }),
      "no whole key",
    ],
  ])("%s is a clear problem, and the application goes on", async (_, path, answer, detail) => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.rotate();
    stage.provider.before = async (asked) => (asked === path ? answer() : undefined);
    await holder.check();
    expect(await traffic(stage, holder, 3_000)).toEqual([]);
    expect(holder.state().lastProblem?.detail).toContain(detail);
    stage.provider.before = async () => undefined;
    expect(await traffic(stage, holder, 20_000)).toEqual([]);
    expect(holder.state().version).toBe(2);
  });

  test("a claim for another version is not used", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.rotate();
    const secret = stage.provider.issue();
    const body = { rotation: "rot_1", key: "key_1", version: 3, secret, endsAt: null };
    stage.provider.before = async (path) => (path.endsWith("/claim") ? Response.json(body) : undefined);
    await holder.check();
    expect(holder.state()).toMatchObject({ version: 1, lastProblem: { code: "unreadable" } });
  });

  test.each([-5, 0, 1e300])(
    "a poll interval of %d neither floods the authority nor puts it off for ever",
    async (ms) => {
      const stage = scene();
      stage.provider.pollAfterMs = ms;
      const holder = await hold(stage);
      await stage.clock.advance(60_000);
      expect(stage.provider.count("/v1/changeover")).toBeLessThanOrEqual(70);
      expect(holder.state().nextLookInMs).toBeLessThanOrEqual(24 * 3_600_000 * 1.1);
    },
  );

  test("failures are answered by longer and longer pauses", async () => {
    const stage = scene();
    stage.provider.before = async (path) => (path.startsWith("/v1/") ? refuse("internal") : undefined);
    const holder = await hold(stage);
    await stage.clock.advance(3_600_000 / 4);
    expect(stage.provider.count("/v1/changeover")).toBeLessThan(20);
    expect(await get(holder)).toBe(200);
  });
});

test("a wall clock that is set an hour on or back changes nothing", async () => {
  for (const step of [3_600_000, -3_600_000]) {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.suggested = { from: stage.clock.wall + 60_000, to: stage.clock.wall + 60_000 };
    stage.provider.rotate();
    stage.provider.distortion = { now: stage.clock.wall };
    await holder.check();
    stage.clock.wall += step;
    await stage.clock.advance(25_000);
    expect(holder.state()).toMatchObject({ phase: "due", version: 1 });
    stage.provider.distortion = { now: stage.clock.wall - step };
    await stage.clock.advance(36_000);
    expect(holder.state().version).toBe(2);
  }
});

describe("the key", () => {
  test("is in no print of the holder, no state, no log", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.rotate();
    await holder.check();
    await traffic(stage, holder, 3_000);
    const prints = [
      inspect(holder, { depth: 20, showHidden: true }),
      JSON.stringify(holder),
      JSON.stringify(stage.log),
      inspect(holder.state()),
    ];
    for (const print of prints) for (const secret of secretsOf(stage)) expect(print).not.toContain(secret);
    expect(JSON.stringify(stage.log)).not.toContain("kot_consumer_test");
  });

  test("goes to the origins named, and nowhere else", async () => {
    const stage = scene();
    const holder = await hold(stage, { origins: [API] });
    expect(await get(holder)).toBe(200);
    await expect(holder.fetch("https://evil.test/")).rejects.toMatchObject({ code: "foreign_origin" });
    expect(() => holder.authorize(new Request("https://evil.test/"))).toThrow("not for https://evil.test");
    expect(stage.provider.calls.filter(({ path }) => path === "/")).toEqual([]);
  });

  test("is put on a Request, Headers or RequestInit, and what was there stays", async () => {
    const stage = scene();
    const holder = await hold(stage, { instance: "bot 7" });
    const bearer = `Bearer ${stage.provider.secret(1)}`;
    const request = holder.authorize(new Request(`${API}/x`, { method: "POST", body: "b", headers: { a: "1" } }));
    const headers = holder.authorize(new Headers({ a: "1" }));
    const init = holder.authorize({ method: "PUT", headers: { a: "1" } });
    expect([request.method, await request.text(), init.method]).toEqual(["POST", "b", "PUT"]);
    for (const each of [request.headers, headers, new Headers(init.headers)]) {
      expect([each.get("authorization"), each.get("keyover-instance"), each.get("a")]).toEqual([bearer, "bot-7", "1"]);
    }
  });

  test("speaks for itself where there is no token", async () => {
    const stage = scene();
    const seen: (string | null)[] = [];
    stage.provider.before = async (path, request) => {
      if (path.startsWith("/v1/")) seen.push(request.headers.get("authorization"));
      return undefined;
    };
    const holder = await hold(stage, { authority: { url: `${KEYS}/` } });
    stage.provider.rotate();
    await holder.check();
    expect(holder.state().version).toBe(2);
    const [one, two] = [1, 2].map((version) => `Bearer ${stage.provider.secret(version)}`);
    expect(seen).toEqual([one, one, one, two]);
  });

  test("an abort of the application reaches the network", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.before = async (path, request) =>
      path === "/quotes"
        ? new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason)))
        : undefined;
    const abort = new AbortController();
    const pending = holder.fetch(`${API}/quotes`, { signal: abort.signal });
    await settle();
    abort.abort(new Error("enough"));
    await expect(pending).rejects.toThrow("enough");
  });
});

test("closing ends everything, in the middle of a call too", async () => {
  const stage = scene();
  const holder = await hold(stage);
  stage.provider.before = async (path) => (path.startsWith("/v1/") ? dead() : undefined);
  const check = holder.check();
  await settle();
  await holder.close();
  await check;
  const calls = stage.provider.calls.length;
  await stage.clock.advance(600_000);
  expect(stage.provider.calls.length).toBe(calls);
  expect(holder.state().phase).toBe("closed");
  await holder.close();
});

test.each(["no url", "ftp://x", "https://user:pw@keys.test", "https://keys.test?x=1"])(
  "the authority's url %s is refused at once",
  (url) => {
    expect(() => createKeyHolder(scene().options({ authority: { url } }))).toThrow("authority.url");
  },
);
