/** What becomes of requests whose secret, the new one or the old one, is refused. */
import { describe, expect, test, vi } from "vitest";
import { API, dead, FILE, scene, settle } from "./client.test-world.ts";
import { get, hold, traffic } from "./holder.test-support.ts";

describe("a successor that is refused", () => {
  test("by the probe is not used; the old one stays, and it is tried again later", async () => {
    const stage = scene();
    const holder = await hold(stage, { probe: { url: `${API}/ping` } });
    stage.provider.unknownAtApi.add(2);
    const successor = stage.provider.rotate();
    await holder.check();
    expect(await traffic(stage, holder, 5_000)).toEqual([]);
    expect(holder.state().version).toBe(1);
    expect(stage.platter.text(FILE)).toBe(`${stage.provider.secret(1)}\n`);
    const tries = stage.provider.served.filter(({ version }) => version === 2).length;
    expect(tries).toBeGreaterThan(0);
    expect(tries).toBeLessThan(6);
    stage.provider.unknownAtApi.clear();
    expect(await traffic(stage, holder, 30_000)).toEqual([]);
    expect(holder.secret()).toBe(successor);
  });

  test("by a probe of the application's own is not used; a probe that throws decides nothing", async () => {
    const stage = scene();
    const verdicts = [() => Promise.reject(new Error("down")), async () => false, async () => true];
    const probe = vi.fn((): Promise<boolean> => (verdicts.shift() ?? (async () => true))());
    const holder = await hold(stage, { probe });
    stage.provider.rotate();
    await holder.check();
    await stage.clock.advance(200);
    expect(holder.state()).toMatchObject({ version: 1, lastProblem: { code: "probe_undecided" } });
    await stage.clock.advance(20_000);
    expect(probe).toHaveBeenCalledTimes(3);
    expect(holder.state().version).toBe(2);
  });

  test("by the first real request costs the application nothing: that request is answered with the old secret", async () => {
    const stage = scene();
    const changes: string[] = [];
    const holder = await hold(stage, { onChange: ({ reason }) => changes.push(reason) });
    stage.provider.unknownAtApi.add(2);
    const successor = stage.provider.rotate();
    await holder.check();
    expect(holder.state()).toMatchObject({ version: 2, onTrial: true });
    const response = await holder.fetch(`${API}/orders`, { method: "POST", body: "sell 1" });
    expect([response.status, await response.text()]).toEqual([200, "ok sell 1"]);
    expect(await traffic(stage, holder, 5_000)).toEqual([]);
    expect(holder.secret()).toBe(stage.provider.secret(1));
    expect(stage.platter.text(FILE)).toBe(`${stage.provider.secret(1)}\n`);
    expect(changes).toEqual(["rotated", "refused"]);
    expect(stage.provider.served.filter(({ version }) => version === 2).length).toBeLessThan(5);
    stage.provider.unknownAtApi.clear();
    expect(await traffic(stage, holder, 60_000)).toEqual([]);
    expect(holder.secret()).toBe(successor);
  });

  test("and taken back by another process is not the proven one for a body that can be sent once only", async () => {
    const stage = scene();
    const holder = await hold(stage);
    const other = await hold(stage, { host: stage.host(2), world: stage.world(8) });
    stage.provider.unknownAtApi.add(2);
    stage.provider.rotate();
    await holder.check();
    await stage.clock.advance(1_500);
    expect([holder.state(), other.state()]).toMatchObject([
      { version: 2, onTrial: true },
      { version: 2, onTrial: true },
    ]);
    const later = stage.clock.now() + 60_000;
    stage.provider.suggested = { from: later, to: later }; // so that nobody tries it again at once
    expect(await get(other)).toBe(200);
    await stage.clock.advance(1_500);
    expect([holder.state().version, stage.platter.text(FILE)]).toEqual([1, `${stage.provider.secret(1)}\n`]);
    const body = new ReadableStream({ start: (controller) => controller.close() });
    const answer = await holder.fetch(`${API}/orders`, { method: "POST", body, duplex: "half" } as RequestInit);
    expect(answer.status).toBe(200);
  });

  test("is not tried with a body that can be sent once only", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.unknownAtApi.add(2);
    stage.provider.rotate();
    await holder.check();
    const body = new Blob(["sell 1"]).stream();
    const init = { method: "POST", body, duplex: "half" } as RequestInit;
    expect((await holder.fetch(`${API}/orders`, init)).status).toBe(200);
    expect(stage.provider.served).toEqual([{ version: 1, status: 200, body: "sell 1" }]);
  });

  test("by one server of a fleet, after others took it, costs that request a second try and changes nothing", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.rotate();
    await holder.check();
    expect(await get(holder)).toBe(200);
    stage.provider.unknownAtApi.add(2);
    expect(await get(holder)).toBe(200);
    expect(holder.state()).toMatchObject({ version: 2, onTrial: false });
  });
});

