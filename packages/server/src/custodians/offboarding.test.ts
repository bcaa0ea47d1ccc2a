/** R29: who could have seen which secret is written down when it is shown, and one call replaces what somebody leaves with. */
import { sha256Text } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Answer, DAY, HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";
import { versionCustodian } from "../store/custodian-entities.ts";
import { put } from "../store/store.ts";
import type { ScriptedVerifier } from "../verifier.test-support.ts";

type Body = Answer["body"];

let keyover: TestAuthority;
let api: Body;
let acme: Body;
let verifier: ScriptedVerifier;
beforeEach(async () => {
  keyover = await TestAuthority.start({ logLevel: "warn" });
  api = await keyover.api();
  acme = await keyover.consumer({ name: "acme", labels: { partner: "acme", tier: "gold" } });
  verifier = await keyover.verifier(api);
});
afterEach(() => keyover.close());

/** A token and its text. */
const token = async (
  role: string,
  change: Record<string, unknown> = {},
  by?: string,
): Promise<{ id: string; secret: string }> =>
  keyover.ok("POST", "/v1/tokens", { name: role, role, ...change }, by === undefined ? undefined : { token: by });
const key = (by?: string, change: Record<string, unknown> = {}): Promise<Body> =>
  keyover.ok(
    "POST",
    "/v1/keys",
    { api: api.id, consumer: acme.id, environment: "live", scopes: ["market:*"], ...change },
    by === undefined ? undefined : { token: by },
  );
const reach = (who: string, query = "") =>
  keyover.ok("GET", `/v1/custodians/${encodeURIComponent(who)}?limit=500${query}`);
const secretsOf = async (who: string, query = "") =>
  (await reach(who, query)).secrets.items.map((secret: Body) => {
    const { key: id, version, state, ways, through } = secret;
    return { key: id, version, state, ways, through };
  });
const act = (who: string, body: Record<string, unknown> = {}, by?: string) =>
  keyover.ok(
    "POST",
    `/v1/custodians/${encodeURIComponent(who)}/offboard`,
    { reason: "has left", ...body },
    by === undefined ? undefined : { token: by },
  );
/** In the order in which they were made. */
const byKey = (secrets: Body[], keys: Body[]) => {
  const rank = (secret: Body) =>
    keys.findIndex(({ id }) => id === secret.key) + (secret.state === "works" || secret.state === "dormant" ? 0 : 100);
  return secrets.toSorted((a, b) => rank(a) - rank(b));
};
/** Carries a key over to its next version, which this token takes. */
async function changeOver(id: string, taker: string, by?: string): Promise<Body> {
  const rotation = await keyover.ok(
    "POST",
    `/v1/keys/${id}/rotations`,
    { reason: "routine" },
    by === undefined ? undefined : { token: by },
  );
  await keyover.pass(SECOND);
  await keyover.ok("POST", `/v1/rotations/${rotation.id}/claim`, undefined, { token: taker });
  verifier.see(id, rotation.to);
  await keyover.pass(SECOND);
  return rotation;
}
async function settled(id: string): Promise<Body> {
  for (let i = 0; i < 20; i++) {
    await keyover.pass(SECOND);
    const campaign = await keyover.ok("GET", `/v1/campaigns/${id}`);
    if (campaign.state === "ended" || campaign.state === "running") {
      const { items } = await keyover.ok("GET", `/v1/campaigns/${id}/items?limit=500`);
      if (items.every((item: Body) => item.state !== "waiting")) return items;
    }
  }
  throw new Error("the campaign has not started its keys");
}
const versionsOf = async (id: string) =>
  (await keyover.ok("GET", `/v1/keys/${id}`)).versions.map(({ number, state }: Body) => `${number} ${state}`);

