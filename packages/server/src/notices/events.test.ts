/** Which events a channel's patterns mean. */
import { expect, test } from "vitest";
import { noticeEvents } from "../store/notice-entities.ts";
import { matches, matchesNothing } from "./events.ts";

test("a star stands for any part, everything else for itself", () => {
  const matched = (pattern: string) => noticeEvents.filter((event) => matches(pattern, event));
  expect(matched("*")).toEqual(noticeEvents);
  expect(matched("**")).toEqual(noticeEvents);
  expect(matched("key.expired")).toEqual(["key.expired"]);
  expect(matched("brownout.*")).toEqual(["brownout.announced", "brownout.begun", "brownout.ended"]);
  expect(matched("*.completed")).toEqual(["rotation.completed"]);
  expect(matched("*.r*")).toEqual([
    "rotation.reminder",
    "rotation.retired",
    "rotation.rolled-back",
    "key.revoked",
    "key.refused-uses",
  ]);
  expect(matched("fence*lifted")).toEqual(["fence.lifted"]);
  expect(matched("f*ce.*ed")).toEqual(["fence.applied", "fence.lifted"]);
  for (const pattern of [
    "rotation",
    "keyXexpired",
    "key.expired*d",
    "key.expire",
    "KEY.*",
    "[a-z].*",
    "fence.applied*applied",
  ])
    expect(matched(pattern), pattern).toEqual([]);
});

test("a row of stars is answered at once", () => {
  // As a regular expression this one takes for longer than anybody waits, and with it the whole process.
  expect(matchesNothing(`${"*".repeat(48)}?`)).toBe(true);
  expect(matchesNothing(`${"*e".repeat(24)}?`)).toBe(true);
});
