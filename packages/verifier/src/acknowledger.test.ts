/** When a verifier acknowledges, and when it leaves that to its next report. */
import { expect, test } from "vitest";
import { Acknowledger } from "./acknowledger.ts";
import { AuthorityDouble, keyRecord, newText, version, worldOf } from "./authority.test-double.ts";
import { AuthorityCalls } from "./authority-calls.ts";
import { Lease } from "./lease.ts";
import { stage } from "./verifier.test-support.ts";
import { settle, VirtualClock } from "./virtual-clock.test-support.ts";

const acks = ({ calls }: AuthorityDouble) => calls.filter((name) => name === "acks").length;
const fresh = (key = "key_2") => keyRecord(key, [version(newText())]);
const asking = (authority: AuthorityDouble) => {
  authority.asks = true;
};

test("at once, where somebody waits for the entry", async () => {
  const { authority } = await stage({}, asking);
  const before = acks(authority);
  authority.write(fresh(), true);
  await settle();
  expect([acks(authority), authority.live.applied]).toEqual([before + 1, 2]);
});

test("not for what nobody waits for: the next report tells of that", async () => {
  const { authority, clock } = await stage({}, asking);
  const before = acks(authority);
  for (let i = 0; i < 50; i++) {
    authority.write(fresh());
    if (i % 10 === 0) await settle();
  }
  await settle();
  expect(acks(authority)).toBe(before);
  expect(authority.live.applied).toBe(1);
  await clock.pass(1_100);
  expect(acks(authority)).toBe(before);
  expect(authority.reports.at(-1)?.applied).toBe(51);
});

test("an acknowledgement tells of all that is applied, also behind what was waited for", async () => {
  const { authority } = await stage({}, asking);
  authority.write(fresh());
  authority.write(fresh(), true);
  authority.write(fresh());
  await settle();
  expect(authority.live.applied).toBe(4);
});

test("what is waited for and comes while one is under way goes with the next", async () => {
  const { authority, clock } = await stage({}, asking);
  const before = acks(authority);
  authority.latencyMs = 20;
  authority.write(fresh(), true);
  await clock.pass(30);
  authority.write(fresh());
  authority.write(fresh(), true);
  await clock.pass(100);
  expect([acks(authority), authority.live.applied]).toEqual([before + 2, 4]);
});

test("each boot tells once how far it is, though it takes no snapshot and nobody waits", async () => {
  const { authority, clock } = await stage({}, asking);
  const [first] = [...authority.boots.keys()];
  const state = authority.boots.get(first ?? "") ?? expect.fail();
  state.closed = true;
  const snapshots = () => authority.calls.filter((name) => name === "snapshot").length;
  const before = snapshots();
  await clock.pass(1_100);
  expect(authority.boots.size).toBe(2);
  expect([snapshots(), authority.live.applied]).toEqual([before, 1]);
});

test("at once for each, where the authority is older and does not say what is waited for", async () => {
  const { authority } = await stage();
  const before = acks(authority);
  authority.write(fresh());
  await settle();
  expect([acks(authority), authority.live.applied]).toEqual([before + 1, 2]);
});

test("what comes while the disk is waited for is not left lying", async () => {
  const { world } = worldOf(new AuthorityDouble(new VirtualClock()));
  const calls = new AuthorityCalls(world, { urls: ["https://keys.test"], token: "t", api: "market" });
  const told: unknown[] = [];
  calls.post = async (_name, body) => {
    told.push(body);
    return { ok: true, body: {}, sentAt: 0, receivedAt: 0 };
  };
  let seq = 5;
  let written = (): void => {};
  const keeper = {
    async kept() {
      const held = seq;
      await new Promise<void>((resolve) => {
        written = resolve;
      });
      return held;
    },
  };
  const parts = { world, calls, lease: new Lease(), keeper, onAck: () => undefined };
  const acknowledger = new Acknowledger(parts, () => undefined);
  const write = async () => {
    written();
    await settle();
  };
  acknowledger.serve("boo_1");
  acknowledger.moved(5);
  await write();
  await write();
  expect(told).toEqual([{ boot: "boo_1", applied: 5 }]);
  // A beat, and before the disk is done an entry.
  acknowledger.moved(0);
  seq = 6;
  acknowledger.moved(6);
  await write();
  await write();
  expect([told.at(-1), acknowledger.kept]).toEqual([{ boot: "boo_1", applied: 6 }, 6]);
});
