import { describe, expect, test } from "vitest";
import { AuthorityDouble, keyRecord, version, worldOf } from "./authority.test-double.ts";
import { FlatReplica } from "./flat/flat-replica.ts";
import { FollowedHistory } from "./history.ts";
import { VirtualClock } from "./virtual-clock.test-support.ts";

const record = (key: string, seq: number) => ({ seq, ...keyRecord(key, [version(key)]) });

function history(...held: ReturnType<typeof record>[]) {
  const replica = new FlatReplica();
  for (const each of held) replica.put(each);
  const { world, events } = worldOf(new AuthorityDouble(new VirtualClock()));
  const followed = new FollowedHistory(world, replica);
  const against = (head: number, ...records: ReturnType<typeof record>[]) =>
    followed.contradictions(records, new Set(records.map(({ key }) => key)), head);
  return { followed, against, events };
}

describe("a snapshot contradicts what was followed", () => {
  test("if a record of it is older than one that its feed had brought by then", () => {
    const { against } = history(record("key_1", 5));
    expect(against(9, record("key_1", 4))).toBe(1);
    expect(against(5, record("key_1", 4))).toBe(1);
    expect(against(9, record("key_1", 5), record("key_2", 7))).toBe(0);
    expect(against(9, record("key_1", 6))).toBe(0);
  });

  test("not if a miss brought one meanwhile that is newer than the snapshot", () => {
    expect(history(record("key_1", 10)).against(9, record("key_1", 4))).toBe(0);
  });

  test("by a key that it lacks only where its feed was behind once: else that key is gone", () => {
    const { followed, against } = history(record("key_1", 5), record("key_2", 10));
    expect(against(9)).toBe(0);
    followed.behind("told so");
    expect(against(9)).toBe(1);
    followed.whole();
    expect(against(9)).toBe(0);
  });
});

test("a feed that is another one is not merely behind, until there is a new one; it is said once", () => {
  const { followed, events } = history();
  followed.behind("told so");
  followed.another("seen");
  followed.behind("told so again");
  expect(followed.state).toBe("another");
  expect(events).toHaveLength(1);
  followed.whole();
  followed.behind("told so");
  expect(events).toHaveLength(2);
});
