import { expect, test } from "vitest";
import { keyRecord, version } from "./authority.test-double.ts";
import { SnapshotReader } from "./snapshot-reader.ts";

const line = (value: object) => `${JSON.stringify(value)}\n`;
const record = { seq: 1, ...keyRecord("key_1", [version("a")]) };

test("a snapshot is whole with its end, however it is cut into pieces", () => {
  const text = line({ seq: 5, now: 1 }) + line(record) + line({ end: 1 });
  for (let cut = 1; cut < text.length; cut++) {
    const reader = new SnapshotReader(() => true);
    expect(reader.push(text.slice(0, cut))).toBe(true);
    expect(reader.problem).toBe("the snapshot was cut off");
    expect(reader.push(text.slice(cut))).toBe(false);
    expect([reader.problem, reader.head, reader.records]).toEqual([undefined, { seq: 5, now: 1 }, [record]]);
  }
});

test("of one that is not wanted no more than the head is read", () => {
  const reader = new SnapshotReader(({ seq }) => seq >= 6);
  expect(reader.push(line({ seq: 5, now: 1 }) + line(record))).toBe(false);
  expect(reader.head?.seq).toBe(5);
  expect(reader.problem).toBeDefined();
});
