import { defaultRotationPolicy } from "@keyover/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, DAY, HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let consumer: Answer["body"];
let key: Answer["body"];
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api({ policy: {} });
  consumer = await keyover.consumer({ labels: { team: "desk" } });
  key = await keyover.key({ api, consumer });
});
afterEach(() => keyover.close());

const apply = (name: string, spec: object, more: object = {}) =>
  keyover.ok("PUT", `/v1/policies/${name}`, { spec, ...more });
const attach = (name: string, target: object) => keyover.ok("POST", `/v1/policies/${name}/attachments`, { target });
const onApi = () => ({ kind: "api", api: api.id });
const onLabel = (value = "desk", of: string | null = null) => ({ kind: "label", name: "team", value, api: of });
const explain = (id = key.id) => keyover.ok("GET", `/v1/keys/${id}/policy`);
const member = async (name: string, id = key.id) =>
  (await explain(id)).members.find((each: { member: string }) => each.member === name);
const actions = async (subject: string) =>
  (await keyover.ok("GET", `/v1/audit?subject=${subject}`)).items.map(({ action }: { action: string }) => action);

describe("a policy", () => {
  test("is made, changed and kept in its versions; what would change is shown first", async () => {
    const dry = await apply("desk", { overlapMs: 20 * DAY }, { dryRun: true });
    expect(dry).toMatchObject({
      outcome: "created",
      dryRun: true,
      policy: { id: null, version: 1 },
      changes: [{ member: "overlapMs", before: null, after: 20 * DAY }],
    });
    await keyover.refused("not_found", "GET", "/v1/policies/desk");

    const { policy } = await apply("desk", { overlapMs: 20 * DAY });
    const changed = await apply("desk", { overlapMs: 21 * DAY, schedule: { everyMs: 30 * DAY } });
    expect(changed).toMatchObject({
      outcome: "changed",
      policy: { id: policy.id, version: 2 },
      changes: [
        { member: "overlapMs", before: 20 * DAY, after: 21 * DAY },
        { member: "schedule.everyMs", before: null, after: 30 * DAY },
      ],
    });
    const before = await keyover.entries();
    expect(await apply("desk", { schedule: { everyMs: 30 * DAY }, overlapMs: 21 * DAY })).toMatchObject({
      outcome: "unchanged",
      policy: { version: 2 },
      changes: [],
    });
    expect(await keyover.entries()).toBe(before);
    const { items } = await keyover.ok("GET", "/v1/policies/desk/versions");
    expect(items.map(({ version, spec }: Answer["body"]) => [version, spec.overlapMs])).toEqual([
      [2, 21 * DAY],
      [1, 20 * DAY],
    ]);
    expect(await actions(policy.id)).toEqual(["policy.created", "policy.changed"]);
  });

  test("two people who change it at once do not overwrite each other unseen", async () => {
    await apply("desk", {});
    const answers = await Promise.all(
      [1, 2, 3].map((days) => keyover.call("PUT", "/v1/policies/desk", { spec: { quietMs: days * DAY } })),
    );
    const done = answers.filter(({ status }) => status === 200);
    const { items } = await keyover.ok("GET", "/v1/policies/desk/versions");
    expect(items).toHaveLength(1 + done.length);
    for (const { body, status } of answers) if (status !== 200) expect(body.code).toBe("conflict");
  });

  test("repeated with its Idempotency-Key it is made once, and answered alike", async () => {
    const call = () => keyover.call("PUT", "/v1/policies/desk", { spec: { quietMs: DAY } }, { idempotencyKey: "p1" });
    const [first, second] = [await call(), await call()];
    expect(second.body).toEqual(first.body);
    expect(second.headers["idempotency-replayed"]).toBe("true");
    const hold = { target: onApi() };
    const attached = () => keyover.call("POST", "/v1/policies/desk/attachments", hold, { idempotencyKey: "a1" });
    expect((await attached()).body).toEqual((await attached()).body);
  });

  test.each([
    ["contradicts itself", { overlapMs: HOUR, overlapMinMs: 2 * HOUR }, "invalid_policy"],
    ["has a longer overlap than may be", { overlapMs: 9 * DAY, overlapMaxMs: 8 * DAY }, "invalid_policy"],
    [
      "names a zone that does not exist",
      { schedule: { cron: { expression: "0 3 * * 1", zone: "Mars/Base" } } },
      "invalid_request",
    ],
    [
      "names an offset for a zone",
      { schedule: { cron: { expression: "0 3 * * 1", zone: "+02:00" } } },
      "invalid_request",
    ],
    [
      "has an expression that is none",
      { schedule: { cron: { expression: "61 * * * *", zone: "UTC" } } },
      "invalid_request",
    ],
    [
      "has an expression with seconds",
      { schedule: { cron: { expression: "0 0 3 * * 1", zone: "UTC" } } },
      "invalid_request",
    ],
    [
      "has an expression that never fires",
      { schedule: { cron: { expression: "0 3 30 2 *", zone: "UTC" } } },
      "invalid_policy",
    ],
    ["leaves no time", { schedule: { blackouts: [{ zone: "UTC", from: "00:00", to: "24:00" }] } }, "invalid_policy"],
    [
      "has a blackout without length",
      { schedule: { blackouts: [{ zone: "UTC", from: "03:00", to: "03:00" }] } },
      "invalid_request",
    ],
    [
      "has a blackout that ends before it begins",
      { schedule: { blackouts: [{ zone: "UTC", from: "2027-02-02", to: "2027-02-01" }] } },
      "invalid_request",
    ],
    [
      "has a date that is none",
      { schedule: { holidays: [{ zone: "UTC", dates: ["2027-02-30"] }] } },
      "invalid_request",
    ],
    ["has a member that there isn't", { overlap: DAY }, "invalid_request"],
    ["has a member that belongs elsewhere", { maxAgeMs: DAY }, "invalid_request"],
    ["has brownouts in a zone that does not exist", { brownout: { zone: "Europe/Atlantis" } }, "invalid_request"],
    ["has brownouts at no time of day", { brownout: { at: "24:00" } }, "invalid_request"],
    ["has no brownout of any length", { brownout: { lengthsMs: [] } }, "invalid_request"],
    ["has a brownout of more than an hour", { brownout: { lengthsMs: [HOUR + 1] } }, "invalid_request"],
    [
      "has a brownout that is longer than the overlap",
      { onDeadline: "brownout", overlapMs: 2 * MINUTE, overlapMinMs: MINUTE },
      "invalid_policy",
    ],
    ["has a fence that limits nothing", { fence: { from: "used" } }, "invalid_request"],
    ["has a fence with a pattern that is none", { fence: { without: ["*:With draw"] } }, "invalid_request"],
    ["brings back after no refusal", { automaticRollback: { refusals: 0 } }, "invalid_request"],
  ])("that %s is refused", async (_what, spec, code) => {
    await keyover.refused(code, "PUT", "/v1/policies/desk", { spec });
  });

  test("with a wrong blackout is told what is wrong with the form that was meant", async () => {
    const wrong = async (blackout: object) =>
      (
        await keyover.refused("invalid_request", "PUT", "/v1/policies/desk", {
          spec: { schedule: { blackouts: [blackout] } },
        })
      ).detail;
    const hours = { zone: "UTC", from: "09:00", to: "17:00" };
    expect(await wrong({ ...hours, days: ["monday"] })).toMatch(
      /^body\.spec\.schedule\.blackouts\.0\.days\.0: takes sun, mon, /,
    );
    expect(await wrong({ ...hours, from: "9:00" })).toBe("body.spec.schedule.blackouts.0.from: a time of day as HH:MM");
    expect(await wrong({ zone: "UTC", from: "2026-12-24", to: "2026-12-32" })).toBe(
      "body.spec.schedule.blackouts.0.to: no such date",
    );
  });

  test("that is probably not what was meant is taken with a warning", async () => {
    const warn = async (spec: object) => (await apply("desk", spec, { dryRun: true })).warnings.join("; ");
    expect(await warn({ schedule: { everyMs: 180 * DAY } })).toContain("the maximum age of 90 days that is inherited");
    expect(await warn({ schedule: { everyMs: 10 * DAY, jitterMs: 6 * DAY } })).toContain("more than half");
    expect(await warn({ schedule: { maxAgeMs: null } })).toContain("never rotate by themselves");
    expect(await warn({ quietMs: 15 * DAY })).toContain("the deadline always comes first");
    expect(await warn({ quietMs: 15 * DAY, onDeadline: "retire" })).toContain("never retires on evidence");
    expect(await warn({ overlapMs: 2 * DAY, remindMs: [3 * DAY] })).toContain("before the overlap");
    expect(await warn({ brownout: { at: "09:00" } })).toContain("counts only where onDeadline is brownout");
    expect(await warn({ fence: { afterMs: 20 * DAY, networks: "seen" } })).toContain("after the deadline, if at all");
    expect(await warn({ automaticRollback: { refusals: 9 }, rollbackMs: 0 })).toContain("never comes to pass");
    expect(await warn({ overlapMs: DAY / 12 })).toContain("quietMs (1 day) is longer than overlapMs (2 hours)");
    expect(await warn({ quietMs: 2 * DAY, channels: [] })).toBe("");
  });
});