describe("what somebody could have seen", () => {
  test("is what was shown to them: keys that they made, successors that they took, secrets that they handed in", async () => {
    const ann = await token("operator", { owner: "Ann@Example.com" });
    const bot = await token("consumer", { consumer: acme.id });
    const made = await key(ann.secret);
    const handed = await key(ann.secret, { sha256: sha256Text("made by the consumer") });
    const others = await key();
    await changeOver(made.id, bot.secret);
    await changeOver(others.id, bot.secret, ann.secret);
    // She made the first version, and only started the change of the other.
    expect(byKey(await secretsOf("ann@example.com"), [handed, made])).toEqual([
      { key: handed.id, version: 1, state: "works", ways: ["handed-in"], through: null },
      { key: made.id, version: 1, state: "replacing", ways: ["created"], through: null },
    ]);
    expect(await secretsOf(bot.id)).toEqual(
      [made.id, others.id]
        .sort((a, b) => (a < b ? -1 : 1))
        .map((id) => ({ key: id, version: 2, state: "works", ways: ["claimed"], through: null })),
    );
    await keyover.pass(HOUR);
    await keyover.pass(2 * HOUR);
    const after = await reach("owner:ann@example.com");
    expect(after.counts).toEqual({ works: 1, dormant: 0, replacing: 0, done: 1 });
    expect(after.tokens).toMatchObject([{ id: ann.id, owner: "Ann@Example.com", works: true, madeWith: null }]);
  });

  test("is written in the commit that shows it, and once, whoever takes a successor how often", async () => {
    const { id } = await key();
    const [one, two] = [await token("consumer", { consumer: acme.id }), await token("consumer", { consumer: acme.id })];
    const rotation = await keyover.ok("POST", `/v1/keys/${id}/rotations`, { reason: "routine" });
    await keyover.pass(SECOND);
    const claim = (by: string) => keyover.ok("POST", `/v1/rotations/${rotation.id}/claim`, undefined, { token: by });
    for (const by of [one, one, two, two, one]) await claim(by.secret);
    const rows = await keyover.store.list("custodian", { equals: { key_id: id } }, { limit: 10 });
    expect(rows.map(({ value: { who, version, how } }) => [who, version, how])).toEqual(
      expect.arrayContaining([
        [one.id, 2, "claimed"],
        [two.id, 2, "claimed"],
      ]),
    );
    expect(rows).toHaveLength(3);
    const claims = (await keyover.ok("GET", `/v1/audit?subject=${rotation.id}`)).items.filter(({ action }: Body) =>
      action.startsWith("rotation.claim"),
    );
    expect(claims).toHaveLength(5);
  });

  test("is also what was shown to tokens that they have made, and to those made with these; unless it is left out", async () => {
    const ann = await token("admin", { owner: "ann" });
    const bob = await token("operator", { owner: "bob" }, ann.secret);
    const bot = await token("consumer", { consumer: acme.id }, ann.secret);
    const deep = await token("admin", { owner: "ci" }, ann.secret);
    const deeper = await token("operator", {}, deep.secret);
    const [byBob, byDeeper] = [await key(bob.secret), await key(deeper.secret)];
    await changeOver(byBob.id, bot.secret);
    const found = await reach("ann");
    expect(found.tokens.map(({ id, madeWith }: Body) => [id, madeWith])).toEqual(
      expect.arrayContaining([
        [ann.id, null],
        [bob.id, ann.id],
        [bot.id, ann.id],
        [deeper.id, deep.id],
      ]),
    );
    expect(byKey(await secretsOf("ann"), [byBob, byDeeper])).toEqual([
      { key: byBob.id, version: 2, state: "works", ways: ["claimed"], through: bot.id },
      { key: byDeeper.id, version: 1, state: "works", ways: ["created"], through: deeper.id },
      { key: byBob.id, version: 1, state: "replacing", ways: ["created"], through: bob.id },
    ]);
    expect(await secretsOf("ann", "&direct=true")).toEqual([]);
    expect(await secretsOf("bob")).toHaveLength(1);
    expect(found.warnings.join()).toContain("4 tokens that they made for others still work");
  });

  test("is also what a key that they had took for itself", async () => {
    const ann = await token("operator", { owner: "ann" });
    const made = await key(ann.secret, { policy: { claim: "self" } });
    const rotation = await keyover.ok("POST", `/v1/keys/${made.id}/rotations`, { reason: "routine" });
    await keyover.pass(SECOND);
    await keyover.ok("POST", `/v1/rotations/${rotation.id}/claim`, undefined, { token: made.secret });
    expect(await secretsOf("ann")).toEqual([
      { key: made.id, version: 2, state: "works", ways: ["claimed"], through: null },
      { key: made.id, version: 1, state: "replacing", ways: ["created"], through: null },
    ]);
  });

  test("of a consumer is every version of its keys, and of a label that of all who carry it", async () => {
    const mine = await key();
    const other = await keyover.consumer({ labels: { partner: "acme" } });
    const theirs = await key(undefined, { consumer: other.id });
    const stranger = await keyover.consumer();
    await key(undefined, { consumer: stranger.id });
    const held = (id: string) => ({ key: id, version: 1, state: "works", ways: ["held"], through: null });
    for (const who of ["acme", acme.id, "consumer:acme", "tier=gold"])
      expect(await secretsOf(who)).toEqual([held(mine.id)]);
    expect(byKey(await secretsOf("partner=acme"), [mine, theirs])).toEqual([held(mine.id), held(theirs.id)]);
  });

  test("may come back, if its key is only suspended or has expired; a revoked one is done", async () => {
    const ann = await token("operator", { owner: "ann" });
    const [suspended, expired, revoked] = [
      await key(ann.secret),
      await key(ann.secret, { expiresAt: keyover.now() + MINUTE }),
      await key(ann.secret),
    ];
    await keyover.ok("POST", `/v1/keys/${suspended.id}/suspend`, { reason: "not paid" });
    await keyover.ok("POST", `/v1/keys/${revoked.id}/revoke`, { reason: "gone" });
    await keyover.pass(2 * MINUTE);
    const found = byKey(await secretsOf("ann"), [suspended, expired, revoked]);
    expect(found.map(({ key: id, state }: Body) => [id, state])).toEqual([
      [suspended.id, "dormant"],
      [expired.id, "dormant"],
      [revoked.id, "done"],
    ]);
  });
});

