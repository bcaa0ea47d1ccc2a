/** The commands against a real authority over HTTP. */
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Rig, runProgram, startRig } from "./cli.test-world.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
  await rig.json(
    "api",
    "create",
    "market",
    "--prefix",
    "mkt",
    "--scope",
    "market:read",
    "--scope",
    "trade:write",
    ...quick,
  );
  await rig.json("consumer", "create", "acme-bot", "--label", "team=desk");
});
afterAll(() => rig.close());

/** A policy under which a rotation is over while one waits. */
const quick = [
  "--overlap",
  "1h",
  "--overlap-min",
  "1s",
  "--quiet",
  "1s",
  "--gap-margin",
  "1",
  "--rollback-window",
  "0",
];

interface Created {
  id: string;
  secret: string;
}

const createKey = (...more: string[]) =>
  rig.json<Created>(
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
    ...more,
  );

async function rotated(): Promise<{ key: Created; rotation: string }> {
  const key = await createKey();
  const { id } = await rig.json<Created>("key", "rotate", key.id);
  const offered = await rig.run(["watch", id, "--until", "offered", "--every", "100ms"]);
  expect(offered.code).toBe(0);
  return { key, rotation: id };
}

describe("connecting", () => {
  it("needs a token, and says where to put it", async () => {
    const { code, err } = await runProgram(["api", "list"]);
    expect(code).toBe(2);
    expect(err).toContain("KEYOVER_TOKEN");
  });

  it("ends with 3 and the URL where nothing listens", async () => {
    const env = { KEYOVER_URL: "http://127.0.0.1:9", KEYOVER_TOKEN: "kot_x" };
    const { code, err } = await runProgram(["api", "list"], { env });
    expect(code).toBe(3);
    expect(err).toContain("http://127.0.0.1:9 can't be reached");
  });

  it("refuses a token file that others can read, and reads a private one", async () => {
    const file = join(rig.folder, "admin.token");
    writeFileSync(file, `${rig.token}\n`, { mode: 0o644 });
    const env = { KEYOVER_TOKEN: undefined };
    const open = await rig.run(["api", "list", "--token-file", file], { env });
    expect(open).toMatchObject({ code: 4, err: expect.stringContaining(`chmod 600 ${file}`) });
    chmodSync(file, 0o600);
    expect((await rig.run(["api", "list", "--token-file", file], { env })).code).toBe(0);
  });

  it("has no option for the token itself", async () => {
    const { code, err } = await rig.run(["api", "list", "--token", "kot_secret"]);
    expect(code).toBe(2);
    expect(err).not.toContain("kot_secret");
  });

  it("never repeats a token that it can't use", async () => {
    const { code, err } = await rig.run(["api", "list"], { env: { KEYOVER_TOKEN: "kot_admin two words" } });
    expect(code).toBe(2);
    expect(err).not.toContain("two words");
  });

  it("shows the authority's refusal with its code", async () => {
    const { code, err } = await rig.run(["api", "list"], { env: { KEYOVER_TOKEN: "kot_nobody" } });
    expect(code).toBe(1);
    expect(err).toBe("keyover: this token is unknown, revoked or expired (unauthenticated)\n");
  });
});

