import { expect, it } from "vitest";
import { auditProblems } from "./audit-model.ts";

const entries = (...actions: string[]) =>
  actions.map((action, i) => ({ seq: i + 1, action: `rotation.${action}`, subjects: ["key_1", "rot_1"], hash: "" }));
const told = (...actions: string[]) =>
  auditProblems(entries(...actions)).filter((problem) => problem.includes("rot_1"));

it("I9: what a rotation does twice, or out of order, is found", () => {
  expect(told("planned", "offered", "claim", "overlapping", "used", "retired", "completed")).toEqual([]);
  expect(told("planned", "offered", "compromise", "overlapping", "compromise", "retired")).toEqual([]);
  expect(told("planned", "offered", "claim", "claim", "overlapping", "claim", "used", "retired")).toEqual([]);
  expect(told("planned", "claim", "offered", "overlapping", "retired")).toHaveLength(1);
  expect(told("planned", "offered", "claim", "overlapping", "used", "claim", "retired")).toHaveLength(1);
  expect(told("planned", "offered", "overlapping", "overlapping", "retired")).toHaveLength(1);
  expect(told("planned", "offered", "used", "overlapping", "used")).toHaveLength(1);
  expect(told("planned", "offered", "retired", "overlapping")).toHaveLength(1);
});

it("I14: an entry whose hash does not follow is found", () => {
  expect(auditProblems(entries("planned"))[0]).toContain("the audit log is broken");
});