describe("a page of it", () => {
  /** All pages, as they are asked for one after the other. */
  const pages = async (who: string, limit: number, query = "") => {
    const all: Body[][] = [];
    for (let cursor = ""; ; ) {
      const after = cursor === "" ? "" : `&cursor=${cursor}`;
      const found = await keyover.ok("GET", `/v1/custodians/${encodeURIComponent(who)}?limit=${limit}${query}${after}`);
      expect(found.counts === null, "counts come with the first page").toBe(cursor !== "");
      all.push(found.secrets.items);
      if (found.secrets.next === null) return all;
      cursor = found.secrets.next;
    }
  };

  test("is what the whole has there, whatever the size, over tokens, consumers, states and versions", async () => {
    const other = await keyover.consumer({ name: "beta", labels: { partner: "acme" } });
    const bot = await token("consumer", { consumer: acme.id });
    const made: Body[] = [];
    for (let i = 0; i < 9; i++) made.push(await key(undefined, { consumer: i % 2 === 0 ? acme.id : other.id }));
    await changeOver(made[0].id, bot.secret);
    await changeOver(made[4].id, bot.secret);
    await keyover.ok("POST", `/v1/keys/${made[2].id}/revoke`, { reason: "gone" });
    await keyover.ok("POST", `/v1/keys/${made[3].id}/suspend`, { reason: "not paid" });
    const whole = (await reach("partner=acme")).secrets.items;
    expect(whole).toHaveLength(11);
    expect(whole.map(({ state }: Body) => state)).toEqual([
      ...Array(7).fill("works"),
      "dormant",
      "replacing",
      "replacing",
      "done",
    ]);
    for (const limit of [1, 2, 3, 5, 10, 11]) {
      const parts = await pages("partner=acme", limit);
      expect(parts.flat()).toEqual(whole);
      expect(parts.slice(0, -1).every(({ length }) => length === limit)).toBe(true);
    }
    const works = whole.filter(({ state }: Body) => state === "works");
    expect((await pages("partner=acme", 2, "&state=works")).flat()).toEqual(works);
    expect((await pages("acme", 2)).flat().map(({ key: id }) => id)).toEqual(
      whole.filter(({ consumer }: Body) => consumer === acme.id).map(({ key: id }: Body) => id),
    );
  });

  test("of what several tokens have seen has each secret once", async () => {
    const ann = await token("admin", { owner: "ann" });
    const bob = await token("admin", {}, ann.secret);
    const bots = [
      await token("consumer", { consumer: acme.id }, ann.secret),
      await token("consumer", { consumer: acme.id }, bob.secret),
    ];
    const made = [await key(ann.secret), await key(bob.secret), await key(ann.secret)];
    for (const [i, { id }] of made.entries()) await changeOver(id, (bots[i % 2] as { secret: string }).secret);
    const whole = (await reach("ann")).secrets.items;
    expect(whole.map(({ key: id, version }: Body) => `${id} ${version}`).sort()).toEqual(
      made.flatMap(({ id }) => [`${id} 1`, `${id} 2`]).sort(),
    );
    for (const limit of [1, 2, 4]) expect((await pages("ann", limit)).flat()).toEqual(whole);
  });

  test("reads what it shows, and not what came before", async () => {
    const ann = await token("operator", { owner: "ann" });
    const rows = Array.from({ length: 3_000 }, (_, i) => {
      const value = versionCustodian({
        who: ann.id,
        how: "created",
        keyId: `key_${String(i).padStart(6, "0")}`,
        version: 1,
        rotationId: null,
        via: null,
        at: keyover.now(),
      });
      return put("custodian", value);
    });
    const template = (await keyover.store.get("key", (await key(ann.secret)).id))?.value;
    const version = (await keyover.store.list("version", {}, { limit: 1 }))[0]?.value;
    if (template === undefined || version === undefined) throw new Error("it was made");
    const keys = rows.flatMap((_, i) => {
      const id = `key_${String(i).padStart(6, "0")}`;
      return [
        put("key", { ...template, id, name: `bot ${i}` }),
        put("version", { ...version, id: `ver_${i}`, keyId: id, sha256: sha256Text(`bot ${i}`) }),
      ];
    });
    const audit = [{ at: keyover.now(), actor: "test", action: "test.filled", subjects: [], details: {} }];
    await keyover.store.commit({ writes: [...rows, ...keys], audit, feed: [] });
    const first = await keyover.ok("GET", "/v1/custodians/ann?limit=500&state=works");
    expect(first.counts.works).toBe(3_001);
    const read = vi.spyOn(keyover.store, "list");
    let cursor = first.secrets.next;
    const reads: number[] = [];
    while (cursor !== null) {
      read.mockClear();
      const page = await keyover.ok("GET", `/v1/custodians/ann?limit=500&state=works&cursor=${cursor}`);
      reads.push(read.mock.calls.length);
      cursor = page.secrets.next;
    }
    expect(reads).toHaveLength(6);
    // Behind 2,500 secrets no more than behind 1,000.
    expect(Math.max(...reads)).toBeLessThan(30);
    read.mockRestore();
  });

  test("that no list has is refused", async () => {
    await token("operator", { owner: "ann" });
    for (const cursor of ["x", "works", "works.tok_x.key_x.1", "works.tok_x.key_x.", "odd.tok_x.key_x.1"])
      await keyover.refused("invalid_request", "GET", `/v1/custodians/ann?cursor=${cursor}`);
  });
});