describe("channels", () => {
  const hook = (name: string) =>
    keyover.ok("POST", "/v1/channels", { name, target: { kind: "webhook", url: "https://hooks.example/" } });

  test("that are not there are refused with those that are", async () => {
    const none = await keyover.refused("unknown_channel", "PUT", "/v1/policies/desk", { spec: { channels: ["ops"] } });
    expect(none.detail).toBe("there is no channel ops; there are none yet");
    await hook("ops");
    const refused = await keyover.refused("unknown_channel", "PUT", "/v1/policies/desk", {
      spec: { channels: ["ops", "opps"] },
      dryRun: true,
    });
    expect(refused).toMatchObject({
      unknown: ["opps"],
      known: ["ops"],
      detail: "there is no channel opps; there are ops",
    });
    expect(await apply("desk", { channels: ["ops"] })).toMatchObject({ outcome: "created", warnings: [] });
  });

  test("that were renamed or removed since are told of by explain", async () => {
    const { id } = await hook("ops");
    await apply("desk", { channels: ["ops"] });
    await attach("desk", onApi());
    expect((await explain()).warnings).toEqual([]);
    await keyover.ok("PATCH", `/v1/channels/${id}`, { name: "operations", force: true });
    const dangling = "channels names ops, and there is no such channel any more: notices go out by the others alone";
    expect((await explain()).warnings).toEqual([dangling]);
    await keyover.refused("unknown_channel", "PUT", "/v1/policies/desk", { spec: { channels: ["ops"] } });
    await keyover.ok("PATCH", `/v1/channels/${id}`, { name: "ops" });
    expect((await explain()).warnings).toEqual([]);
  });
});

