/** What campaigns ask again and again is answered by an index, however many keys there are. */
import { expect, test } from "vitest";
import type { Store } from "./store.ts";
import { openWatchedStore, planOfAsking } from "./watched-store.test-support.ts";

const page = { after: "key_1", limit: 100 };

test.each<[string, (store: Store) => Promise<unknown>, RegExp]>([
  [
    "campaigns that have something to do",
    (store) => store.list("campaign", { equals: { live: 1 } }, { limit: 9 }),
    /campaign_by_0/,
  ],
  [
    "campaigns that ended long ago and have items",
    (store) =>
      store.list(
        "campaign",
        { equals: { live: 0, state: "ended" }, until: [{ column: "created_at", at: 9 }] },
        { after: "cam_1", limit: 9 },
      ),
    /campaign_by_[01]/,
  ],
  [
    "campaigns in a state, the newest first",
    (store) => store.list("campaign", { equals: { state: "held" } }, { after: "cam_1", limit: 9, backwards: true }),
    /campaign_by_1 \(state=\? AND id<\?\)/,
  ],
  [
    "items that wait",
    (store) => store.list("campaign_item", { equals: { campaign_id: "cam_a", wave: 0, state: "waiting" } }, page),
    /campaign_item_by_0 \(campaign_id=\? AND wave=\? AND state=\? AND id>\?\)/,
  ],
  [
    "a campaign's items",
    (store) => store.list("campaign_item", { equals: { campaign_id: "cam_a" } }, page),
    /campaign_item_by_1 \(campaign_id=\? AND id>\?\)/,
  ],
  [
    "a key's campaigns",
    (store) => store.list("campaign_item", { equals: { key_id: "key_a" } }, page),
    /campaign_item_by_2/,
  ],
  [
    "how its rotations stand",
    (store) => store.campaignTally("cam_a"),
    /COVERING INDEX rotation_by_2 \(campaign_id=\?\)/,
  ],
  [
    "who was refused",
    (store) => store.campaignRefused("cam_a", "rot_1", 100),
    /rotation_by_3 \(campaign_id=\? AND id>\?\)[\s\S]*SEARCH version_use USING INDEX .*\(key_id=\? AND version=\?\)/,
  ],
  [
    "what is sealed for a rotation",
    (store) => store.list("sealed", { equals: { rotation_id: "rot_a" } }, { limit: 1 }),
    /sealed_by_2/,
  ],
  [
    "the keys of an api, for a selection",
    (store) => store.list("key", { equals: { api_id: "api_a" } }, page),
    /key_by_0 \(api_id=\? AND id>\?\)/,
  ],
  [
    "the keys of a consumer",
    (store) => store.list("key", { equals: { consumer_id: "con_a" } }, page),
    /key_by_1 \(consumer_id=\? AND id>\?\)/,
  ],
  ["all keys, a page of them", (store) => store.list("key", {}, page), /\(id>\?\)/],
  [
    "versions of several keys",
    (store) => store.list("version", { oneOf: { column: "key_id", values: ["a", "b", "c"] } }, { limit: 100 }),
    /version_unique_0 \(key_id=\?\)/,
  ],
  [
    "secrets of several keys",
    (store) => store.list("sealed", { oneOf: { column: "key_id", values: ["a", "b", "c"] } }, { limit: 100 }),
    /sealed_by_0 \(key_id=\?\)/,
  ],
])("%s", async (_what, ask, index) => {
  const watched = openWatchedStore(Date.now);
  const plan = (await planOfAsking(watched, ask)).join("\n");
  expect(plan).toMatch(/^SEARCH/);
  expect(plan).toMatch(index);
  expect(plan).not.toContain("SCAN");
  await watched.store.close();
});
