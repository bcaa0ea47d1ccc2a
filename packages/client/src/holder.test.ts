import { inspect } from "node:util";
import { makeKeyText } from "@keyover/core";
import { afterEach, describe, expect, test, vi } from "vitest";
import { API, dead, FILE, KEYS, refuse, type Scene, scene, seeded, settle } from "./client.test-world.ts";
import { createKeyHolder, type KeyChange, type KeyHolder, type KeyHolderOptions } from "./client.ts";

const holders: KeyHolder[] = [];

async function hold(stage: Scene, more: Partial<KeyHolderOptions> = {}): Promise<KeyHolder> {
  const holder = createKeyHolder(stage.options(more));
  holders.push(holder);
  await holder.ready;
  await settle();
  return holder;
}

afterEach(async () => {
  const closing = holders.splice(0).map((holder) => holder.close());
  await Promise.all(closing);
});

const get = async (holder: KeyHolder) => (await holder.fetch(`${API}/quotes`)).status;
const secretsOf = (stage: Scene) => stage.provider.secrets.slice(1);
const sidecarOf = (stage: Scene) => JSON.parse(stage.platter.text(`${FILE}.keyover`) ?? "null");
const events = (stage: Scene) => stage.log.map(({ event }) => event);

/** Sends a request now and then while the time passes; the answers that were not 200. */
async function traffic(stage: Scene, holder: KeyHolder, ms: number, stepMs = 250): Promise<number[]> {
  const bad: number[] = [];
  for (let passed = 0; passed < ms; passed += stepMs) {
    const answers = Array.from({ length: 3 }, () => get(holder));
    await stage.clock.advance(stepMs);
    for (const status of await Promise.all(answers)) if (status !== 200) bad.push(status);
  }
  return bad;
}

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

