/** `keyover rotation brownout | end-brownout | lift-fence`, and what a policy's file says of them, against a real authority. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Rig, startRig } from "./cli.test-world.ts";

let rig: Rig;
let rotation: string;
beforeAll(async () => {
  rig = await startRig();
  const scopes = ["--scope", "market:read", "--scope", "account:withdraw"];
  await rig.json("api", "create", "market", "--prefix", "mkt", ...scopes);
  await rig.json("consumer", "create", "acme-bot");
  const file = join(rig.folder, "careful.yaml");
  const lines = [
    "name: careful",
    "spec:",
    "  onDeadline: brownout",
    "  brownout: { zone: Europe/Berlin, at: 10:30, lengthsMs: [90s, 5m], announceMs: 2d, errorBudget: null, after: retire }",
    "  fence: { afterMs: 0s, without: ['*:withdraw'] }",
    "  automaticRollback: { refusals: 20, coolDownMs: 60d }",
  ];
  writeFileSync(file, lines.join("\n"));
  expect((await rig.run(["policy", "apply", "-f", file])).code).toBe(0);
  const place = ["--api", "market", "--environment", "live", "--consumer", "acme-bot"];
  const key = await rig.json<{ id: string }>("key", "create", ...place, ...scopes);
  await rig.json("policy", "attach", "careful", "--key", key.id);
  rotation = (await rig.json<{ id: string }>("key", "rotate", key.id)).id;
  expect((await rig.run(["watch", rotation, "--until", "offered", "--every", "100ms"])).code).toBe(0);
});
afterAll(() => rig.close());

const show = async () => (await rig.run(["rotation", "show", rotation])).out;

it("shows what the policy says, in words", async () => {
  const out = await show();
  expect(out).toContain("brownouts at 10:30 Europe/Berlin (90s 5m), then retire");
  expect(out).toContain("back by itself after 20 refusals");
  const { policy } = await rig.json<{ policy: object }>("rotation", "show", rotation);
  expect(policy).toMatchObject({
    brownout: { lengthsMs: [90_000, 300_000], announceMs: 172_800_000, errorBudget: null },
    fence: { from: "offered", afterMs: 0 },
    automaticRollback: { refusals: 20, sources: 1, coolDownMs: 60 * 86_400_000 },
  });
});

it("lifts the fence, with a reason", async () => {
  expect(await show()).toMatch(/fence +scopes market:read, since/);
  const { key } = await rig.json<{ key: string }>("rotation", "show", rotation);
  expect((await rig.run(["key", "show", key])).out).toContain("Version 1 is fenced: scopes market:read.");
  expect((await rig.run(["rotation", "lift-fence", rotation])).code).toBe(2);
  const { out, code } = await rig.run(["rotation", "lift-fence", rotation, "--reason", "a payout"]);
  expect(code).toBe(0);
  expect(out).toMatch(/until it was lifted .*: a payout/);
  const again = await rig.run(["rotation", "lift-fence", rotation, "--reason", "a payout"]);
  expect([again.code, again.err]).toEqual([1, expect.stringContaining("no_fence")]);
});

it("begins a brownout and ends it", async () => {
  const begin = (...more: string[]) => rig.run(["rotation", "brownout", rotation, "--reason", "rehearsal", ...more]);
  expect((await begin()).err).toContain("--for");
  expect((await begin("--for", "2h")).err).toContain("--for takes 1s to 1h; got 2h");
  const begun = await begin("--for", "10m");
  expect(begun.code, begun.err).toBe(0);
  expect(begun.out).toMatch(/brownout +runs until/);
  expect(begun.err).toMatch(/^No verifier runs|^In force on/);
  const watched = await rig.run(["watch", rotation, "--until", "offered"], { isTty: true, columns: 160 });
  expect(watched.out).toContain("brownout: runs until");
  const ended = await rig.run(["rotation", "end-brownout", rotation, "--reason", "the desk called"]);
  expect(ended.code, ended.err).toBe(0);
  expect(ended.out).toMatch(/brownout .*: over, after/);
});