describe("what is printed", () => {
  it("--json is the API's answer, for lists with every page", async () => {
    for (let i = 0; i < 3; i++) await rig.json("consumer", "create", `page-${i}`);
    const all = await rig.json<{ items: { id: string }[]; next: null }>("consumer", "list");
    const direct = await fetch(`${rig.url}/v1/consumers?limit=500`, {
      headers: { authorization: `Bearer ${rig.token}` },
    });
    expect(all).toEqual(await direct.json());
    const first = await rig.json<{ items: { id: string }[]; next: string }>("consumer", "list", "--limit", "2");
    expect(first.items).toEqual(all.items.slice(0, 2));
    expect(first.next).toBe(first.items[1]?.id);
  });

  it("a name with terminal codes in it can't steer the terminal", async () => {
    await rig.json("consumer", "create", "evil\u001b[2Jname");
    const { out } = await rig.run(["consumer", "list"], { isTty: true, columns: 200 });
    expect(out).toContain("evilname");
    expect(out).not.toContain("\u001b[2J");
  });

  it("a secret is shown by the command that made it, once, and by no other", async () => {
    const { out } = await rig.run([
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
    ]);
    expect(out).toContain("shown this once");
    const secret = /mkt_live_\w+/.exec(out)?.[0] ?? "";
    expect(secret).not.toBe("");
    const id = /key_\w+/.exec(out)?.[0] ?? "";
    expect((await rig.run(["key", "show", id])).out).not.toContain(secret);
  });

  it("--secret-file takes the secret instead, mode 0600, and is never overwritten", async () => {
    const file = join(rig.folder, "acme.key");
    const key = await createKey("--secret-file", file);
    expect(key.secret).toBeNull();
    expect(readFileSync(file, "utf8")).toMatch(/^mkt_live_\w{38}\n$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const again = await rig.run([
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
      "--secret-file",
      file,
    ]);
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining("exists already") });
  });

  it("a refused creation leaves no secret file", async () => {
    const file = join(rig.folder, "never.key");
    const { code } = await rig.run([
      "key",
      "create",
      "--api",
      "market",
      "--environment",
      "live",
      "--consumer",
      "acme-bot",
      "--scope",
      "nope",
      "--secret-file",
      file,
    ]);
    expect(code).toBe(1);
    expect(existsSync(file)).toBe(false);
  });
});

describe("what can't be undone", () => {
  it.each([
    ["key", "revoke", "key_x", "--reason", "x"],
    ["key", "kill", "key_x", "--reason", "x"],
    ["rotation", "retire", "rot_x", "--reason", "x"],
    ["token", "revoke", "tok_x"],
    ["api", "remove-verifier", "market", "boo_x"],
  ])("%s %s needs --yes where nobody can be asked", async (...args) => {
    const { code, err } = await rig.run(args);
    expect(code).toBe(2);
    expect(err).toContain("--yes");
    expect(err).toContain("Nothing was done");
  });

  it("revoke refuses the key from then on, and says where it is in force", async () => {
    const key = await createKey();
    const { code, err } = await rig.run(["key", "revoke", key.id, "--reason", "contract ended", "--yes"]);
    expect(code).toBe(0);
    expect(err).toContain("No verifier runs");
    const verdict = await rig.run(["verify", "--api", "market"], { stdin: key.secret });
    expect(verdict).toMatchObject({ code: 1, err: expect.stringContaining("revoked") });
  });

  it("a fence that lets nobody in says so, and how somebody is let in", async () => {
    const key = await createKey();
    const { out } = await rig.run(["key", "contain", key.id, "--reason", "leaked"]);
    expect(out).toContain("Version 1 is fenced: from nowhere.");
    expect(out).toContain(`keyover key contain ${key.id} --version 1 --network …`);
    const again = await rig.run([
      "key",
      "contain",
      key.id,
      "--version",
      "1",
      "--network",
      "203.0.113.0/24",
      "--reason",
      "leaked",
    ]);
    expect(again.out).toContain("Version 1 is fenced: from 203.0.113.0/24.");
    expect(again.out).not.toContain("nowhere");
  });

  it("kill --version kills that version, and does not print the program's", async () => {
    const { key, rotation } = await rotated();
    const killed = await rig.json<{ id: string; fromCompromised: boolean }>(
      "key",
      "kill",
      key.id,
      "--version",
      "1",
      "--reason",
      "leaked",
      "--yes",
    );
    expect(killed).toMatchObject({ id: rotation, fromCompromised: true });
    expect((await rig.run(["verify", "--api", "market"], { stdin: key.secret })).code).toBe(1);
  });
});

