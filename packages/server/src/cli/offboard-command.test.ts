/** `keyover offboard` against a real authority. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Rig, startRig } from "./cli.test-world.ts";

let rig: Rig;
let ann: { id: string; secret: string };
let key: { id: string };
beforeAll(async () => {
  rig = await startRig();
  await rig.json("api", "create", "market", "--prefix", "mkt", "--scope", "market:read");
  await rig.json("consumer", "create", "acme");
  ann = await rig.json("token", "create", "ann", "--role", "operator", "--owner", "Ann@Example.com");
  const where = ["--api", "market", "--environment", "live", "--consumer", "acme", "--scope", "market:read"];
  const made = await rig.run(["key", "create", ...where, "--json"], { env: { KEYOVER_TOKEN: ann.secret } });
  key = JSON.parse(made.out);
});
afterAll(() => rig.close());

describe("keyover offboard", () => {
  test("without --yes shows what they could have seen, and does nothing", async () => {
    const before = (await rig.store.audit(0, 1_000)).length;
    const { code, out } = await rig.run(["offboard", "ann@example.com"]);
    expect(code).toBe(0);
    expect(out).toContain("owner:ann@example.com");
    expect(out).toMatch(new RegExp(`${ann.id} +ann +operator +yes +yes`));
    expect(out).toContain("1 in use, 0 whose key is suspended or expired, 0 being replaced, 0 refused for good");
    expect(out).toMatch(new RegExp(`${key.id} +acme: default +market +1 +in use +created`));
    expect(out).toContain('keyover offboard ann@example.com --yes --reason "…"');
    expect((await rig.store.audit(0, 1_000)).length).toBe(before);
  });

  test("asks for a reason, for a name that is known, and for one that is clear", async () => {
    expect(await rig.run(["offboard", "ann@example.com", "--yes"])).toMatchObject({ code: 2 });
    expect(await rig.run(["offboard", "ann@example.com", "--reason", "x"])).toMatchObject({ code: 2 });
    expect(await rig.run(["offboard", "ann@example.com", "--mode", "burn"])).toMatchObject({ code: 2 });
    const unknown = await rig.run(["offboard", "nobody"]);
    expect(unknown).toMatchObject({ code: 1 });
    expect(unknown.err).toContain("neither a token's handle");
    await rig.json("token", "create", "theirs", "--role", "auditor", "--owner", "acme");
    const unclear = await rig.run(["offboard", "acme"]);
    expect(unclear).toMatchObject({ code: 1 });
    expect(unclear.err).toContain("owner:acme or consumer:con_");
    expect((await rig.run(["offboard", "consumer:acme"])).out).toContain("consumer:con_");
  });

  test("with --yes revokes and replaces", async () => {
    const { code, out } = await rig.run(["offboard", "ann@example.com", "--yes", "--reason", "has left"]);
    expect(code).toBe(0);
    expect(out).toMatch(/owner:ann@example\.com: 1 token revoked\.\n1 key by rotate, in cam_/);
    await expect
      .poll(async () => (await rig.json<{ rotation: string | null }>("key", "show", key.id)).rotation)
      .not.toBeNull();
    expect(await rig.run(["key", "list"], { env: { KEYOVER_TOKEN: ann.secret } })).toMatchObject({ code: 1 });
    const { out: after } = await rig.run(["offboard", "ann@example.com"]);
    expect(after).toContain("Nothing is left to revoke or to replace.");
    expect(after).not.toContain("--yes");
  });
});

test("keyover token shows, finds and changes whose a token is", async () => {
  const { id } = await rig.json<{ id: string }>("token", "create", "ci", "--role", "auditor");
  expect((await rig.run(["token", "update", id, "--owner", "Team CI"])).out).toMatch(/owner +Team CI/);
  const found = await rig.json<{ items: { id: string }[] }>("token", "list", "--owner", "team ci");
  expect(found.items.map((token) => token.id)).toEqual([id]);
  expect((await rig.run(["token", "list"])).out).toContain("Team CI");
  expect((await rig.run(["token", "update", id, "--no-owner"])).out).not.toContain("Team CI");
  expect(await rig.run(["token", "update", id])).toMatchObject({ code: 2 });
});
