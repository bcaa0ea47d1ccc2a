/** The old version is refused for a time, or for some requests: in a brownout, or by a fence. */
import { describe, expect, test } from "vitest";
import { API, type Scene, scene } from "./client.test-world.ts";
import { fullDisk, get, hold } from "./holder.test-support.ts";

/** The api refuses the first version so, on these paths. */
function refuses(stage: Scene, code: "key_brownout" | "key_fenced", paths = ["/quotes", "/orders"]): void {
  const bearer = `Bearer ${stage.provider.secret(1)}`;
  const status = code === "key_brownout" ? 401 : 403;
  stage.provider.before = async (path, request) => {
    if (!paths.includes(path) || request.headers.get("authorization") !== bearer) return undefined;
    const headers = { "content-type": "application/problem+json", ...(status === 401 ? { "retry-after": "300" } : {}) };
    return Response.json({ type: "about:blank", title: "No", status, code }, { status, headers });
  };
}

const later = (stage: Scene) => ({ from: stage.clock.wall + 3_600_000, to: stage.clock.wall + 7_200_000 });

describe("R09: in a brownout", () => {
  test("it changes over within the request, whatever moment was suggested, and the application sees nothing of it", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.suggested = later(stage);
    const successor = stage.provider.rotate();
    await holder.check();
    expect(holder.state().phase).toBe("due");
    refuses(stage, "key_brownout");
    const answers = await Promise.all(Array.from({ length: 20 }, () => get(holder)));
    expect(new Set(answers)).toEqual(new Set([200]));
    expect(holder.secret()).toBe(successor);
    expect(stage.provider.count("/claim")).toBe(1);
  });

  test("without a successor to claim the application gets the refusal, whole, and the authority is left alone until it is over", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.pollAfterMs = 24 * 3_600_000;
    await holder.check();
    refuses(stage, "key_brownout");
    const response = await holder.fetch(`${API}/quotes`);
    expect([response.status, response.headers.get("retry-after")]).toEqual([401, "300"]);
    expect(await response.json()).toMatchObject({ code: "key_brownout" });
    const asked = stage.provider.count("/changeover");
    for (let second = 0; second < 29; second++) {
      expect(await get(holder)).toBe(401);
      await stage.clock.advance(10_000);
    }
    expect(stage.provider.count("/changeover")).toBe(asked);
    await stage.clock.advance(20_000);
    expect(await get(holder)).toBe(401);
    expect(stage.provider.count("/changeover")).toBe(asked + 1);
  });

  test("a retirement that comes while it waits is not waited for", async () => {
    const stage = scene();
    const holder = await hold(stage);
    refuses(stage, "key_brownout");
    expect(await get(holder)).toBe(401);
    stage.provider.before = async () => undefined;
    const successor = stage.provider.rotate();
    stage.provider.retire();
    expect(await get(holder)).toBe(200);
    expect(holder.secret()).toBe(successor);
  });

  test("the old secret stays the way back: the successor may fail, and the brownout ends", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.rotate();
    refuses(stage, "key_brownout");
    stage.provider.unknownAtApi.add(2);
    expect(await get(holder)).toBe(401);
    stage.provider.before = async () => undefined;
    expect(await get(holder)).toBe(200);
    expect(holder.secret()).toBe(stage.provider.secret(1));
  });

  test("what can be sent once only goes out with the successor: the old secret is refused now", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.suggested = { from: 0, to: 0 };
    stage.provider.rotate();
    refuses(stage, "key_brownout");
    const stream = () => new ReadableStream({ start: (controller) => controller.close() });
    const send = async () =>
      (await holder.fetch(`${API}/orders`, { method: "POST", body: stream(), duplex: "half" } as RequestInit)).status;
    expect(await send()).toBe(401);
    await holder.check();
    expect(holder.state()).toMatchObject({ version: 2, onTrial: true });
    expect(await send()).toBe(200);
  });

  test("a disk that can't be written is a reason to stay: the old secret works again soon", async () => {
    const stage = scene();
    const holder = await hold(stage, { disk: fullDisk(stage) });
    stage.provider.rotate();
    refuses(stage, "key_brownout");
    expect(await get(holder)).toBe(401);
    expect(holder.secret()).toBe(stage.provider.secret(1));
    stage.provider.before = async () => undefined;
    expect(await get(holder)).toBe(200);
  });
});

describe("R08: behind a fence", () => {
  test("the request that is refused changes the key over; those that are not go on as they were", async () => {
    const stage = scene();
    const holder = await hold(stage);
    stage.provider.suggested = later(stage);
    const successor = stage.provider.rotate();
    await holder.check();
    refuses(stage, "key_fenced", ["/orders"]);
    expect(await get(holder, "/quotes")).toBe(200);
    expect(holder.secret()).toBe(stage.provider.secret(1));
    expect(await get(holder, "/orders")).toBe(200);
    expect(holder.secret()).toBe(successor);
  });

  test("with nothing to move to the refusal is the application's, and the secret stays in use", async () => {
    const stage = scene();
    const holder = await hold(stage);
    refuses(stage, "key_fenced", ["/orders"]);
    expect(await get(holder, "/orders")).toBe(403);
    expect(await get(holder, "/quotes")).toBe(200);
  });
});
