/** Strangers' keys in numbers: what of them reaches the authority, and what becomes of everybody else's. */
import { sha256Text } from "@keyover/core";
import { describe, expect, test } from "vitest";
import { BURST, PER_SECOND } from "./admission.ts";
import { type AuthorityDouble, keyRecord, newText, version } from "./authority.test-double.ts";
import { type Stage, stage, status } from "./verifier.test-support.ts";

const SECONDS = 4;
const EACH_SECOND = 50_000;
const STEP_MS = 20;

/** Well-formed, with right checksums, and nobody's. So many that a "no" is forgotten before one comes again. */
const STRANGERS = Array.from({ length: 3 * EACH_SECOND }, () => newText());

const ofNetwork = (i: number) => `198.${18 + (i >> 8)}.${i & 255}.7`;

/** A key that this verifier has not heard of yet. */
function freshKey(authority: AuthorityDouble, number: number): string {
  const text = newText();
  authority.silent = true;
  authority.write(keyRecord(`key_${number}`, [version(text)]));
  authority.silent = false;
  return text;
}

/** `EACH_SECOND` unknown keys a second from so many networks; and every second a fresh key from another one. */
async function flood({ authority, clock, verifier, code, text }: Stage, networks: number) {
  const fresh: Promise<string>[] = [];
  const held: (string | undefined)[] = [];
  const strange: Record<string, number> = {};
  const before = authority.missed.length;
  let next = 0;
  for (let ms = 0; ms < SECONDS * 1_000; ms += STEP_MS) {
    for (let i = 0; i < (EACH_SECOND * STEP_MS) / 1_000; i++, next++) {
      const ask = { network: ofNetwork(next % networks) };
      const stranger = STRANGERS[next % STRANGERS.length] as string;
      const verdict = verifier.verifyNow(stranger, ask);
      if (verdict === undefined) void verifier.verify(stranger, ask);
      strange[verdict?.code ?? "asked"] = (strange[verdict?.code ?? "asked"] ?? 0) + 1;
    }
    if (ms % 1_000 === 500) {
      const own = { network: `203.0.113.${ms / 500}` };
      fresh.push(verifier.verify(freshKey(authority, 100 + ms), own).then(({ code: said }) => said));
    }
    held.push(code(text));
    await clock.pass(STEP_MS);
  }
  return { fresh: await Promise.all(fresh), held, strange, asked: authority.missed.length - before };
}

describe("a flood of well-formed unknown keys", () => {
  test.each([1, 1_000])(
    "from %i networks costs the authority no more than the budget, and nobody else an answer",
    async (networks) => {
      const staged = await stage({});
      staged.authority.latencyMs = 1;
      const { fresh, held, strange, asked } = await flood(staged, networks);
      expect(new Set(held)).toEqual(new Set(["ok"]));
      expect(fresh).toEqual(Array.from({ length: SECONDS }, () => "ok"));
      expect(asked).toBeLessThanOrEqual(BURST + PER_SECOND * SECONDS + SECONDS);
      // Of two hundred thousand. The rest was answered at once, and nobody was called unknown without the authority's word.
      expect(strange.stale_replica).toBeGreaterThan(EACH_SECOND * SECONDS - BURST - PER_SECOND * SECONDS - 1_000);
      expect(strange.unknown ?? 0).toBeLessThanOrEqual(asked);
      const { misses } = status(staged.verifier);
      expect(misses.found).toBe(SECONDS);
      expect(misses.noisy).toBeGreaterThan(0.9 * misses.dropped);
    },
    60_000,
  );

  test("through a cache: those whose keys it must ask for are answered as well", async () => {
    const texts = Array.from({ length: 400 }, () => newText());
    const staged = await stage({ cache: { keys: 50 } }, (authority) => {
      for (const [i, text] of texts.entries()) authority.write(keyRecord(`key_${i + 10}`, [version(text)]));
    });
    const { authority, clock, verifier } = staged;
    authority.latencyMs = 1;
    const genuine: Promise<string>[] = [];
    for (let ms = 0; ms < 2_000; ms += STEP_MS) {
      // Networks of which nothing is known yet may take the whole burst, once.
      if (ms === 200) genuine.length = 0;
      for (let i = 0; i < 1_000; i++) {
        const [stranger, ask] = [
          STRANGERS[(ms * 50 + i) % STRANGERS.length] as string,
          { network: ofNetwork(i % 200) },
        ];
        if (verifier.verifyNow(stranger, ask) === undefined) void verifier.verify(stranger, ask);
      }
      // A thousand a second, and no more than one in eight is held.
      for (let i = 0; i < 20; i++) {
        const text = texts[(ms + 7 * i) % texts.length] as string;
        genuine.push(verifier.verify(text, { network: `203.0.113.${i}` }).then(({ code }) => code));
      }
      await clock.pass(STEP_MS);
    }
    const codes = await Promise.all(genuine);
    expect(codes).toEqual(codes.map(() => "ok"));
    const { asked, unknown } = status(verifier).misses;
    expect(asked).toBeGreaterThan(1_000);
    expect(unknown).toBeLessThanOrEqual(BURST + 2 * PER_SECOND);
  }, 60_000);
});

