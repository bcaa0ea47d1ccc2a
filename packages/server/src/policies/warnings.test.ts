/** What is taken, and yet answered with a warning: by HTTP, and as `keyover policy` prints it (cli/policy-commands.test.ts). */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, DAY, HOUR, TestAuthority } from "../authority.test-support.ts";

let keyover: TestAuthority;
let api: Answer["body"];
let key: Answer["body"];
beforeEach(async () => {
  keyover = await TestAuthority.start();
  api = await keyover.api({ policy: {} });
  const consumer = await keyover.consumer({ labels: { team: "desk" } });
  key = await keyover.key({ api, consumer });
});
afterEach(() => keyover.close());

const apply = (name: string, spec: object) => keyover.ok("PUT", `/v1/policies/${name}`, { spec });
const attach = (name: string, target: object) => keyover.ok("POST", `/v1/policies/${name}/attachments`, { target });
const onLabel = (of: string | null = null) => ({ kind: "label", name: "team", value: "desk", api: of });
const onKey = () => ({ kind: "key", key: key.id });

/** A job that comes every ten days, and a bot that comes each hour. */
async function traffic(): Promise<void> {
  const verifier = await keyover.verifier(api);
  const source = { network: "198.51.100.0/24", client: "billing-job/3", instance: "" };
  for (const at of [0, 10, 20])
    verifier.see(key.id, 1, { source, first: keyover.now() + at * DAY, last: keyover.now() + at * DAY });
  verifier.see(key.id, 1, { last: keyover.now() + 20 * DAY, accepted: 480, longestGapMs: HOUR });
  await keyover.clock.advance(20 * DAY);
  await verifier.catchUp();
}

describe("an overlap that is shorter than a caller's usual silence", () => {
  const job =
    /^198\.51\.100\.0\/24 billing-job\/3 of key_\w+ is usually silent for up to 10 days and must be silent for 15 days, which is longer than the overlap of 12 days: /;

  test("is taken, where the policy is attached and where it is changed; the caller is named", async () => {
    await traffic();
    await apply("desk", { overlapMs: 12 * DAY });
    const { warnings } = await attach("desk", onLabel());
    expect(warnings).toEqual([expect.stringMatching(job)]);
    expect(warnings[0]).toContain("the old version will be held past its deadline");

    const changed = await apply("desk", { overlapMs: 12 * DAY, onDeadline: "retire" });
    expect(changed.warnings).toEqual([expect.stringMatching(job)]);
    expect(changed.warnings[0]).toContain("may retire before its next use, which is then refused");
    expect((await apply("desk", { overlapMs: 20 * DAY })).warnings).toEqual([]);
  });

  test("of a rotation that runs is told by `explain`, with that rotation's own overlap", async () => {
    await traffic();
    const explain = async () => (await keyover.ok("GET", `/v1/keys/${key.id}/policy`)).warnings;
    await apply("desk", { overlapMs: 20 * DAY });
    await attach("desk", onKey());
    expect(await explain()).toEqual([]);
    await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, { policy: { overlapMs: 2 * DAY } });
    expect(await explain()).toEqual([expect.stringContaining("longer than the overlap of 2 days")]);
  });

  test("is told of five callers at most, and of how many more there are", async () => {
    const verifier = await keyover.verifier(api);
    for (let i = 0; i < 8; i++) {
      const source = { network: `198.51.${i}.0/24`, client: "job/1", instance: "" };
      for (const at of [0, 10])
        verifier.see(key.id, 1, { source, first: keyover.now() + at * DAY, last: keyover.now() + at * DAY });
    }
    await keyover.clock.advance(10 * DAY);
    await verifier.catchUp();
    await apply("desk", { overlapMs: 2 * DAY });
    const { warnings } = await attach("desk", { kind: "api", api: api.id });
    expect(warnings).toHaveLength(6);
    expect(warnings[5]).toBe("the same holds for 3 more callers of the 1 key looked at");
  });
});

