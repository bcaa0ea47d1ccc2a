/** What the post office asks again and again is answered by an index, however much has been sent. */
import { expect, test } from "vitest";
import type { Store } from "./store.ts";
import { openWatchedStore, planOfAsking } from "./watched-store.test-support.ts";

test.each<[string, (store: Store) => Promise<unknown>, RegExp]>([
  [
    "what waits",
    (store) => store.list("notice_event", { equals: { waits: 1 } }, { limit: 9 }),
    /USING INDEX notice_event_by_0/,
  ],
  [
    "what collects",
    (store) => store.list("notice", { equals: { collects: "chn_a" } }, { limit: 9 }),
    /USING INDEX notice_by_3/,
  ],
  ["what is due", (store) => store.overdue("due_at", 7, ["chn_a", "chn_b"], 9), /USING INDEX notice_by_4/],
  ["what escalates", (store) => store.overdue("escalate_at", 7, [], 9), /USING INDEX notice_by_5/],
  [
    "what is dead",
    (store) => store.list("notice", { equals: { state: "dead" } }, { limit: 9 }),
    /USING INDEX notice_by_1/,
  ],
  ["which verifiers are lost", (store) => store.bootsUntil("api_a", 1, 7, 9), /USING INDEX boot_by_unknown/],
  [
    "whether it was told",
    (store) => store.list("notice_event", { equals: { dedupe: "verifier.lost boo_a 1" } }, { limit: 1 }),
    /USING INDEX notice_event_unique_0/,
  ],
])("%s", async (_what, ask, index) => {
  const watched = openWatchedStore(Date.now);
  const plan = (await planOfAsking(watched, ask)).join("\n");
  expect(plan).toMatch(/^SEARCH/);
  expect(plan).toMatch(index);
  expect(plan).not.toContain("SCAN");
  await watched.store.close();
});