describe("who pays", () => {
  test("what is found gives back what it took: any number of fresh keys, one after the other, from one network", async () => {
    const { authority, verifier } = await stage({});
    const network = "198.18.0.7";
    for (let i = 0; i < 1.5 * BURST; i++)
      expect((await verifier.verify(freshKey(authority, 100 + i), { network })).code).toBe("ok");
  }, 60_000);

  test("what is unknown is paid for by its network, until that was quiet for a while; a neighbour on the same /24 pays as well", async () => {
    const { authority, verifier, clock } = await stage({});
    const code = async (network: string, text = newText()) => (await verifier.verify(text, { network })).code;
    while ((await code("198.18.0.7")) === "unknown");
    const asked = authority.missed.length;
    expect(asked).toBeGreaterThan(100);
    expect(asked).toBeLessThan(BURST / 4);
    expect([await code("198.18.0.200"), await code("198.18.1.7")]).toEqual(["stale_replica", "unknown"]);
    expect(status(verifier).misses).toMatchObject({ noisy: 2, dropped: 2, unknown: asked + 1 });
    await clock.pass(10_000);
    expect(await code("198.18.0.200", freshKey(authority, 9))).toBe("ok");
    const second = authority.missed.length;
    while ((await code("198.18.0.7")) === "unknown");
    expect(authority.missed.length - second).toBeLessThan(0.8 * asked);
    await clock.pass(200_000);
    const third = authority.missed.length;
    while ((await code("198.18.0.7")) === "unknown");
    expect(authority.missed.length - third).toBe(asked);
  });

  test("no one pays where the authority does not answer", async () => {
    const { authority, verifier, clock } = await stage({});
    const code = async (text = newText()) => (await verifier.verify(text, { network: "198.18.0.7" })).code;
    authority.down = true;
    for (let i = 0; i < 20; i++) {
      expect(await code()).toBe("stale_replica");
      await clock.pass(250);
    }
    authority.down = false;
    await clock.pass(500);
    expect(await code()).toBe("unknown");
    const { misses } = status(verifier);
    expect({ ...misses, failed: misses.failed > 10 }).toMatchObject({ found: 0, unknown: 1, failed: true, noisy: 0 });
  });

  test("nobody can push another's `unknown` out of the memory", async () => {
    const { authority, verifier, clock } = await stage({});
    const dead = newText();
    const isAsked = () => authority.missed.filter((each) => each === sha256Text(dead)).length;
    expect((await verifier.verify(dead, { network: "203.0.113.5" })).code).toBe("unknown");
    for (let i = 0; i < 10_000; i++) void verifier.verify(newText(), { network: ofNetwork(i % 512) });
    await clock.pass(1_900);
    expect(verifier.verifyNow(dead, {})?.code).toBe("unknown");
    expect(isAsked()).toBe(1);
  });
});

describe("turns", () => {
  test("no more than 32 are asked at once; the others wait, for a second at most", async () => {
    const { authority, verifier, clock } = await stage({});
    const texts = Array.from({ length: 100 }, (_, i) => freshKey(authority, 100 + i));
    authority.latencyMs = 450;
    const codes: string[] = [];
    for (const [i, text] of texts.entries())
      void verifier.verify(text, { network: ofNetwork(i) }).then(({ code }) => codes.push(code));
    await clock.pass(10);
    expect(status(verifier).misses.asked).toBe(32);
    await clock.pass(900);
    expect([codes.length, status(verifier).misses.asked]).toEqual([32, 64]);
    await clock.pass(5_000);
    expect(codes.filter((code) => code === "ok")).toHaveLength(64);
    expect(codes.filter((code) => code === "stale_replica")).toHaveLength(36);
    authority.latencyMs = 0;
    expect((await verifier.verify(texts[99] as string, {})).code).toBe("ok");
  });

  test("at a slow authority a network that floods does not hold up another's", async () => {
    const { authority, clock, verifier } = await stage({});
    authority.latencyMs = 200;
    const ask = (key: string, network: string) => verifier.verify(key, { network });
    for (let second = 0; second < 6; second++) {
      const strangers = STRANGERS.slice(1_000 * second, 1_000 * (second + 1));
      void Promise.all(strangers.map((stranger) => ask(stranger, "198.18.0.7")));
      const own = ask(freshKey(authority, 100 + second), `203.0.113.${second}`);
      await clock.pass(1_000);
      expect([second, (await Promise.race([own, Promise.resolve(undefined)]))?.code]).toEqual([second, "ok"]);
    }
  });

  test("a key that is asked for already is waited for by everybody, also by those who may not ask", async () => {
    const { authority, verifier } = await stage({});
    while ((await verifier.verify(newText(), { network: "198.18.0.7" })).code === "unknown");
    const fresh = freshKey(authority, 9);
    const before = authority.missed.length;
    const [first, second] = [
      verifier.verify(fresh, { network: "203.0.113.5" }),
      verifier.verify(fresh, { network: "198.18.0.7" }),
    ];
    expect([(await first).code, (await second).code]).toEqual(["ok", "ok"]);
    expect(authority.missed.length - before).toBe(1);
  });
});
