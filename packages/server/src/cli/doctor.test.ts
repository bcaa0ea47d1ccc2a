import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Rig, runProgram, startRig } from "./cli.test-world.ts";
import { examineClock } from "./doctor.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

interface Created {
  id: string;
  secret: string;
}

describe("audit and doctor", () => {
  it("audit list --verify recomputes the chain", async () => {
    const { code, err } = await rig.run(["audit", "list", "--limit", "2", "--verify"]);
    expect(code).toBe(0);
    expect(err).toMatch(/The audit log is whole: \d+ entr(y|ies)/);
  });

  it("a doctor finds a healthy authority healthy, and names the token's role", async () => {
    const { code, out } = await rig.run(["doctor"]);
    expect(out).toContain("✓ token: its role is admin");
    expect(out).toMatch(/✓ audit: \d+ entr(y|ies)/);
    expect(code).toBe(0);
    const auditor = await rig.json<Created>("token", "create", "eyes", "--role", "auditor");
    const seen = await rig.run(["doctor"], { env: { KEYOVER_TOKEN: auditor.secret } });
    expect(seen.out).toContain("its role is auditor");
    expect(seen.code).toBe(0);
  });

  it("a doctor names a rotation that is held past its deadline, and ends with 1", async () => {
    await rig.json("api", "create", "market", "--prefix", "mkt", "--scope", "read", "--overlap-min", "1s");
    await rig.json("consumer", "create", "acme-bot");
    const about = ["--api", "market", "--environment", "live", "--consumer", "acme-bot", "--scope", "read"];
    const key = await rig.json<Created>("key", "create", ...about);
    const { id } = await rig.json<Created>("key", "rotate", key.id, "--overlap", "1s");
    await rig.run(["watch", id, "--until", "offered", "--every", "100ms"]);
    await expect.poll(async () => (await rig.run(["doctor"])).code, { timeout: 30_000 }).toBe(1);
    const { out } = await rig.run(["doctor", "--json"]);
    const { healthy, findings } = JSON.parse(out) as { healthy: boolean; findings: { level: string; text: string }[] };
    expect(healthy).toBe(false);
    expect(findings.filter(({ level }) => level === "bad").map(({ text }) => text)).toEqual([
      expect.stringContaining(`${id} is offered`),
    ]);
    await rig.json("rotation", "cancel", id);
  });

  it("a doctor says that nothing answers", async () => {
    const { code, out } = await runProgram(["doctor"], { env: { KEYOVER_URL: "http://127.0.0.1:9" } });
    expect(code).toBe(1);
    expect(out).toContain("✗ reachable: http://127.0.0.1:9");
  });
});

describe("the doctor's look at the clock", () => {
  const date = Date.parse("2026-10-04T07:12:33Z");

  it.each([0, 400, 999, 4_000, -4_000])("takes %d ms for agreement: the header has whole seconds", (offMs) => {
    expect(examineClock(date, date + offMs, 20)).toMatchObject({ aheadMs: 0, finding: { level: "good" } });
  });

  it("names an hour, in either direction", () => {
    expect(examineClock(date, date + 3_600_000, 20).finding).toMatchObject({
      level: "bad",
      text: expect.stringContaining("59m 59s ahead of"),
    });
    expect(examineClock(date, date - 3_600_000, 20).finding).toMatchObject({
      level: "bad",
      text: expect.stringContaining("1h behind"),
    });
  });

  it("does not hold a slow answer against the clock", () =>
    expect(examineClock(date, date + 15_000, 29_000).finding.level).toBe("good"));

  it("says so where the answer has no date", () =>
    expect(examineClock(Number.NaN, date, 1).finding.level).toBe("note"));
});
