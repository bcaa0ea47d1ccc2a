/** A verifier that falls silent without a goodbye, and what people hear of it. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Answer, DAY, HOUR, MINUTE, SECOND, TestAuthority } from "../authority.test-support.ts";
import { Receiver } from "../notices/notices.test-support.ts";

let keyover: TestAuthority;
let receiver: Receiver;
beforeEach(async () => {
  receiver = await Receiver.start();
  keyover = await TestAuthority.start({ notices: { allowedPrivate: ["127.0.0.0/8"] } });
  const target = { kind: "webhook", url: receiver.url };
  await keyover.ok("POST", "/v1/channels", { name: "ops", target, events: ["verifier.*"] });
});
afterEach(async () => {
  await keyover.close();
  await receiver.close();
});

const heard = async (count: number) => {
  await vi.waitFor(
    async () => {
      await keyover.clock.advance(50);
      expect(receiver.heard).toHaveLength(count);
    },
    { timeout: 30_000 },
  );
  return receiver.heard.map(({ json }) => json.data);
};
/** Nothing more is on its way. */
const quiet = async (count: number) => {
  for (let i = 0; i < 3; i++) await keyover.pass(31 * SECOND);
  expect(receiver.heard).toHaveLength(count);
};
const scene = async (staleness: Answer["body"] = { leaseMs: 15_000, onStale: "static", staticMs: HOUR }) => {
  const api = await keyover.api({ staleness });
  return { api, verifier: await silent(api) };
};
/** It reports only when the test says so. */
const silent = async (api: Answer["body"]) => {
  const verifier = await keyover.verifier(api);
  verifier.alive = false;
  return verifier;
};

describe("a verifier without a goodbye", () => {
  test("is told of five minutes past its lease, once, with until when rotations wait for it", async () => {
    const { api, verifier } = await scene();
    const since = verifier.coveredTo;
    await keyover.pass(3 * MINUTE);
    await quiet(0);
    await keyover.pass(MINUTE);
    const [told] = await heard(1);
    expect(told).toMatchObject({
      event: "verifier.lost",
      api: api.id,
      key: null,
      severity: "warning",
      details: { boot: verifier.boot, instance: verifier.instance, since },
    });
    expect(told.details.answersUntil).toBeGreaterThan(since + HOUR);
    expect(told.subject).toContain(`verifier ${verifier.instance} is lost`);
    expect(told.todo).toContain(`keyover api remove-verifier ${api.name} ${verifier.boot}`);
    await keyover.pass(2 * HOUR);
    await keyover.pass(DAY);
    await quiet(1);
  });

  test("of an api that fails closed too, though it can't answer by then", async () => {
    await scene({ leaseMs: 15_000, onStale: "closed" });
    await keyover.pass(6 * MINUTE);
    await heard(1);
  });

  test("that is heard again is told of, and told of anew when it falls silent once more", async () => {
    const { verifier } = await scene();
    await keyover.pass(6 * MINUTE);
    await heard(1);
    for (let i = 0; i < 3; i++) expect((await verifier.report()).status).toBe(200);
    const [, back] = await heard(2);
    expect(back).toMatchObject({ event: "verifier.back", details: { how: "heard", boot: verifier.boot } });
    await keyover.pass(6 * MINUTE);
    expect((await heard(3))[2]).toMatchObject({ event: "verifier.lost" });
  });

  test.each(["restarted", "removed", "closed"])("that is %s is told of once", async (how) => {
    const { api, verifier } = await scene();
    await keyover.pass(6 * MINUTE);
    await heard(1);
    if (how === "restarted") await verifier.register();
    else if (how === "closed") await verifier.report({ final: true });
    else await keyover.call("DELETE", `/v1/apis/${api.id}/verifiers/${verifier.boot}`);
    expect((await heard(2))[1]).toMatchObject({ event: "verifier.back", details: { how } });
    await quiet(2);
  });
});

describe("nobody is told of a verifier", () => {
  test("that reports, or said goodbye, or was started again in time", async () => {
    const { api, verifier } = await scene();
    const gone = await silent(api);
    await gone.report({ final: true });
    for (let i = 0; i < 40; i++) {
      await keyover.pass(20 * SECOND);
      await verifier.report();
    }
    await keyover.pass(2 * MINUTE);
    await verifier.register();
    await verifier.report();
    await quiet(0);
  });

  test("that is back before anybody looked", async () => {
    const { verifier } = await scene();
    await keyover.clock.advance(6 * MINUTE);
    await verifier.report();
    await quiet(0);
  });

  test("under whose policy the static time has just been prolonged", async () => {
    const { api, verifier } = await scene({ leaseMs: 15_000, onStale: "closed" });
    const staleness = { leaseMs: 15_000, onStale: "static", staticMs: HOUR };
    await keyover.ok("PATCH", `/v1/apis/${api.id}`, { staleness });
    await keyover.pass(31 * SECOND);
    await verifier.report();
    await quiet(0);
  });
});

test("what nobody acknowledges escalates while it is lost, and not once it is heard", async () => {
  const { verifier } = await scene();
  const [ops] = (await keyover.ok("GET", "/v1/channels")).items;
  const target = { kind: "webhook", url: `${receiver.url}/boss` };
  const boss = await keyover.ok("POST", "/v1/channels", { name: "boss", target, events: [] });
  await keyover.ok("PATCH", `/v1/channels/${ops.id}`, { escalate: { channel: boss.id, afterMs: 10 * MINUTE } });
  const boss_heard = () => receiver.heard.filter(({ path }) => path.endsWith("/boss")).length;
  await keyover.pass(6 * MINUTE);
  await heard(1);
  await verifier.report();
  await heard(2);
  await keyover.pass(4 * MINUTE);
  await keyover.pass(8 * MINUTE);
  await heard(3);
  expect(boss_heard()).toBe(0);
  await keyover.pass(11 * MINUTE);
  await heard(4);
  expect(boss_heard()).toBe(1);
});