describe("attachments", () => {
  test("are to what there is; the same one is there once; a policy in use is not removed", async () => {
    await apply("desk", { quietMs: 2 * DAY });
    const to = (target: object) => ["POST", "/v1/policies/desk/attachments", { target }] as const;
    await keyover.refused("not_found", ...to({ kind: "api", api: "api_none" }));
    await keyover.refused("not_found", ...to({ kind: "key", key: "key_none" }));
    await keyover.refused("unknown_environment", ...to({ kind: "environment", api: api.id, environment: "moon" }));
    await keyover.refused("not_found", "POST", "/v1/policies/none/attachments", { target: onApi() });

    const { id } = await attach("desk", onApi());
    expect(await attach("desk", onApi())).toMatchObject({ id });
    await attach("desk", onLabel());
    expect((await keyover.ok("GET", "/v1/policies/desk")).attachments).toHaveLength(2);
    expect(await keyover.refused("policy_in_use", "DELETE", "/v1/policies/desk")).toMatchObject({ attachments: 2 });
    for (const each of (await keyover.ok("GET", "/v1/policies/desk")).attachments)
      await keyover.ok("DELETE", `/v1/attachments/${each.id}`);
    await keyover.refused("not_found", "DELETE", `/v1/attachments/${id}`);
    await keyover.ok("DELETE", "/v1/policies/desk");
    expect((await keyover.ok("GET", "/v1/policies/desk/versions")).items).toHaveLength(1);
    await keyover.refused("not_found", "GET", "/v1/policies/desk");
  });

  test("say how many keys they reach", async () => {
    const other = await keyover.consumer();
    await keyover.key({ api, consumer: other }, { environment: "test" });
    await keyover.key({ api: await keyover.api(), consumer });
    await apply("desk", {});
    for (const target of [
      onApi(),
      { kind: "environment", api: api.id, environment: "live" },
      onLabel(),
      onLabel("desk", api.id),
      { kind: "key", key: key.id },
    ]) {
      await attach("desk", target);
      await keyover.clock.advance(1);
    }
    const { reach } = await apply("desk", { quietMs: DAY }, { dryRun: true });
    expect(reach.map(({ target, keys }: Answer["body"]) => [target.kind, target.api ?? null, keys])).toEqual([
      ["api", api.id, 2],
      ["environment", api.id, 1],
      ["label", null, 2],
      ["label", api.id, 1],
      ["key", null, 1],
    ]);
  });
});