describe("who", () => {
  test("nobody goes by, is not found; more than one thing does, is to be said", async () => {
    for (const who of ["nobody", "tok_0000000000000000000000", "no=such", "owner:acme", "token:acme", "label:acme"])
      await keyover.refused("not_found", "GET", `/v1/custodians/${encodeURIComponent(who)}`);
    await token("operator", { owner: "acme" });
    const refused = await keyover.refused("ambiguous", "GET", "/v1/custodians/acme");
    expect(refused.meant).toEqual(["owner:acme", `consumer:${acme.id}`]);
    expect((await reach("owner:acme")).who.kind).toBe("owner");
    expect((await reach(refused.meant[1])).who).toMatchObject({ kind: "consumer", consumers: [{ name: "acme" }] });
  });

  test("is found however a mail address is written, and its token can be given an owner later", async () => {
    const made = await token("operator");
    expect((await keyover.ok("GET", "/v1/tokens?owner=ann@example.com")).items).toEqual([]);
    await keyover.ok("PATCH", `/v1/tokens/${made.id}`, { owner: " Ann@Example.com " });
    const { items } = await keyover.ok("GET", "/v1/tokens?owner=ANN@example.com");
    expect(items).toMatchObject([{ id: made.id, owner: "Ann@Example.com" }]);
    expect((await reach("aNN@example.com")).who).toMatchObject({ kind: "owner", text: "owner:ann@example.com" });
    await keyover.ok("PATCH", `/v1/tokens/${made.id}`, { owner: null });
    await keyover.refused("not_found", "GET", "/v1/custodians/ann@example.com");
  });

  test("a text that could be anything breaks nothing", async () => {
    for (const who of ["=", "a=", "=b", "owner:", "%", "../keys", "ä".repeat(90), "x".repeat(200), "tok_", "label:="])
      expect((await keyover.call("GET", `/v1/custodians/${encodeURIComponent(who)}`)).status, who).toBe(404);
    expect((await keyover.call("GET", `/v1/custodians/${"x".repeat(300)}`)).status).toBe(400);
  });
});

