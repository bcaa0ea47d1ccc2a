/** A verifier that holds some of the keys (decision 026): what it says is as new as what a whole replica would say, or that it can't tell. */
import { describe, expect, test } from "vitest";
import { type AuthorityDouble, keyRecord, newText, version } from "./authority.test-double.ts";
import { type Stage, stage, status } from "./verifier.test-support.ts";
import { createVerifier, type VerifierOptions } from "./verifier.ts";
import { settle } from "./virtual-clock.test-support.ts";

interface CacheStage extends Stage {
  /** Of `key_1`, `key_2` and so on. */
  texts: string[];
  ask: (text: string) => Promise<string>;
}

async function cacheOf(keys: number, count = 5, options: Partial<VerifierOptions> = {}): Promise<CacheStage> {
  const texts: string[] = [];
  const staged = await stage({ cache: { keys }, ...options }, (authority) => {
    while (texts.length < count - 1) texts.push(addKey(authority, texts.length + 2));
  });
  texts.unshift(staged.text);
  return { ...staged, texts, ask: async (text) => (await staged.verifier.verify(text, {})).code };
}

function addKey(authority: AuthorityDouble, number: number): string {
  const text = newText();
  authority.write(keyRecord(`key_${number}`, [version(text)]));
  return text;
}

/** The next answer to a miss is on its way until the answer of this is called. */
function holdAnswer(authority: AuthorityDouble): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  authority.beforeMissAnswer = () => promise;
  return () => {
    authority.beforeMissAnswer = undefined;
    resolve();
  };
}

const revoke = (authority: AuthorityDouble, key: string, text: string) =>
  authority.write(keyRecord(key, [version(text)], { status: "revoked" }));

describe("holding some keys", () => {
  test("it begins with none at the feed's head, asks for each once, and gives up what was not used", async () => {
    const { verifier, authority, texts, ask, code } = await cacheOf(2);
    await verifier.ready;
    expect(status(verifier)).toMatchObject({
      keys: 0,
      seq: 5,
      lag: 0,
      stale: false,
      cache: { keysMax: 2, hits: 0, evictions: 0 },
    });
    const [first = "", second = "", third = ""] = texts;
    expect(code(first)).toBeUndefined();
    expect([await ask(first), await ask(second)]).toEqual(["ok", "ok"]);
    expect([code(first), code(second)]).toEqual(["ok", "ok"]);
    expect(authority.missed).toHaveLength(2);
    expect(await ask(third)).toBe("ok");
    expect(status(verifier)).toMatchObject({
      keys: 2,
      cache: { evictions: 1 },
      misses: { asked: 3, found: 3, dropped: 0 },
    });
    expect(authority.missed).toHaveLength(3);
  });

  test("entries of keys that it does not hold count as applied and are acknowledged; those of others are in force at once", async () => {
    const { verifier, authority, texts, ask, code } = await cacheOf(2);
    const [held = "", other = ""] = texts;
    await ask(held);
    revoke(authority, "key_2", other);
    revoke(authority, "key_1", held);
    await settle();
    expect(code(held)).toBe("revoked");
    expect(status(verifier)).toMatchObject({ keys: 1, seq: 7, lag: 0 });
    expect(authority.live.applied).toBe(7);
    expect(await ask(other)).toBe("revoked");
  });

  test("what was counted of a key is reported, though the key was given up", async () => {
    const { authority, texts, ask, clock } = await cacheOf(1);
    for (const text of [...texts, ...texts]) expect(await ask(text)).toBe("ok");
    await clock.pass(1_500);
    const accepted = new Map<string, number>();
    for (const { key, accepted: more } of authority.counted.flatMap(({ sightings }) => sightings))
      accepted.set(key, (accepted.get(key) ?? 0) + more);
    expect(Object.fromEntries(accepted)).toEqual({ key_1: 2, key_2: 2, key_3: 2, key_4: 2, key_5: 2 });
  });

  test("many who ask for many keys at once through one place are all answered", async () => {
    const { authority, texts, clock, verifier } = await cacheOf(1, 60);
    authority.latencyMs = 5;
    const codes: string[] = [];
    for (const text of [...texts, ...texts]) void verifier.verify(text, {}).then(({ code }) => codes.push(code));
    await clock.pass(100);
    expect(codes).toEqual(Array.from({ length: 120 }, () => "ok"));
    expect(authority.missed.length).toBeLessThanOrEqual(60 + 3);
  });

  test("cut off it goes on with what it holds within the lease, and says of the rest that it can't tell", async () => {
    const { authority, texts, ask, code, clock } = await cacheOf(2);
    authority.policy = { leaseMs: 15_000, onStale: "closed", staticMs: 0 };
    await clock.pass(1_500);
    const [held = "", other = ""] = texts;
    await ask(held);
    authority.down = true;
    expect([code(held), await ask(other)]).toEqual(["ok", "stale_replica"]);
    await clock.pass(16_000);
    expect(code(held)).toBe("stale_replica");
    authority.down = false;
    await clock.pass(8_000);
    expect([code(held), await ask(other)]).toEqual(["ok", "ok"]);
  });
});