describe("two policies at one place", () => {
  test("are taken; it is said which of them counts for what both say", async () => {
    await apply("desk", { overlapMs: 12 * DAY, quietMs: 2 * DAY });
    await apply("strict", { overlapMs: 20 * DAY, schedule: { maxAgeMs: 30 * DAY } });
    expect((await attach("desk", onLabel())).warnings).toEqual([]);
    await keyover.clock.advance(1);
    const shared = "is attached there too; of what both say (overlapMs)";
    expect((await attach("strict", onLabel())).warnings).toEqual([
      `policy desk ${shared} this one counts, because it is attached later`,
    ]);
    // Again, the other way round: nothing changes by it.
    expect((await attach("desk", onLabel())).warnings).toEqual([
      `policy strict ${shared} strict counts, because it was attached later`,
    ]);
    const { members } = await keyover.ok("GET", `/v1/keys/${key.id}/policy`);
    const overlap = members.find(({ member }: { member: string }) => member === "overlapMs");
    expect(overlap).toMatchObject({
      value: 20 * DAY,
      rule: { name: "strict" },
      overrode: [{ rule: { name: "desk" } }, {}],
    });
  });

  test("on a label in all apis and in one are at one place too; policies that share no member are none", async () => {
    await apply("wide", { overlapMs: 12 * DAY });
    await apply("narrow", { overlapMs: 13 * DAY });
    await apply("other", { remindMs: [DAY] });
    await attach("wide", onLabel());
    expect((await attach("other", onLabel(api.id))).warnings).toEqual([]);
    expect((await attach("narrow", onLabel(api.id))).warnings).toEqual([
      expect.stringContaining("policy wide is attached there too"),
    ]);
  });

  test("repeated with its Idempotency-Key the answer is the same, warnings and all", async () => {
    await apply("desk", { overlapMs: 12 * DAY });
    await apply("strict", { overlapMs: 20 * DAY });
    await attach("desk", onLabel());
    const again = () =>
      keyover.call("POST", "/v1/policies/strict/attachments", { target: onLabel() }, { idempotencyKey: "a1" });
    const first = await again();
    expect(first.body.warnings).toHaveLength(1);
    expect((await again()).body).toEqual(first.body);
  });
});

test("a policy under which the old version can't have retired when the next rotation is due is taken with a warning", async () => {
  const longer = { quietMs: 40 * DAY, overlapMs: 50 * DAY, claimMs: 50 * DAY, schedule: { maxAgeMs: 30 * DAY } };
  const { warnings } = await apply("never", longer);
  expect(warnings).toEqual([
    "quietMs (40 days) is not shorter than the time between two rotations (30 days): the old version can't have retired when the next rotation is due, which then waits",
  ]);
  expect((await apply("never", { ...longer, onDeadline: "retire" })).warnings).toEqual([]);
});

describe("blackouts that leave no day for a brownout", () => {
  const plan = { at: "12:00", after: "retire" };
  const noons = { zone: "UTC", from: "11:30", to: "13:00" };
  const said = (after: string) =>
    `blackouts and holidays leave no time for a brownout at 12:00 within 366 days: none will come, and after its deadline the old version is held${after}`;
  const explained = async () => (await keyover.ok("GET", `/v1/keys/${key.id}/policy`)).warnings;

  test("are said where the policy is made, and explained for its keys", async () => {
    const spec = { onDeadline: "brownout", brownout: plan, schedule: { blackouts: [noons] } };
    const retires = said(", and does not retire as brownout.after says");
    expect((await apply("desk", spec)).warnings).toEqual([retires]);
    expect((await apply("desk", { ...spec, brownout: { at: "12:00" } })).warnings).toEqual([said("")]);
    await attach("desk", onKey());
    expect(await explained()).toEqual([said("")]);
    // Of the rotation that runs it is what it began with.
    await keyover.ok("POST", `/v1/keys/${key.id}/rotations`, {});
    await apply("desk", { ...spec, schedule: { blackouts: [] } });
    expect(await explained()).toEqual([said("")]);
  });

  test("are said of a key though they come by two policies; a day that is free is enough", async () => {
    expect((await apply("rehearsals", { onDeadline: "brownout", brownout: plan })).warnings).toEqual([]);
    expect((await apply("quiet", { schedule: { blackouts: [noons] } })).warnings).toEqual([]);
    await attach("rehearsals", { kind: "api", api: api.id });
    expect(await explained()).toEqual([]);
    await attach("quiet", onKey());
    expect(await explained()).toEqual([said(", and does not retire as brownout.after says")]);
    const weekdays = { ...noons, days: ["mon", "tue", "wed", "thu", "fri"] };
    await apply("quiet", { schedule: { blackouts: [weekdays] } });
    expect(await explained()).toEqual([]);
  });

  test("matter only where there are to be brownouts", async () => {
    const spec = { onDeadline: "retire", schedule: { blackouts: [noons] } };
    expect((await apply("desk", spec)).warnings).toEqual([]);
  });
});