describe("verify", () => {
  it("takes the key from standard input or KEYOVER_KEY; 0 is valid, 1 is not", async () => {
    const { secret } = await createKey();
    expect(
      (await rig.run(["verify", "--api", "market", "--scope", "market:read"], { stdin: `${secret}\n` })).code,
    ).toBe(0);
    const denied = await rig.run(["verify", "--api", "market", "--scope", "trade:write", "--json"], {
      env: { KEYOVER_KEY: secret },
    });
    expect(denied.code).toBe(1);
    expect(JSON.parse(denied.out)).toMatchObject({ valid: false, code: "insufficient_scope" });
    expect(denied.out + denied.err).not.toContain(secret);
  });

  it.each([
    ["", 2],
    ["nonsense", 1],
    ["x".repeat(16_384), 1],
    ["x".repeat(20_001), 2],
  ])("of a hopeless text (%#) ends well", async (stdin, code) => {
    expect((await rig.run(["verify", "--api", "market"], { stdin })).code).toBe(code);
  });
});

describe("watch", () => {
  it("follows a rotation to its end, a line for each change", async () => {
    const { key, rotation } = await rotated();
    const token = await rig.json<Created>("token", "create", "bot", "--role", "consumer", "--consumer", "acme-bot");
    const claim = await fetch(`${rig.url}/v1/rotations/${rotation}/claim`, {
      method: "POST",
      headers: { authorization: `Bearer ${token.secret}` },
    });
    const { secret } = (await claim.json()) as Created;
    await rig.run(["verify", "--api", "market"], { stdin: key.secret });
    expect((await rig.run(["verify", "--api", "market"], { stdin: secret })).code).toBe(0);
    const watched = await rig.run(["watch", rotation, "--every", "100ms", "--json"]);
    expect(watched.code).toBe(0);
    const seen = watched.out
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { rotation: { phase: string } }).rotation.phase);
    expect(seen[0]).toBe("overlapping");
    expect(seen.at(-1)).toBe("completed");
  });

  it("ends with 1 when the rotation was cancelled", async () => {
    const { rotation } = await rotated();
    await rig.json("rotation", "cancel", rotation);
    expect(await rig.run(["watch", rotation])).toMatchObject({
      code: 1,
      err: expect.stringContaining("ended as cancelled"),
    });
    expect((await rig.run(["watch", rotation, "--until", "retired"])).code).toBe(1);
  });

  it("redraws in place on a terminal", async () => {
    const { rotation } = await rotated();
    const { out } = await rig.run(["watch", rotation, "--until", "offered"], { isTty: true, columns: 80 });
    expect(out).toContain("\u001b[J");
    expect(out).toContain("[offered]");
  });
});

describe("steering a rotation", () => {
  it("extend and shorten move the deadline, and don't do each other's work", async () => {
    const { rotation } = await rotated();
    const { overlapEndsAt } = await rig.json<{ overlapEndsAt: number }>("rotation", "show", rotation);
    const later = await rig.json<{ overlapEndsAt: number }>("rotation", "extend", rotation, "--by", "2h");
    expect(later.overlapEndsAt).toBe(overlapEndsAt + 7_200_000);
    const sooner = await rig.json<{ overlapEndsAt: number }>("rotation", "shorten", rotation, "--by", "30m");
    expect(sooner.overlapEndsAt).toBe(overlapEndsAt + 5_400_000);
    const slip = await rig.run(["rotation", "extend", rotation, "--until", "10m"]);
    expect(slip).toMatchObject({ code: 2, err: expect.stringContaining("keyover rotation shorten") });
  });

  it("evidence is explained with its sources", async () => {
    const { key, rotation } = await rotated();
    await rig.run(["verify", "--api", "market", "--network", "203.0.113.7", "--instance", "pod-1"], {
      stdin: key.secret,
    });
    const { out } = await rig.run(["rotation", "evidence", rotation]);
    expect(out).toContain("minimum-overlap");
    expect(out).toMatch(/203\.0\.113\.0\/24 pod-1/);
  });
});
