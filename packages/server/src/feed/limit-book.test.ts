/** What the book of limits reads again, and what it holds. */
import type { PlanRecord } from "@keyover/core";
import { expect, test } from "vitest";
import type { Store } from "../store/store.ts";
import { createLimitBook } from "./limit-book.ts";

test("a plan that another process made is read when a record names it, and not for each record", async () => {
  let reads = 0;
  const plans: PlanRecord[] = [];
  const store = {
    planRecords: async () => {
      reads++;
      return [...plans];
    },
  } as unknown as Store;
  const clock = { now: () => 0, elapsed: () => 0, after: () => () => {} };
  const book = createLimitBook({ store, clock, log: () => {} });
  expect(await book.plansNamed("api_a", undefined)).toEqual([]);
  plans.push({ seq: 4, plan: "pln_1", name: "pro", limits: [] });
  expect(await book.plansNamed("api_a", "pln_1")).toEqual(plans);
  expect(await book.plansNamed("api_a", "pln_1")).toEqual(plans);
  expect(reads).toBe(2);
  expect(await book.plansNamed("api_a", "pln_2")).toEqual([]);
});
