import { describe, expect, it } from "vitest";
import { apiKinds, authorityKinds, drawSchedule, type Fault, type Size } from "./schedule.ts";

const size: Size = { replicas: 3, apis: 5, postgres: true, smallDisk: true };
const first = (track: Generator<Fault>, count: number) =>
  Array.from({ length: count }, () => track.next().value as Fault);
const kinds = (faults: Fault[]) => [...new Set(faults.map(({ kind }) => kind))].sort();

describe("the schedule", () => {
  it("is the same for the same seed, and another for another", () => {
    const draw = (seed: number) => {
      const { authority, apis } = drawSchedule(seed, size);
      return [first(authority, 30), first(apis, 30)];
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it("has every kind of fault in each round, on what there is", () => {
    const { authority, apis } = drawSchedule(7, size);
    const faults = [...first(authority, authorityKinds.length + 1), ...first(apis, apiKinds.length + 1)];
    expect(kinds(faults)).toEqual([...authorityKinds, ...apiKinds].sort());
    for (const { kind, target, replica, wire } of faults) {
      expect(target).toBeLessThan((authorityKinds as readonly string[]).includes(kind) ? size.replicas : size.apis);
      expect(replica).toBeLessThan(size.replicas);
      expect(wire).not.toBe("whole");
    }
  });

  it("leaves out what can't be done: no PostgreSQL, one process, no disk that can be filled", () => {
    const { authority, apis } = drawSchedule(7, { replicas: 1, apis: 5, postgres: false, smallDisk: false });
    expect(kinds([...first(authority, 20), ...first(apis, 20)])).toEqual([
      "cut-api",
      "kill-api",
      "kill-owner",
      "kill-replica",
      "step-api-clock",
      "step-replica-clock",
      "stop-api",
      "stop-replica",
    ]);
  });
});
