import fc from "fast-check";
import { expect, test } from "vitest";
import { createAgenda } from "./agenda.ts";

const ids = fc.constantFrom("a", "b", "c", "d", "e", "f");
const steps = fc.array(
  fc.oneof(
    fc.record({ what: fc.constant("set" as const), id: ids, at: fc.integer({ min: 0, max: 20 }) }),
    fc.record({ what: fc.constant("soon" as const), id: ids }),
    fc.record({ what: fc.constant("delete" as const), id: ids }),
    fc.record({ what: fc.constant("take" as const), now: fc.integer({ min: 0, max: 20 }), limit: fc.nat(4) }),
  ),
  { maxLength: 60 },
);

test("gives out what a list sorted by time and by order of arrival gives out", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const agenda = createAgenda();
      let list: { id: string; at: number }[] = [];
      const put = (id: string, at: number) => {
        if (list.some((item) => item.id === id && item.at === at)) return;
        list = [...list.filter((item) => item.id !== id), { id, at }];
      };
      for (const step of all) {
        if (step.what === "set") {
          agenda.set(step.id, step.at);
          put(step.id, step.at);
        } else if (step.what === "soon") {
          agenda.soon(step.id);
          put(step.id, Number.NEGATIVE_INFINITY);
        } else if (step.what === "delete") {
          agenda.delete(step.id);
          list = list.filter(({ id }) => id !== step.id);
        } else {
          const due = list
            .filter(({ at }) => at <= step.now)
            .sort((a, b) => (a.at === b.at ? 0 : a.at < b.at ? -1 : 1));
          const expected = due.slice(0, step.limit).map(({ id }) => id);
          expect(agenda.take(step.now, step.now + 5, step.limit)).toEqual(expected);
          for (const id of expected) {
            list = list.filter((item) => item.id !== id);
            list.push({ id, at: step.now + 5 });
          }
        }
        expect(agenda.size).toBe(list.length);
        for (const id of ["a", "b", "c", "d", "e", "f"])
          expect(agenda.has(id)).toBe(list.some((item) => item.id === id));
      }
    }),
    { numRuns: 1_000 },
  );
});

test("what was put off a great many times is given out once", () => {
  const agenda = createAgenda();
  for (let i = 0; i < 10; i++) agenda.set(`still ${i}`, i + 0.5);
  for (let at = 1; at <= 5_000; at++) for (const id of ["a", "b", "c"]) agenda.set(id, at);
  expect(agenda.size).toBe(13);
  expect(agenda.take(4_999, 9_000, 100)).toHaveLength(10);
  expect(agenda.take(5_000, 9_000, 100)).toEqual(["a", "b", "c"]);
  expect(agenda.take(5_000, 9_000, 100)).toEqual([]);
});

test("whoever is due again at once does not pass over those who wait", () => {
  const agenda = createAgenda();
  agenda.set("waits", 1);
  agenda.soon("busy");
  expect(agenda.take(10, 10, 1)).toEqual(["busy"]);
  expect(agenda.take(10, 10, 1)).toEqual(["waits"]);
});