describe("an answer that the feed has overtaken", () => {
  test("is asked for again: what was revoked while it was on its way stays revoked", async () => {
    const { authority, texts, verifier } = await cacheOf(2);
    const [text = ""] = texts;
    const release = holdAnswer(authority);
    const asked = verifier.verify(text, {});
    await settle();
    revoke(authority, "key_1", text);
    await settle();
    expect(status(verifier).seq).toBe(6);
    release();
    expect((await asked).code).toBe("revoked");
    expect(authority.missed).toHaveLength(2);
  });

  test("of a key that was made meanwhile is no `unknown` that is remembered", async () => {
    const { authority, verifier, ask } = await cacheOf(2);
    const fresh = newText();
    const release = holdAnswer(authority);
    const asked = verifier.verify(fresh, {});
    await settle();
    authority.write(keyRecord("key_9", [version(fresh)]));
    await settle();
    release();
    expect((await asked).code).toBe("ok");
    expect(await ask(fresh)).toBe("ok");
  });

  test("nor is an `unknown` of before: a successor is accepted as soon as its entry is acknowledged (I2)", async () => {
    const { authority, texts, ask } = await cacheOf(2);
    const [old = "", successor] = [texts[0], newText()];
    expect(await ask(successor)).toBe("unknown");
    const versions = [version(old), version(successor, { number: 2, state: "pending" })];
    authority.write(keyRecord("key_1", versions));
    await settle();
    expect(authority.live.applied).toBe(6);
    expect(await ask(successor)).toBe("ok");
  });

  test("by a process of the authority that is behind is not believed, whatever it says, and nobody is told `unknown`", async () => {
    const { authority, texts, ask, code } = await cacheOf(1);
    const [text = "", other = ""] = texts;
    const before = { seq: authority.seq, records: structuredClone([...authority.records.values()]) };
    revoke(authority, "key_1", text);
    const fresh = addKey(authority, 9);
    await settle();
    expect([await ask(text), code(text)]).toEqual(["revoked", "revoked"]);
    // It is given up, and asked for again where nobody knows yet that it was revoked.
    await ask(other);
    authority.lagging = before;
    expect([await ask(text), await ask(fresh)]).toEqual(["stale_replica", "stale_replica"]);
    authority.lagging = undefined;
    expect([await ask(text), await ask(fresh)]).toEqual(["revoked", "ok"]);
  });

  test("of before it began is not believed either", async () => {
    const { authority, texts, ask } = await cacheOf(1);
    authority.lagging = { seq: 4, records: [...authority.records.values()].slice(0, 4) };
    expect(await ask(texts[4] ?? "")).toBe("stale_replica");
    // Its record is of the head, so it is as new as all that came.
    authority.lagging = { seq: 4, records: [...authority.records.values()] };
    expect(await ask(texts[4] ?? "")).toBe("ok");
  });
});

