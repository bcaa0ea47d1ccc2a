/** Does each fault, and undoes it: what was killed is started again, what was cut is whole, whatever happens meanwhile. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SmallDisk } from "../small-disk.test-support.ts";
import type { Cluster } from "./cluster.ts";
import type { Fleet } from "./fleet.ts";
import type { Recovery } from "./recovery.ts";
import type { Fault } from "./schedule.ts";
import type { Work } from "./work.ts";

export interface Scene {
  cluster: Cluster;
  fleet: Fleet;
  recovery: Recovery;
  work: Work;
  disk: SmallDisk | undefined;
}

/** Between one replica that is ready again and the next that goes, in a rolling restart: a deployment waits as long. */
const DEPLOYMENT_PAUSE_MS = 1_000;

export async function inject({ cluster, fleet, recovery, work, disk }: Scene, fault: Fault): Promise<void> {
  const { kind, target, forMs, wire } = fault;
  const later = () => sleep(forMs);
  switch (kind) {
    case "kill-replica":
      await cluster.kill(target);
      await later();
      return cluster.start(target);
    case "kill-owner":
      return recovery.measure(forMs);
    case "stop-replica":
      cluster.pause(target);
      await later();
      return cluster.resume(target);
    case "rolling-restart":
      for (const i of cluster.replicas.keys()) {
        await cluster.stop(i);
        await later();
        await cluster.start(i);
        await sleep(DEPLOYMENT_PAUSE_MS);
      }
      return;
    case "kill-postgres":
      return cluster.withoutDatabase(
        async (database) => {
          await database.kill();
          await later();
        },
        (database) => database.start(),
      );
    case "stop-postgres":
      return cluster.withoutDatabase(
        async (database) => {
          await database.pause();
          await later();
        },
        (database) => database.resume(),
      );
    case "cut-postgres": {
      const hit = fault.all ? [...cluster.replicas.keys()] : [target];
      for (const i of hit) cluster.setWire(i, wire);
      await later();
      for (const i of hit) cluster.setWire(i, "whole");
      return;
    }
    case "step-replica-clock":
      cluster.shiftClock(target, fault.shiftMs);
      await later();
      return cluster.shiftClock(target, 0);
    case "kill-api":
      await fleet.kill(target);
      await later();
      return fleet.start(target);
    case "stop-api":
      fleet.pause(target);
      await Promise.all([later(), work.revoke()]);
      return fleet.resume(target);
    case "cut-api":
      fleet.setWires(target, wire);
      await Promise.all([later(), work.revoke()]);
      return fleet.setWires(target, "whole");
    case "cut-one-wire":
      fleet.setWires(target, wire, fault.replica);
      await later();
      return fleet.setWires(target, "whole", fault.replica);
    case "step-api-clock":
      fleet.shiftClock(target, fault.shiftMs);
      await later();
      return fleet.shiftClock(target, 0);
    case "disk-full": {
      const pid = fleet.members[target]?.api.process().pid as number;
      disk?.fill(pid);
      await later();
      return disk?.free(pid);
    }
  }
}