describe("a file", () => {
  test.each([
    ["torn", '{"format":"keyover-sidecar-1","key":"key_1","rot'],
    ["garbage", "\u0000\u0001"],
    ["another program's", '{"hello":"world"}'],
    ["empty", ""],
    [
      "another key's",
      '{"format":"keyover-sidecar-1","key":"key_9","rotation":"rot_1","current":{"version":4,"secret":"mkt_x"},"pending":{"version":2,"secret":"mkt_evil"}}',
    ],
  ])("beside the secret that is %s is left aside with a warning", async (_, text) => {
    const stage = scene();
    stage.platter.put(`${FILE}.keyover`, text);
    const holder = await hold(stage);
    expect(events(stage)).toContain("key.sidecar-ignored");
    const successor = stage.provider.rotate();
    await holder.check();
    expect(await traffic(stage, holder, 5_000)).toEqual([]);
    expect(holder.secret()).toBe(successor);
    expect(sidecarOf(stage).current).toEqual({ version: 2, secret: successor });
  });

  test("that another program is writing in place is not believed until it is whole", async () => {
    const stage = scene();
    const holder = await hold(stage);
    const second = stage.provider.issue();
    stage.platter.put(FILE, second.slice(0, 20));
    await stage.clock.advance(2_000);
    expect(await get(holder)).toBe(200);
    expect(holder.secret()).toBe(stage.provider.secret(1));
    stage.platter.put(FILE, "");
    await stage.clock.advance(2_000);
    expect(await get(holder)).toBe(200);
    expect(events(stage)).not.toContain("key.changed");
    expect(new Set(stage.provider.served.map(({ version }) => version))).toEqual(new Set([1]));
    stage.platter.put(FILE, second);
    await stage.clock.advance(2_000);
    expect(holder.secret()).toBe(second);
  });

  test("a person's wrong secret does not stop the process, and is not overwritten", async () => {
    const stage = scene();
    const holder = await hold(stage);
    const wrong = stage.provider.issue();
    stage.provider.unknownAtApi.add(2);
    stage.platter.put(FILE, wrong);
    expect(await traffic(stage, holder, 10_000)).toEqual([]);
    expect(holder.secret()).toBe(stage.provider.secret(1));
    expect(stage.platter.text(FILE)).toBe(wrong);
  });

  test("what a person puts there in the midst of a changeover is not overwritten", async () => {
    const stage = scene();
    const disk = stage.platter.disk();
    const byHand = makeKeyText("mkt", "live", seeded(5)); // another account's
    const slow = {
      ...disk,
      create: async (path: string, text: string) => {
        if (path.startsWith(`${FILE}.keyover`)) {
          stage.platter.put(FILE, byHand);
          await new Promise<void>((resolve) => stage.clock.after(3_000, resolve)); // so long that the process looks at the file
        }
        return disk.create(path, text);
      },
    };
    const holder = await hold(stage, { disk: slow });
    stage.provider.rotate();
    void holder.check();
    await stage.clock.advance(4_000);
    expect(stage.platter.text(FILE)).toBe(byHand);
    expect(holder.secret()).toBe(byHand);
  });

  test("missing or empty at the start is a clear error", async () => {
    const stage = scene();
    for (const source of [{ file: "/nowhere" }, { env: "NOTHING" }, { get: async () => " " }]) {
      const holder = createKeyHolder(stage.options({ source }));
      await expect(holder.ready).rejects.toMatchObject({ code: "no_secret" });
      await expect(holder.fetch(API)).rejects.toMatchObject({ code: "no_secret" });
      expect(() => holder.secret()).toThrow("await holder.ready");
      await holder.close();
    }
  });

  test("on a disk that is full keeps the old secret until that is refused, then goes on from memory", async () => {
    const stage = scene();
    const disk = stage.platter.disk();
    const full = {
      ...disk,
      create: (path: string, text: string) =>
        path.includes(".lock")
          ? disk.create(path, text)
          : Promise.reject(Object.assign(new Error(), { code: "ENOSPC" })),
    };
    const holder = await hold(stage, { disk: full });
    const successor = stage.provider.rotate();
    await holder.check();
    expect(await traffic(stage, holder, 5_000)).toEqual([]);
    expect(holder.state()).toMatchObject({ version: 1, lastProblem: { code: "ENOSPC" } });
    stage.provider.retire();
    expect(await get(holder)).toBe(200);
    expect(holder.secret()).toBe(successor);
    expect(await traffic(stage, holder, 5_000)).toEqual([]);
  });
});

