/** Mistakes at the keyboard, against a real authority: a sentence that says what to write, and nothing done. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Rig, startRig } from "./cli.test-world.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
  await rig.json("api", "create", "market", "--prefix", "mkt", "--scope", "market:read", "--scope", "trade:write");
  await rig.json("consumer", "create", "acme-bot", "--label", "team=desk");
});
afterAll(() => rig.close());

describe("bad input is refused with a sentence", () => {
  it.each([
    [["api", "create", "x", "--prefix", "xx", "--scope", "a", "--overlap", "10y"], 2, "such as 90s, 36h, 14d"],
    [
      ["api", "create", "x", "--prefix", "xx", "--scope", "a", "--overlap", "4000d"],
      2,
      "--overlap takes 1s to 366d; got 4000d",
    ],
    [["api", "create", "x", "--prefix", "kot", "--scope", "a"], 1, "Keyover's own"],
    [["api", "create", "x"], 2, "needed and not given: --prefix <text>, --scope <name>\n"],
    [["api", "show", ".."], 2, "is no name or handle"],
    [["token", "create", "t", "--role", "consumer"], 2, "--role consumer needs --consumer"],
    [["token", "create", "t", "--role", "verifier"], 2, "--role verifier needs --api"],
    [["token", "create", "t", "--role", "auditor", "--api", "market"], 2, "go with --role verifier"],
    [["token", "create", "t", "--role", "auditor", "--consumer", "acme-bot"], 2, "goes with --role consumer"],
    [["consumer", "create", "acme-bot"], 1, "this <name> is in use already (name_taken)"],
    [["consumer", "create", "x".repeat(5_000)], 2, "is longer than any name or handle"],
    [["api", "create", "x", "--prefix", "mkt", "--scope", "a"], 1, "this <name> or --prefix is in use already"],
    [["rotation", "extend", "rot_x", "--by", "0s"], 2, "--by takes more than nothing"],
    [["rotation", "list", "--key", "acme-bot"], 2, "--key takes a handle that begins with key_"],
    [["emergency", "kill", "--everything", "--api", "market", "--reason", "r"], 2, "--everything stands alone"],
    [
      ["channel", "add", "ops", "--webhook", "https://example.com", "--digest", "900d"],
      1,
      "--digest: takes 0 s to 7 days",
    ],
    [["key", "list", "--api", "moon"], 1, "there is no api moon"],
    [["rotation", "list", "--api", "moon"], 1, "there is no api moon"],
    [["token", "create", "t", "--role", "auditor", "--expires", "2020-01-01"], 2, "that is still to come"],
    [["key", "show", "acme-bot"], 2, '<key> takes a handle that begins with key_; got "acme-bot"'],
    [["key", "rotate", "key_…"], 2, "key_… stands for a handle"],
    [["watch", "key_x"], 2, "begins with rot_"],
    [["api", "update", "market"], 2, "nothing to change"],
    [["consumer", "show", "nobody"], 1, "there is no consumer nobody"],
    [["consumer", "list", "--label", "team"], 2, "--label takes name=value"],
    [
      ["key", "create", "--api", "market", "--environment", "live", "--consumer", "acme-bot", "--scope", "market:raed"],
      1,
      "it has market:read, trade:write (unknown_scope)",
    ],
    [
      ["key", "create", "--api", "market", "--environment", "prod", "--consumer", "acme-bot", "--scope", "market:read"],
      1,
      "has the environments live, test (unknown_environment)",
    ],
    [
      [
        "key",
        "create",
        "--api",
        "market",
        "--environment",
        "live",
        "--consumer",
        "acme-bot",
        "--scope",
        "market:read",
        "--expires",
        "soon",
      ],
      2,
      "--expires takes a time",
    ],
    [["key", "list", "--status", "gone"], 2, "Allowed choices are"],
    [["rotation", "extend", "rot_x"], 2, "give --by or --until"],
    [["rotation", "list", "--running", "--ended"], 2, "cannot be used with"],
    [["watch", "rot_none"], 1, "there is no rotation rot_none (not_found)"],
    [["token", "create", "x", "--role", "king"], 2, "Allowed choices are admin"],
    [["kye"], 2, "Did you mean: keyover key?"],
    [["api", "list", "--url", "ftp://x"], 2, "the authority speaks http or https"],
  ] as const)("%j", async (args, expected, sentence) => {
    const { code, err, out } = await rig.run([...args]);
    expect(code).toBe(expected);
    expect(err).toContain(sentence);
    expect(err).not.toMatch(/\n {4}at /);
    expect(out).toBe("");
  });
});

describe("an empty list", () => {
  it("says whether nothing matches, or what makes the first", async () => {
    expect((await rig.run(["campaign", "list"])).out).toContain(
      "There is no campaign yet. Make one with: keyover campaign start",
    );
    expect((await rig.run(["campaign", "list", "--state", "held"])).out).toContain("No campaign matches.");
    expect((await rig.run(["key", "list", "--name", "nobody's"])).out).toContain("No key matches.");
  });
});
