import { expect, test } from "vitest";
import { FeedReader } from "./feed-reader.ts";
import type { Lease } from "./lease.ts";
import { keeperOf } from "./verifier.test-support.ts";
import { START, VirtualClock } from "./virtual-clock.test-support.ts";

/** A reader of a feed of which five entries are applied. */
function reader() {
  const local = new VirtualClock();
  const world = { clock: local, random: () => new Uint8Array(1), fetch, log: () => {} };
  const { keeper, replica, lease, clock } = keeperOf(world);
  clock.heard(START, 0, 0);
  lease.grant({ leaseMs: 2_000, onStale: "closed", staticMs: 0 }, 0, 0);
  for (let seq = 1; seq <= 5; seq++) replica.apply({ seq });
  return { feed: new FeedReader({ clock, lease, replica, keeper }), lease, replica };
}

const event = (name: string, data: object) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
const standing = (lease: Lease) => lease.standing(1_000);

test("a beat makes whole if it speaks of exactly what is applied", () => {
  for (const [seq, expected] of [
    [4, "over"],
    [5, "fresh"],
    [6, "over"],
  ] as const) {
    const { feed, lease } = reader();
    feed.push(event("beat", { seq, now: START }));
    expect([seq, standing(lease), feed.trouble === undefined]).toEqual([seq, expected, expected === "fresh"]);
    expect(feed.heard).toBe(expected === "fresh");
  }
});

test("an entry does not", () => {
  const { feed, lease, replica } = reader();
  feed.push(event("entry", { seq: 6 }));
  expect([replica.seq, standing(lease), feed.trouble]).toEqual([6, "over", undefined]);
});

test("after a gap nothing more is applied", () => {
  const { feed, lease, replica } = reader();
  feed.push(event("entry", { seq: 7 }) + event("entry", { seq: 6 }) + event("beat", { seq: 6, now: START }));
  expect([replica.seq, standing(lease), feed.trouble, feed.lastSeq]).toEqual([5, "over", "entry 7 after 5", 7]);
});