describe("a sidecar", () => {
  const sealed = (stage: Scene, version: number) => ({ version, secret: stage.provider.secret(version) });
  const put = (stage: Scene, fields: Record<string, unknown>) => {
    const text = JSON.stringify({
      format: "keyover-sidecar-1",
      key: "key_1",
      rotation: "rot_1",
      previous: null,
      pending: null,
      ...fields,
    });
    stage.platter.put(`${FILE}.keyover`, text);
  };

  test("from before the confirmation is confirmed and tidied up, and the way back is kept", async () => {
    const stage = scene();
    const changes: KeyChange[] = [];
    const successor = stage.provider.rotate();
    put(stage, { current: sealed(stage, 1), pending: sealed(stage, 2) });
    stage.platter.put(FILE, successor);
    await hold(stage, { onChange: (change) => changes.push(change) });
    expect(stage.provider.confirmed).toEqual([2]);
    expect(changes).toEqual([]);
    expect(sidecarOf(stage)).toMatchObject({ current: { version: 2 }, previous: { version: 1 }, pending: null });
  });

  test("whose successor is refused after a crash leads back to the old secret", async () => {
    const stage = scene();
    const successor = stage.provider.rotate();
    stage.provider.unknownAtApi.add(2);
    put(stage, { current: sealed(stage, 1), pending: sealed(stage, 2) });
    stage.platter.put(FILE, successor);
    const holder = await hold(stage);
    expect(await traffic(stage, holder, 3_000)).toEqual([]);
    expect(holder.secret()).toBe(stage.provider.secret(1));
    expect(stage.platter.text(FILE)?.trim()).toBe(stage.provider.secret(1));
  });

  test("of another rotation does not lend its successor, though the number is the same", async () => {
    const stage = scene();
    const successor = stage.provider.rotate();
    const abandoned = stage.provider.issue();
    put(stage, { rotation: "rot_0", current: sealed(stage, 1), pending: { version: 2, secret: abandoned } });
    const holder = await hold(stage);
    await holder.check();
    expect(stage.provider.count("/claim")).toBe(1);
    expect(holder.secret()).toBe(successor);
  });

  test("that the next rotation has written meanwhile is not erased for the last one's end", async () => {
    const stage = scene();
    const disk = stage.platter.disk();
    let racing = false;
    const makeFolder = async (path: string) => {
      if (racing) put(stage, { rotation: "rot_2", current: sealed(stage, 2), pending: sealed(stage, 3) });
      return disk.makeFolder(path);
    };
    const holder = await hold(stage, { disk: { ...disk, makeFolder } });
    stage.provider.rotate();
    await holder.check();
    await traffic(stage, holder, 1_000);
    stage.provider.retire();
    stage.provider.end();
    const third = stage.provider.issue();
    racing = true;
    await holder.check();
    expect(sidecarOf(stage)).toMatchObject({ rotation: "rot_2", pending: { version: 3, secret: third } });
  });

  test("and the file are read again under the lock: what another process has done is taken, not done again", async () => {
    const stage = scene();
    const holder = await hold(stage);
    const successor = stage.provider.rotate();
    const changeover = async (path: string) => {
      if (path === "/v1/changeover") {
        stage.provider.after = async () => undefined;
        await Promise.resolve();
        stage.platter.put(FILE, successor);
      }
      return undefined;
    };
    stage.provider.after = changeover;
    await holder.check();
    expect(holder.secret()).toBe(successor);
    expect(stage.provider.count("/claim")).toBe(0);
  });
});

describe("other sources", () => {
  test("an environment variable is changed over in memory, with a warning", async () => {
    const stage = scene();
    const holder = await hold(stage, { source: { env: "BOT_KEY" } });
    const successor = stage.provider.rotate();
    await holder.check();
    expect(await traffic(stage, holder, 60_000, 1_000)).toEqual([]);
    expect(holder.secret()).toBe(successor);
    expect(events(stage)).toContain("key.not-saved");
    expect(stage.platter.names()).toEqual([FILE]);
    stage.provider.rollBack();
    await holder.check();
    expect(holder.secret()).toBe(stage.provider.secret(1));
  });

  test("callbacks save the successor before it is used, and put the old one back if the probe refuses it", async () => {
    const stage = scene();
    let kept = stage.provider.secret(1);
    const saved: string[] = [];
    const get = async () => kept;
    const save = async (secret: string) => {
      kept = secret;
      saved.push(secret);
    };
    const used = () => stage.provider.served.some(({ version }) => version === 2);
    stage.provider.unknownAtApi.add(2);
    stage.provider.before = async (path) => {
      if (path === "/ping" && !used()) expect(saved).toEqual([stage.provider.secret(2)]);
      return undefined;
    };
    const holder = await hold(stage, { source: { get, save }, probe: { url: `${API}/ping` } });
    stage.provider.rotate();
    await holder.check();
    expect(saved).toEqual([stage.provider.secret(2), stage.provider.secret(1)]);
    stage.provider.unknownAtApi.clear();
    expect(await traffic(stage, holder, 60_000, 1_000)).toEqual([]);
    expect(kept).toBe(stage.provider.secret(2));
    expect(holder.secret()).toBe(stage.provider.secret(2));
  });

  test("callbacks that throw the secret in an error put it into no log", async () => {
    const stage = scene();
    const save = async (secret: string) => {
      throw new Error(`can't save ${secret}`);
    };
    const holder = await hold(stage, { source: { get: async () => stage.provider.secret(1), save } });
    stage.provider.rotate();
    await holder.check();
    await stage.clock.advance(10_000);
    expect(holder.state().version).toBe(1);
    expect(JSON.stringify(stage.log)).not.toContain(stage.provider.secret(2));
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