describe("a feed that can't be followed on", () => {
  test("because it was compacted: all is forgotten, and asked for again", async () => {
    const { authority, texts, ask, clock, verifier } = await cacheOf(3);
    const [text = "", other = ""] = texts;
    await ask(text);
    authority.silent = true;
    revoke(authority, "key_1", text);
    addKey(authority, 9);
    authority.log = authority.log.slice(-1);
    authority.silent = false;
    authority.hangUp();
    await clock.pass(1_000);
    expect(status(verifier)).toMatchObject({ keys: 0, seq: 7, stale: false });
    expect([await ask(text), await ask(other)]).toEqual(["revoked", "ok"]);
  });

  test("because its numbers went back: a key that contradicts what is held keeps it out of service, nothing is revived", async () => {
    const { authority, texts, ask, clock, code, events } = await cacheOf(3);
    authority.policy = { leaseMs: 15_000, onStale: "closed", staticMs: 0 };
    const [text = ""] = texts;
    const restore = authority.backup();
    revoke(authority, "key_1", text);
    await clock.pass(1_500);
    expect(await ask(text)).toBe("revoked");
    restore();
    await clock.pass(1_000);
    expect([code(text), await ask(texts[1] ?? "")]).toEqual(["stale_replica", "stale_replica"]);
    // Other changes are given the numbers that it holds.
    for (let i = 10; i < 13; i++) addKey(authority, i);
    await clock.pass(60_000);
    expect(code(text)).toBe("stale_replica");
    expect(events.filter(({ event }) => event === "follower.authority_behind")).toHaveLength(1);
  });

  test("because its numbers went back, and nothing that is held contradicts: it goes on", async () => {
    const { authority, texts, ask, clock, code } = await cacheOf(3);
    const [text = "", other = ""] = texts;
    await ask(text);
    await ask(other);
    const restore = authority.backup();
    addKey(authority, 9);
    await clock.pass(1_500);
    restore();
    await clock.pass(3_000);
    revoke(authority, "key_2", other);
    addKey(authority, 10);
    await clock.pass(20_000);
    expect([code(text), code(other)]).toEqual(["ok", "revoked"]);
  });

  test("in an epoch of its own it begins anew; it tells what it held, and never that it held all", async () => {
    const { authority, texts, ask, clock, code, verifier } = await cacheOf(3);
    const [text = "", other = ""] = texts;
    const restore = authority.backup();
    revoke(authority, "key_1", text);
    revoke(authority, "key_2", other);
    await clock.pass(1_500);
    expect(await ask(text)).toBe("revoked");
    restore();
    authority.reconciling = { after: 5 };
    await clock.pass(8_000);
    expect(authority.refusedHolds).toEqual({ epoch: "epoch-1", seq: 7, followed: 0 });
    expect(authority.remembered).toMatchObject([
      { seq: 7, followed: 0, last: true, records: [{ key: "key_1", seq: 6 }] },
    ]);
    authority.reconcile("epoch-2", [keyRecord("key_1", [version(text)], { status: "revoked" })]);
    await clock.pass(8_000);
    expect(status(verifier)).toMatchObject({ keys: 0, stale: false });
    expect([await ask(text), code(text), await ask(other)]).toEqual(["revoked", "revoked", "ok"]);
  });
});

describe("what can't be", () => {
  test("a size that is none, and a folder, are refused with a sentence", () => {
    const options = { url: "https://keys.test", token: "t", apis: ["market"] };
    for (const keys of [0, -5, 2.5, 1e12, Number.NaN])
      expect(() => createVerifier({ ...options, cache: { keys } })).toThrow(
        `createVerifier: cache.keys takes a whole number of keys from 1 to 10000000; got ${keys}`,
      );
    expect(() => createVerifier({ ...options, cache: { keys: 5 }, dataDir: "/nowhere" })).toThrow(
      "a cache is not kept on disk; leave `dataDir` out, or `cache`",
    );
  });

  test("an authority of before there was cache mode is named, and no answer of it believed", async () => {
    const { authority, clock, events, code, text, verifier } = await stage({ cache: { keys: 2 } }, (each) => {
      each.older = true;
    });
    await clock.pass(1_000);
    expect(events.map(({ fields }) => fields?.detail)).toContain(
      "the authority sends all keys: it is older than cache mode",
    );
    expect(code(text)).toBe("stale_replica");
    authority.older = false;
    await clock.pass(8_000);
    await verifier.ready;
    expect((await verifier.verify(text, {})).code).toBe("ok");
  });
});
