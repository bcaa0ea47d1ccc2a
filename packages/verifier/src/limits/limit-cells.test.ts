import { makeHandle } from "@keyover/core";
import { expect, test } from "vitest";
import { BOOT_SHIFT, LimitCells, markOf, Subject, UNSENT } from "./limit-cells.ts";

const random = (length: number) => Uint8Array.from({ length }, (_, i) => (37 * i + length) & 255);
const named = (cells: LimitCells, name: string) => {
  const subject = new Subject();
  cells.pack(name, subject);
  subject.settle();
  return subject;
};

test("a cell is found by its subject and limit, with a hint that is right, wrong, or none", () => {
  const cells = new LimitCells();
  const names = [makeHandle("key", 1_000, random), makeHandle("key", 2_000, random)];
  const subjects = names.map((name) => named(cells, name));
  const marks = [markOf(0, false), markOf(1, true), markOf(2, false)];
  const made = subjects.flatMap((subject) => marks.map((mark) => cells.make(subject, mark, 1 << BOOT_SHIFT)));
  for (const near of [-1, 0, 1, 2, 3, 4, 5, 99]) {
    const found = subjects.flatMap((subject) => marks.map((mark) => cells.find(subject, mark, near)));
    expect(found, `hint ${near}`).toEqual(made);
  }
});

test("one that was dropped is not found where it was, and comes back empty", () => {
  const cells = new LimitCells();
  const subject = named(cells, "a name that is no handle");
  const [mark, other] = [markOf(0, false), markOf(1, false)];
  const first = cells.make(subject, mark, 1 << BOOT_SHIFT);
  const second = cells.make(subject, other, 1 << BOOT_SHIFT);
  cells.set(second, UNSENT, 7);
  cells.drop(second);
  expect([cells.find(subject, other, first), cells.find(subject, other, -1)]).toEqual([-1, -1]);
  expect(cells.size).toBe(1);
  const again = cells.make(subject, other, 1 << BOOT_SHIFT);
  expect([again, cells.get(again, UNSENT), cells.subjectOf(again)]).toEqual([second, 0, "a name that is no handle"]);
});