describe("offboarding", () => {
  test("revokes their tokens and rotates what they could have seen; what was rotated since is left alone", async () => {
    const ann = await token("operator", { owner: "ann" });
    const second = await token("auditor", { owner: "ann" });
    const bot = await token("consumer", { consumer: acme.id });
    const [live, changed, others] = [await key(ann.secret), await key(ann.secret), await key()];
    await changeOver(changed.id, bot.secret);
    await keyover.pass(HOUR);
    await keyover.pass(2 * HOUR);
    expect(await versionsOf(changed.id)).toEqual(["1 destroyed", "2 active"]);
    const done = await act("ann");
    expect(done).toMatchObject({ who: "owner:ann", mode: "rotate", left: [], keys: 1 });
    expect(done.revoked.sort()).toEqual([ann.id, second.id].sort());
    expect((await keyover.call("GET", "/v1/keys", undefined, { token: ann.secret })).status).toBe(401);
    expect(await settled(done.campaign)).toMatchObject([{ key: live.id, state: "started" }]);
    expect(await versionsOf(live.id)).toHaveLength(2);
    expect(await versionsOf(changed.id)).toHaveLength(2);
    expect(await versionsOf(others.id)).toHaveLength(1);
    // The consumer takes the successor, and nothing is left that she could have seen.
    const rotation = (await keyover.ok("GET", `/v1/keys/${live.id}`)).rotation;
    await keyover.ok("POST", `/v1/rotations/${rotation}/claim`, undefined, { token: bot.secret });
    verifier.see(live.id, 2);
    await keyover.pass(HOUR);
    await keyover.pass(2 * HOUR);
    expect((await reach("ann")).counts).toEqual({ works: 0, dormant: 0, replacing: 0, done: 2 });
    // Again: nothing is left to do.
    expect(await act("ann")).toMatchObject({ revoked: [], campaign: null, keys: 0 });
    const noted = (await keyover.ok("GET", `/v1/audit?subject=${ann.id}`)).items.map(({ action }: Body) => action);
    expect(noted).toEqual(["token.created", "secret.expired", "token.revoked"]);
  });

  test("by kill refuses at once just what they could have seen", async () => {
    const ann = await token("operator", { owner: "ann" });
    const bot = await token("consumer", { consumer: acme.id });
    const [live, changing] = [await key(ann.secret), await key(ann.secret)];
    await changeOver(changing.id, bot.secret);
    const done = await act("ann", { mode: "kill" });
    expect(done.keys).toBe(2);
    await settled(done.campaign);
    expect(await versionsOf(live.id)).toEqual(["1 retired", expect.stringMatching(/^2 (pending|active)$/)]);
    // Its successor was taken by another, whom nobody doubts.
    expect(await versionsOf(changing.id)).toEqual(["1 destroyed", "2 active"]);
    expect(await keyover.ok("POST", "/v1/verify", { api: api.id, key: live.secret })).toMatchObject({ valid: false });
  });

  test("of a partner takes its tokens and its keys", async () => {
    const bot = await token("consumer", { consumer: acme.id });
    const mine = await key();
    const found = await reach("acme");
    expect(found.tokens).toMatchObject([{ id: bot.id, works: true }]);
    expect(found.warnings.join()).toContain("these are their own keys");
    const done = await act("acme", { mode: "kill" });
    expect(done).toMatchObject({ revoked: [bot.id], keys: 1 });
    await settled(done.campaign);
    expect((await versionsOf(mine.id))[0]).toBe("1 retired");
  });

  test("leaves tokens that they made for others, unless these are meant too", async () => {
    const ann = await token("admin", { owner: "ann" });
    const bob = await token("operator", { owner: "bob" }, ann.secret);
    const made = await key(bob.secret);
    const direct = await act("ann", { direct: true });
    expect(direct).toMatchObject({ revoked: [ann.id], campaign: null, left: [{ token: bob.id }] });
    const whole = await act("ann", { revokeMade: true });
    expect(whole).toMatchObject({ revoked: [bob.id], left: [], keys: 1 });
    expect(await settled(whole.campaign)).toMatchObject([{ key: made.id }]);
  });

  test("of oneself leaves the token that asks, so that it can be seen through; nobody is locked out", async () => {
    const ann = await token("admin", { owner: "ann" });
    const second = await token("admin", { owner: "ann" }, ann.secret);
    const made = await key(ann.secret);
    expect((await keyover.ok("GET", "/v1/custodians/ann", undefined, { token: ann.secret })).warnings.join()).toContain(
      "is theirs: it is left",
    );
    const done = await act("ann", {}, ann.secret);
    expect(done).toMatchObject({
      revoked: [second.id],
      left: [{ token: ann.id, why: expect.stringContaining("asks") }],
    });
    expect(await settled(done.campaign)).toMatchObject([{ key: made.id }]);
    expect((await keyover.call("GET", "/v1/tokens", undefined, { token: ann.secret })).status).toBe(200);
    expect(await act("ann")).toMatchObject({ revoked: [ann.id] });
  });

  test("asked twice with one Idempotency-Key is done once", async () => {
    const ann = await token("operator", { owner: "ann" });
    await key(ann.secret);
    const options = { idempotencyKey: "leaver-1" };
    const first = await keyover.ok("POST", "/v1/custodians/ann/offboard", { reason: "has left" }, options);
    const second = await keyover.ok("POST", "/v1/custodians/ann/offboard", { reason: "has left" }, options);
    expect(second).toEqual(first);
    expect((await keyover.ok("GET", "/v1/campaigns")).items).toHaveLength(1);
    // With no key to replace, too.
    await token("operator", { owner: "bob" });
    const bobs = { idempotencyKey: "leaver-2" };
    const gone = await keyover.ok("POST", "/v1/custodians/bob/offboard", { reason: "has left" }, bobs);
    expect(gone).toMatchObject({ campaign: null, revoked: [expect.any(String)] });
    expect(await keyover.ok("POST", "/v1/custodians/bob/offboard", { reason: "has left" }, bobs)).toEqual(gone);
  });

  test("is for administrators; looking is for operators and auditors too", async () => {
    await token("operator", { owner: "ann" });
    for (const role of ["operator", "auditor"]) {
      const { secret } = await token(role);
      await keyover.ok("GET", "/v1/custodians/ann", undefined, { token: secret });
      await keyover.refused("forbidden", "POST", "/v1/custodians/ann/offboard", { reason: "x" }, { token: secret });
    }
    await keyover.refused("invalid_request", "POST", "/v1/custodians/ann/offboard", {});
  });

  test("shows no secret", async () => {
    const ann = await token("operator", { owner: "ann" });
    const made = await key(ann.secret);
    const { text } = await keyover.call("GET", "/v1/custodians/ann");
    for (const secret of [ann.secret, made.secret, sha256Text(made.secret)]) expect(text).not.toContain(secret);
  });
});

test("a key that has been idle for long is no exception", async () => {
  const ann = await token("operator", { owner: "ann" });
  await key(ann.secret);
  await keyover.pass(DAY);
  expect((await act("ann")).keys).toBe(1);
});