describe("what holds for a key", () => {
  test("is from the nearest rule, and explains what it stands above", async () => {
    for (const [name, ms] of [
      ["api", 10],
      ["environment", 11],
      ["label", 12],
      ["key", 13],
    ] as const)
      await apply(name, { quietMs: ms * DAY, overlapMs: 20 * DAY });
    await attach("key", { kind: "key", key: key.id });
    await attach("api", onApi());
    expect(await member("quietMs")).toMatchObject({
      value: 13 * DAY,
      rule: { kind: "policy", name: "key", version: 1 },
    });
    const { attachments } = await keyover.ok("GET", "/v1/policies/key");
    await keyover.ok("DELETE", `/v1/attachments/${attachments[0].id}`);
    await attach("label", onLabel());
    await attach("environment", { kind: "environment", api: api.id, environment: "live" });
    expect(await member("quietMs")).toMatchObject({
      value: 12 * DAY,
      rule: { name: "label", text: "policy label (version 1), attached to consumers with team=desk" },
      overrode: [
        { value: 11 * DAY, rule: { name: "environment" } },
        { value: 10 * DAY, rule: { name: "api" } },
        { value: DAY, rule: { kind: "default" } },
      ],
    });
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, { policy: { quietMs: 14 * DAY } });
    expect(await member("quietMs")).toMatchObject({ value: 14 * DAY, rule: { kind: "key" } });
    expect(await member("gapMargin")).toMatchObject({ rule: { kind: "default" }, overrode: [] });
  });

  test("does not reach other environments, consumers or apis", async () => {
    await apply("desk", { quietMs: 9 * DAY });
    await attach("desk", { kind: "environment", api: api.id, environment: "test" });
    await attach("desk", onLabel("risk"));
    await attach("desk", onLabel("desk", (await keyover.api()).id));
    expect(await member("quietMs")).toMatchObject({ value: DAY });
  });

  test("of two policies on one label the later attached wins, and says so", async () => {
    await apply("one", { quietMs: 2 * DAY });
    await apply("two", { quietMs: 3 * DAY });
    await attach("two", onLabel());
    await keyover.pass(SECOND);
    await attach("one", onLabel());
    expect(await member("quietMs")).toMatchObject({
      value: 2 * DAY,
      rule: { name: "one" },
      overrode: [{ value: 3 * DAY, rule: { name: "two" } }, {}],
    });
  });

  test("is what a rotation begins with and keeps, and names the versions that it came from", async () => {
    const { policy } = await apply("desk", {
      quietMs: 2 * DAY,
      consumerMayExtendMs: HOUR,
      schedule: { everyMs: 60 * DAY },
    });
    await attach("desk", onLabel());
    const rotation = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, { policy: { gapMargin: 2 } });
    await apply("desk", { quietMs: 5 * DAY });
    const after = await keyover.ok("GET", `/v1/rotations/${rotation.id}`);
    expect(after.policy).toEqual({
      ...defaultRotationPolicy,
      quietMs: 2 * DAY,
      consumerMayExtendMs: HOUR,
      gapMargin: 2,
    });
    expect(after.policySources).toEqual([
      { kind: "policy", policy: policy.id, name: "desk", version: 1, members: ["quietMs", "consumerMayExtendMs"] },
      { kind: "start", members: ["gapMargin"] },
    ]);
  });

  test("is taken for the successor after a leak as well", async () => {
    await apply("desk", { quietMs: 2 * DAY });
    await attach("desk", onApi());
    const rotation = await keyover.ok("POST", `/v1/keys/${key.id}/emergency`, { mode: "kill", reason: "leaked" });
    expect(rotation).toMatchObject({ policy: { quietMs: 2 * DAY }, policySources: [{ name: "desk" }] });
  });

  test("that contradicts itself through several rules refuses the start, and says so before", async () => {
    await apply("long", { overlapMinMs: 12 * DAY });
    await attach("long", onApi());
    await keyover.ok("PATCH", `/v1/apis/${api.id}`, { policy: {} });
    await apply("short", { overlapMs: 10 * DAY });
    await attach("short", onLabel());
    expect((await explain()).problem).toContain("overlapMinMs (12d) is longer than overlapMs (10d)");
    await keyover.refused("invalid_policy", "POST", `/v1/keys/${key.id}/rotations`, {});
  });

  test("is a calendar: what will happen when, with the reasons", async () => {
    const zone = "America/New_York";
    const blackouts = [
      { name: "market hours", zone, days: ["mon", "tue", "wed", "thu", "fri"], from: "09:30", to: "16:00" },
    ];
    // Monday, 2027-01-18, 14:30 in New York.
    await apply("desk", {
      schedule: { cron: { expression: "30 14 * * 1", zone }, blackouts },
      overlapMs: 10 * DAY,
      remindMs: [DAY],
    });
    await attach("desk", onLabel());
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, { expiresAt: keyover.now() + 100 * DAY });
    const { rotateAt, reasons, calendar } = await explain();
    const monday = Date.parse("2027-01-18T21:00:00Z");
    expect(rotateAt).toBe(monday);
    expect(reasons.at(-1).text).toBe(
      "moved from Mon 2027-01-18 14:30 America/New_York to Mon 2027-01-18 16:00 America/New_York because of blackout 'market hours'",
    );
    expect(calendar.map(({ at, what }: Answer["body"]) => [what, at])).toEqual([
      ["rotation", monday],
      ["offer", monday],
      ["earliest-retirement", monday + DAY],
      ["rollback-end", monday + 8 * DAY],
      ["reminder", monday + 9 * DAY],
      ["deadline", monday + 10 * DAY],
      ["expiry-announce", key.createdAt + 70 * DAY],
      ["expiry-announce", key.createdAt + 93 * DAY],
      ["expiry-announce", key.createdAt + 99 * DAY],
      ["expiry-expired", key.createdAt + 100 * DAY],
    ]);
    const { id } = await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
    await keyover.pass(SECOND);
    const running = await explain();
    expect(running.rotateAt).toBeNull();
    expect(running.calendar[0]).toMatchObject({ what: "offer" });
    await keyover.pass(2 * DAY);
    const { calendar: later, now } = await explain();
    const ahead = later.filter(({ what }: Answer["body"]) => ["earliest-retirement", "rollback-end"].includes(what));
    expect(ahead.map(({ at }: Answer["body"]) => at - now)).toEqual([0, 7 * DAY]);
    await keyover.ok("POST", `/v1/rotations/${id}/pause`, { reason: "a look" });
    expect((await explain()).calendar[0].text).toContain("a look");
  });

  test("warns of a caller that is silent for longer than the overlap", async () => {
    await keyover.ok("PATCH", `/v1/keys/${key.id}`, { policy: { overlapMs: 2 * DAY, claimMs: 3 * DAY, remindMs: [] } });
    const verifier = await keyover.verifier(api);
    verifier.see(key.id, 1);
    await keyover.pass(MINUTE);
    await keyover.pass(3 * DAY);
    verifier.see(key.id, 1);
    await keyover.pass(MINUTE);
    const { warnings } = await explain();
    expect(warnings).toEqual([
      expect.stringMatching(/^203\.0\.113\.0\/24.* silent for up to 3 days and must be silent for 4.5 days/),
    ]);
  });

  test("is shown to its own consumer, and to no other", async () => {
    const own = await keyover.token("consumer", { consumer: consumer.id });
    const other = await keyover.token("consumer", { consumer: (await keyover.consumer()).id });
    await keyover.ok("GET", `/v1/keys/${key.id}/policy`, undefined, { token: own });
    await keyover.refused("not_found", "GET", `/v1/keys/${key.id}/policy`, undefined, { token: other });
  });
});