describe("a refused secret", () => {
  test("retired because another program changed over is read again from the file, once, and the request succeeds", async () => {
    const stage = scene();
    const holder = await hold(stage);
    const successor = stage.provider.rotate();
    stage.provider.retire();
    stage.provider.rotation = undefined;
    stage.provider.before = async (path) => (path.startsWith("/v1/") ? dead() : undefined);
    void holder.check(); // and the authority hangs
    await settle();
    stage.platter.put(FILE, successor);
    expect(await get(holder)).toBe(200);
    expect(stage.provider.served.map(({ version }) => version)).toEqual([1, 2]);
    expect(stage.provider.count("/claim")).toBe(0);
  });

  test.each(["retired", "revoked"] as const)(
    "%s by force is replaced by a claim within the request",
    async (standing) => {
      const stage = scene();
      const holder = await hold(stage);
      stage.provider.suggested = { from: stage.clock.wall + 3_600_000, to: stage.clock.wall + 7_200_000 };
      stage.provider.rotate();
      await holder.check();
      expect(holder.state().phase).toBe("due");
      stage.provider.retire(standing);
      const answers = await Promise.all(Array.from({ length: 20 }, () => get(holder)));
      expect(new Set(answers)).toEqual(new Set([200]));
      expect(stage.provider.count("/claim")).toBe(1);
      expect(holder.state().version).toBe(2);
    },
  );

  test("retired is replaced by what the source holds, though a server refused that once, long ago", async () => {
    const stage = scene();
    let kept = stage.provider.secret(1);
    const holder = await hold(stage, { source: { get: async () => kept } });
    stage.provider.unknownAtApi.add(2);
    kept = stage.provider.rotate(); // another machine changes over
    Object.assign(stage.provider.rotation ?? {}, { used: true });
    await holder.check();
    expect(await get(holder)).toBe(200);
    stage.provider.unknownAtApi.clear();
    await stage.clock.advance(600_000);
    stage.provider.retire();
    const answer = get(holder);
    await stage.clock.advance(6_000);
    expect(await answer).toBe(200);
  });

  test("that the source still holds is tried again in minutes, and costs the application nothing", async () => {
    const stage = scene();
    let kept = stage.provider.secret(1);
    const changes: string[] = [];
    const source = { get: async () => kept };
    const holder = await hold(stage, { source, onChange: ({ reason }) => changes.push(reason) });
    stage.provider.unknownAtApi.add(2);
    kept = stage.provider.rotate();
    Object.assign(stage.provider.rotation ?? {}, { used: true });
    expect(await traffic(stage, holder, 3_600_000, 5_000)).toEqual([]);
    expect(changes.length).toBeGreaterThan(4);
    expect(changes.length).toBeLessThan(60);
  });

  test("with nothing to replace it gives the application the original answer, whole, after five seconds at most", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.standing[1] = "retired";
    stage.provider.before = async (path) => (path.startsWith("/v1/") ? dead() : undefined);
    const pending = holder.fetch(`${API}/quotes`);
    await stage.clock.advance(5_000);
    const response = await pending;
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: "key_retired" });
    // The next request does not wait again.
    expect(await get(holder)).toBe(401);
  });

  test("a 401 that speaks of something else, a huge or a hanging body are passed on untouched", async () => {
    const stage = scene();
    const holder = await hold(stage);
    const json = { "content-type": "application/json" };
    const bodies = [
      new Response('{"code":"mfa_needed"}', { status: 401, headers: json }),
      new Response(`{"code":"invalid_key","x":"${"x".repeat(100_000)}"}`, { status: 401, headers: json }),
      new Response("{not json", { status: 403, headers: json }),
      new Response(new ReadableStream({ pull: () => dead() }), { status: 403, headers: json }),
    ];
    const lengths: number[] = [];
    for (const body of bodies) {
      stage.provider.before = async (path) => (path === "/quotes" ? body : undefined);
      const before = stage.provider.count("/quotes");
      const pending = holder.fetch(`${API}/quotes`);
      await stage.clock.advance(2_500);
      const response = await pending;
      expect(response.bodyUsed).toBe(false);
      expect(stage.provider.count("/quotes") - before).toBe(1);
      if (body !== bodies[3]) lengths.push((await response.text()).length);
    }
    expect(lengths).toEqual([21, 100_029, 9]);
  });
});
