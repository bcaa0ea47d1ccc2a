import { expect, test } from "vitest";
import { AuthorityDouble, keyRecord, version, worldOf } from "./authority.test-double.ts";
import { AuthorityClock, Lease } from "./lease.ts";
import { TableReplica } from "./replica.ts";
import { ReplicaKeeper } from "./replica-keeper.ts";
import { VirtualClock } from "./virtual-clock.test-support.ts";

const record = (seq: number) => ({ seq, ...keyRecord(`key_${seq}`, [version(`${seq}`)]) });

test("the highest number held is the feed's or a record's, in this epoch, from disk too", () => {
  const { world } = worldOf(new AuthorityDouble(new VirtualClock()));
  const [replica, lease, clock] = [new TableReplica(), new Lease(), new AuthorityClock(world.clock)];
  const keeper = new ReplicaKeeper({ world, disk: undefined, api: "market", instance: "a", replica, lease, clock });
  const api = { id: "api_1", name: "market", prefix: "mkt" };
  const head = { api, environments: ["live"], boot: "boo_1", instance: "a", epoch: "one", seq: 3 };
  expect(keeper.newest).toBe(0);
  keeper.restore({ head, records: [record(2), record(5)], entries: [{ seq: 4 }], lease: null });
  expect([keeper.epoch, replica.seq, keeper.newest]).toEqual(["one", 4, 5]);
  keeper.holdsToo(record(9));
  expect(keeper.newest).toBe(9);
  keeper.snapshotTaken("one");
  expect(keeper.newest).toBe(9);
  keeper.snapshotTaken("two");
  expect([keeper.epoch, keeper.newest]).toEqual(["two", 4]);
});
