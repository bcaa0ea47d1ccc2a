import type { Limit } from "@keyover/core";
import { expect, test } from "vitest";
import { PlanBook } from "./plan-book.ts";

const rate = (units: number): Limit => ({
  kind: "rate",
  name: "rate",
  per: "consumer",
  units,
  windowMs: 1_000,
  burst: units,
});
const record = (seq: number, plan: string, units = 1, more: object = {}) => ({
  seq,
  plan,
  name: plan,
  limits: [rate(units)],
  ...more,
});

test("an answer from before a snapshot brings back no plan that was gone by then, and no default", () => {
  const book = new PlanBook();
  book.put(record(3, "pln_1", 1, { default: true }));
  book.settle(9, [record(7, "pln_2")]);
  expect(book.put(record(3, "pln_1", 1, { default: true }))).toBe(false);
  expect(book.of(undefined)).toBeUndefined();
  expect([book.put(record(6, "pln_2")), book.put(record(8, "pln_2"))]).toEqual([false, true]);
  expect(book.put(record(10, "pln_1"))).toBe(true);
  book.clear();
  expect(book.put(record(1, "pln_1"))).toBe(true);
});

test("sizes of a consumer's rate that no plan has any more are known, the last ones", () => {
  const book = new PlanBook();
  for (let units = 1; units <= 9; units++) book.put(record(units, "pln_1", units));
  const [id] = book.idsOf("rate", "rate", true, { unitMs: 1_000 / 8, burst: 8 });
  expect(book.formerIds("rate")).toHaveLength(4);
  expect(book.formerIds("rate").at(-1)).toBe(id);
  book.put(record(99, "pln_2", 8));
  expect(book.formerIds("rate")).not.toContain(id);
});
