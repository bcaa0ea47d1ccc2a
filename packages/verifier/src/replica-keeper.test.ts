import { expect, test } from "vitest";
import { AuthorityDouble, keyRecord, version, worldOf } from "./authority.test-double.ts";
import type { ReplicaDisk } from "./disk.ts";
import { keeperOf } from "./verifier.test-support.ts";
import { settle, VirtualClock } from "./virtual-clock.test-support.ts";

const record = (seq: number) => ({ seq, ...keyRecord(`key_${seq}`, [version(`${seq}`)]) });

test("the highest number held is the feed's or a record's, in this epoch, from disk too", () => {
  const { world } = worldOf(new AuthorityDouble(new VirtualClock()));
  const { keeper, replica } = keeperOf(world);
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

test("a snapshot that comes while another is being saved is saved after it, and until then the file has no lease", async () => {
  const { world } = worldOf(new AuthorityDouble(new VirtualClock()));
  const grant = { now: 1_000, leaseMs: 10_000, onStale: "closed" as const, staticMs: 0 };
  const saves: (() => void)[] = [];
  const written: string[] = [];
  const disk: ReplicaDisk = {
    lock: async () => async () => undefined,
    load: async () => undefined,
    save: (_api, head) => new Promise((resolve) => saves.push(() => resolve(void written.push(`save ${head.epoch}`)))),
    append: async (_api, lines) => void written.push(...lines.map((line) => Object.keys(line).join())),
    forget: async () => undefined,
    sizes: () => ({ journal: 0, snapshot: 0 }),
  };
  const { keeper, lease, clock } = keeperOf(world, disk);
  clock.heard(grant.now, 0, 0);
  lease.grant(grant, 0, 0);
  lease.whole(0);
  const api = { id: "api_1", name: "market", prefix: "mkt" };
  keeper.registered({ ...grant, api, environments: ["live"], reportEveryMs: 1_000, epoch: "one" }, "boo_1");
  keeper.snapshotTaken("one");
  keeper.snapshotTaken("two");
  await settle();
  saves[0]?.();
  await settle();
  expect(written).toEqual(["boot", "save one"]);
  saves[1]?.();
  await settle();
  expect(written).toEqual(["boot", "save one", "save two", "lease"]);
});
