/** Where the secret comes from and is kept: a file, its sidecar, the environment, callbacks. */
import { makeKeyText } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { API, dead, FILE, type Scene, scene, seeded } from "./client.test-world.ts";
import { createKeyHolder, type KeyChange } from "./client.ts";
import { events, fullDisk, get, hold, sidecarOf, traffic } from "./holder.test-support.ts";

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
    const holder = await hold(stage, { disk: fullDisk(stage) });
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

  /** A store that answers with what it held when it was asked, half a second later; and requests that are refused for reasons of their own. */
  function slowStore(stage: Scene) {
    const store = { kept: stage.provider.secret(1) };
    const get = async () => {
      const { kept } = store;
      await new Promise<void>((resolve) => stage.clock.after(500, resolve));
      return kept;
    };
    const save = async (secret: string) => {
      store.kept = secret;
    };
    stage.provider.before = async (path) => (path === "/private" ? new Response("", { status: 401 }) : undefined);
    return { store, source: { get, save } };
  }

  test("a slow store's answer from before the old secret was put back, the probe having refused the new one, is not taken", async () => {
    const stage = scene();
    const { store, source } = slowStore(stage);
    const changes: string[] = [];
    const probe = async () => {
      await new Promise<void>((resolve) => stage.clock.after(1_000, resolve));
      return false;
    };
    const opening = hold(stage, { source, probe, onChange: ({ reason }) => changes.push(reason) });
    await stage.clock.advance(2_000);
    const holder = await opening;
    stage.provider.rotate();
    void holder.check();
    while (store.kept === stage.provider.secret(1)) await stage.clock.advance(100);
    await stage.clock.advance(700);
    const refused = holder.fetch(`${API}/private`);
    await stage.clock.advance(3_000);
    expect((await refused).status).toBe(401);
    expect(store.kept).toBe(stage.provider.secret(1));
    expect(holder.secret()).toBe(stage.provider.secret(1));
    expect(changes).toEqual([]);
    await Promise.all([holder.close(), stage.clock.advance(10_000)]);
  });

  test("nor one from before it was put back because requests were refused", async () => {
    const stage = scene();
    const { store, source } = slowStore(stage);
    const changes: string[] = [];
    const opening = hold(stage, {
      source: {
        get: source.get,
        save: async (secret) => {
          await source.save(secret);
          await new Promise<void>((resolve) => stage.clock.after(100, resolve));
        },
      },
      onChange: ({ reason }) => changes.push(reason),
    });
    await stage.clock.advance(2_000);
    const holder = await opening;
    stage.provider.unknownAtApi.add(2);
    stage.provider.rotate();
    void holder.check();
    while (holder.secret() === stage.provider.secret(1)) await stage.clock.advance(100);
    const first = get(holder);
    const stop = stage.clock.elapsed() + 4_000;
    const others: Promise<unknown>[] = [];
    while (stage.clock.elapsed() < stop) {
      others.push(holder.fetch(`${API}/private`));
      await stage.clock.advance(50);
    }
    expect(await first).toBe(200);
    await stage.clock.advance(2_000);
    await Promise.all(others);
    expect(store.kept).toBe(stage.provider.secret(1));
    expect(holder.secret()).toBe(stage.provider.secret(1));
    expect(changes).toEqual(["rotated", "refused"]);
    await Promise.all([holder.close(), stage.clock.advance(10_000)]);
  });

  test("a save that hangs keeps no refused request from the way back", async () => {
    const stage = scene();
    let hangs = false;
    let kept = stage.provider.secret(1);
    const save = async (secret: string) => {
      if (hangs) await dead();
      kept = secret;
    };
    const holder = await hold(stage, { source: { get: async () => kept, save } });
    stage.provider.rotate();
    await holder.check();
    expect(await get(holder)).toBe(200);
    hangs = true;
    stage.provider.rollBack();
    void holder.check();
    await stage.clock.advance(100);
    expect(holder.state()).toMatchObject({ phase: "saving", version: 2 });
    stage.provider.unknownAtApi.add(2); // at this server it is gone already
    const answer = get(holder);
    await stage.clock.advance(6_000);
    expect(await answer).toBe(200);
    await Promise.all([holder.close(), stage.clock.advance(40_000)]);
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
