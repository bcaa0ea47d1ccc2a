/** `keyover policy …` against a real authority. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Rig, startRig } from "./cli.test-world.ts";

let rig: Rig;
let key: { id: string; secret: string };
beforeAll(async () => {
  rig = await startRig();
  await rig.json("api", "create", "market", "--prefix", "mkt", "--scope", "market:read");
  await rig.json("consumer", "create", "acme-bot", "--label", "team=desk");
  const where = ["--api", "market", "--environment", "live", "--consumer", "acme-bot", "--scope", "market:read"];
  key = await rig.json("key", "create", ...where);
});
afterAll(() => rig.close());

const file = (text: string, name = "desk.yaml") => {
  const path = join(rig.folder, name);
  writeFileSync(path, text);
  return path;
};
const good = async (args: string[], stdin?: string) => {
  const ran = await rig.run(args, stdin === undefined ? {} : { stdin });
  expect(ran, ran.err).toMatchObject({ code: 0, err: "" });
  return ran.out;
};

describe("keyover policy", () => {
  test("applies a file, and first shows what it would do", async () => {
    const path = file("name: desk\nspec:\n  quietMs: 2d\n  schedule: { everyMs: 30d }\n");
    expect(await good(["policy", "apply", "-f", path, "--dry-run"])).toContain("desk (version 1): would be made");
    expect(await good(["policy", "list"])).toContain("There is no policy yet");
    expect(await good(["policy", "apply", "-f", path])).toContain("attached to nothing yet");
    expect(await good(["policy", "attach", "desk", "--api", "market", "--environment", "live"])).toContain(
      "environment live",
    );
    const changed = await good(
      ["policy", "apply", "-f", "-"],
      "name: desk\nspec:\n  quietMs: 36h\n  schedule: { everyMs: 200d }\n",
    );
    expect(changed).toContain("desk (version 2): changed");
    expect(changed).toContain("quietMs: 2d → 36h");
    expect(changed).toContain("schedule.everyMs: 30d → 200d");
    expect(changed).toContain("reaches 1 key: environment live");
    expect(changed).toContain("warning: schedule.everyMs (200 days) is longer than the maximum age of 90 days");
    expect(await good(["policy", "history", "desk"])).toMatch(
      /version 2,.*\n {2}quietMs: 36h\n {2}schedule\n {4}everyMs: 200d\n\nversion 1,/,
    );
  });

  test("explains which rule gives which value, and what will happen when", async () => {
    const out = await good(["policy", "explain", key.id]);
    expect(out).toMatch(/quietMs +36h +policy desk \(version 2\), attached to environment live/);
    expect(out).toMatch(/overlapMs +14d +the default/);
    expect(out).toContain("It rotates by itself ");
    expect(out).toContain("the version reaches its maximum age");
    expect(out).toMatch(/Calendar\n.*a rotation begins by itself/);
    expect(out).toMatch(/schedule\.jitterMs +a tenth of the period/);
    const narrow = await rig.run(["policy", "explain", key.id], { isTty: true, columns: 80 });
    expect(narrow.out).toMatch(/quietMs +36h {2}\(policy desk \(version 2\), attached to environment live/);
    const texts =
      out
        .split("Calendar\n")[1]
        ?.split("\n")
        .filter((line) => line.startsWith("  2")) ?? [];
    expect(new Set(texts.map((line) => (/^ +\S+ \([^)]*\) +/.exec(line)?.[0] ?? "").length)).size).toBe(1);
    expect(texts.length).toBeGreaterThan(3);
    const { rotateAt } = await rig.json<{ rotateAt: number }>("policy", "explain", key.id);
    expect(await good(["key", "show", key.id])).toContain("rotates by itself");
    expect(rotateAt).toBeGreaterThan(1_700_000_000_000);
  });

  test("attaches to a label and a key, shows it, detaches, removes", async () => {
    await good(["policy", "attach", "desk", "--consumer-label", "team=desk"]);
    await good(["policy", "attach", "desk", "--key", key.id]);
    const shown = await good(["policy", "show", "desk"]);
    expect(shown).toContain("consumers with team=desk");
    expect(shown).toContain(`key acme-bot: default (${key.id})`);
    for (const wrong of [
      [],
      ["--environment", "live"],
      ["--key", key.id, "--api", "market"],
      ["--consumer-label", "team"],
    ])
      expect(await rig.run(["policy", "attach", "desk", ...wrong]), wrong.join(" ")).toMatchObject({ code: 2 });
    expect(await rig.run(["policy", "remove", "desk", "--yes"])).toMatchObject({
      err: expect.stringContaining("attached in 3 places"),
    });
    const { attachments } = await rig.json<{ attachments: { id: string }[] }>("policy", "show", "desk");
    for (const { id } of attachments) await good(["policy", "detach", id]);
    expect((await rig.run(["policy", "remove", "desk"])).err).toContain("--yes");
    expect(await good(["policy", "remove", "desk", "--yes"])).toContain("desk is removed");
  });

  test("warns of two policies at one place, of an overlap shorter than a caller's silence, and of one that can't end in time", async () => {
    const where = ["--api", "market", "--environment", "live", "--consumer", "acme-bot", "--scope", "market:read"];
    const other: { id: string } = await rig.json("key", "create", ...where);
    const [now, day] = [Date.now(), 86_400_000];
    const source = { network: "198.51.100.0/24", client: "billing-job/3", instance: "" };
    const use = { keyId: other.id, version: 1, sourceId: "s", source, accepted: 1, refused: 0, longestGapMs: 0 };
    for (const at of [now - 31 * day, now])
      await rig.store.record({ rows: [{ ...use, first: at, last: at }], reports: [] });

    await good(["policy", "apply", "-f", "-"], "name: first\nspec: { overlapMs: 30d, quietMs: 2d }\n");
    const slow = "name: second\nspec: { overlapMs: 20d, quietMs: 10d, schedule: { maxAgeMs: 9d } }\n";
    expect(await good(["policy", "apply", "-f", "-"], slow)).toContain(
      "warning: quietMs (10 days) is not shorter than the time between two rotations (9 days)",
    );
    await good(["policy", "attach", "first", "--key", other.id]);
    const attached = await good(["policy", "attach", "second", "--key", other.id]);
    expect(attached).toContain("warning: policy first is attached there too; of what both say (overlapMs, quietMs)");
    const silent = "198.51.100.0/24 billing-job/3 of key_";
    expect(attached).toMatch(new RegExp(`warning: ${silent}.*is usually silent for up to 31 days.*overlap of 20 days`));
    const rotated = await good(["key", "rotate", other.id, "--overlap", "3d"]);
    expect(rotated).toMatch(/warning: 198\.51\.100\.0\/24 billing-job\/3 is usually silent .*overlap of 3 days/);
    const { attachments } = await rig.json<{ attachments: { id: string }[] }>("policy", "show", "second");
    for (const { id } of attachments) await good(["policy", "detach", id]);
  });

  test("says of a file that can't be read, or is none, where and why", async () => {
    expect(await rig.run(["policy", "apply", "-f", join(rig.folder, "none.yaml")])).toMatchObject({
      code: 2,
      err: expect.stringContaining("none.yaml can't be read: there is no such file"),
    });
    const { code, err } = await rig.run(["policy", "apply", "-f", file("name: a\nspec: { overlap: 1d }", "a.yaml")]);
    expect(code).toBe(2);
    expect(err).toContain("did you mean overlapMs?");
  });
});

describe("keyover rotation", () => {
  test("pauses and resumes; the consumer extends within what its policy says", async () => {
    await good(["policy", "apply", "-f", "-"], "name: own\nspec: { consumerMayExtendMs: 3d }\n");
    await good(["policy", "attach", "own", "--key", key.id]);
    const { id } = await rig.json<{ id: string }>("key", "rotate", key.id);
    const phase = async () => (await rig.json<{ phase: string }>("rotation", "show", id)).phase;
    for (let i = 0; i < 100 && (await phase()) !== "offered"; i++) await new Promise((done) => setTimeout(done, 20));
    expect(await good(["rotation", "pause", id, "--reason", "market open"])).toMatch(/paused +.*: market open/);
    expect(await good(["rotation", "resume", id])).not.toMatch(/^paused/m);
    expect(await good(["rotation", "show", id])).toContain("own (version 1)");
    const { secret } = await rig.json<{ secret: string }>(
      "token",
      "create",
      "acme",
      "--role",
      "consumer",
      "--consumer",
      "acme-bot",
    );
    const own = (args: string[]) =>
      rig.run(["rotation", "extend", id, "--own", ...args], { env: { KEYOVER_TOKEN: secret } });
    expect(await own(["--by", "2d"])).toMatchObject({ code: 0 });
    expect((await own(["--by", "2d"])).err).toContain("86400000 ms more");
    expect(await own(["--until", "2030-01-01"])).toMatchObject({ code: 2 });
  });
});
