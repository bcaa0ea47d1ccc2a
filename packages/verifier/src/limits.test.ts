/** A version that is refused for a while, or for some requests: what a verifier makes of it by itself. */
import { describe, expect, test } from "vitest";
import { keyRecord, newText, version } from "./authority.test-double.ts";
import { stage, status } from "./verifier.test-support.ts";
import { START, settle } from "./virtual-clock.test-support.ts";

describe("R09: a brownout", () => {
  test("refuses while it lasts, and is over on time at a verifier that is cut off from the authority", async () => {
    const { authority, clock, code, verifier, text } = await stage();
    authority.write(keyRecord("key_1", [version(text, { brownoutUntil: START + 60_000 })]));
    await settle();
    expect(code(text)).toBe("brownout");
    authority.down = true;
    await clock.pass(30_000);
    expect(status(verifier)).toMatchObject({ stale: true });
    expect(verifier.verifyNow(text, {})).toMatchObject({ valid: false, code: "brownout", stale: true });
    expect(verifier.verifyNow(text, {})?.retryAfterMs).toBeLessThanOrEqual(31_000);
    await clock.pass(29_000);
    expect(code(text)).toBe("brownout");
    await clock.pass(1_000);
    expect(verifier.verifyNow(text, {})).toMatchObject({ valid: true, stale: true });
  });

  test("ends at once where the authority says so", async () => {
    const { authority, code, text } = await stage();
    authority.write(keyRecord("key_1", [version(text, { brownoutUntil: START + 60_000 })]));
    await settle();
    expect(code(text)).toBe("brownout");
    authority.write(keyRecord("key_1", [version(text)]));
    await settle();
    expect(code(text)).toBe("ok");
  });

  test("of the old version alone; its refusals are reported as uses", async () => {
    const [old, fresh] = [newText(), newText()];
    const { authority, clock, code } = await stage({}, (double) => {
      const versions = [version(old, { brownoutUntil: START + 60_000 }), version(fresh, { number: 2 })];
      double.write(keyRecord("key_2", versions, { current: 2 }));
    });
    expect([code(old), code(old), code(fresh)]).toEqual(["brownout", "brownout", "ok"]);
    await clock.pass(1_500);
    const seen = authority.counted.flatMap(({ sightings }) => sightings).filter(({ key }) => key === "key_2");
    const counts = Object.fromEntries(seen.map(({ version, accepted, refused }) => [version, { accepted, refused }]));
    expect(counts).toEqual({ 1: { accepted: 0, refused: 2 }, 2: { accepted: 1, refused: 0 } });
  });
});

test("R08: a clean version outside its fence is told so, one in wrong hands is not", async () => {
  const fence = { networks: ["203.0.113.0/24"] };
  const [clean, leaked] = [newText(), newText()];
  const { code } = await stage({}, (double) => {
    double.write(keyRecord("key_2", [version(clean, { fence })]));
    double.write(keyRecord("key_3", [version(leaked, { fence, compromised: true })]));
  });
  expect(code(clean, { network: "203.0.113.7" })).toBe("ok");
  expect(code(clean, { network: "192.0.2.7" })).toBe("fenced");
  expect(code(leaked, { network: "192.0.2.7" })).toBe("network_denied");
});

test("networks that are only reported let everybody in, say who would be refused, and leave a fence as it is", async () => {
  const [text, leaked] = [newText(), newText()];
  const networks = { networks: ["10.0.0.0/8", "!10.1.0.0/16"], networksMode: "report" as const };
  const { verifier, code } = await stage({}, (double) => {
    double.write(keyRecord("key_2", [version(text)], { ...networks, consumerNetworks: ["!10.2.0.0/16"] }));
    const fence = { networks: ["203.0.113.0/24"] };
    double.write(keyRecord("key_3", [version(leaked, { fence, compromised: true })], networks));
  });
  const warned = (network: string) => verifier.verifyNow(text, { network })?.wouldRefuse;
  expect(["10.3.0.1", "10.1.0.1", "10.2.0.1", "8.8.8.8"].map(warned)).toEqual([
    undefined,
    "network_denied",
    "network_denied",
    "network_denied",
  ]);
  expect(verifier.verifyNow(text, { network: "8.8.8.8" })).toMatchObject({ valid: true, code: "ok" });
  expect(status(verifier)).toMatchObject({ wouldRefuse: 4 });
  expect(code(leaked, { network: "192.0.2.7" })).toBe("network_denied");
});

test("the consumer's networks hold besides the key's own", async () => {
  const text = newText();
  const { code } = await stage({}, (double) => {
    double.write(keyRecord("key_2", [version(text)], { networks: ["10.0.0.0/8"], consumerNetworks: ["!10.1.0.0/16"] }));
  });
  expect(["10.3.0.1", "10.1.0.1", "11.0.0.1"].map((network) => code(text, { network }))).toEqual([
    "ok",
    "network_denied",
    "network_denied",
  ]);
  expect(code(text)).toBe("network_denied");
});
