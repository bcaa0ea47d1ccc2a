import fc from "fast-check";
import { expect, test } from "vitest";
import { EventParser } from "./sse.ts";

const stream =
  ': hello\n\nid: 7\nevent: entry\ndata: {"seq":7}\n\nevent:beat\r\ndata:{"seq":7,\r\ndata: "now":1}\r\n\r\ndata: plain\r\rdata\n\nretry: 5\n\nevent: entry\ndata: cut';
const events = [
  ["entry", '{"seq":7}'],
  ["beat", '{"seq":7,\n"now":1}'],
  ["message", "plain"],
  ["message", ""],
];

test("events come out whole, however the chunks fall, and a cut one never", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: stream.length })), (cuts) => {
      const seen: string[][] = [];
      const parser = new EventParser((event, data) => seen.push([event, data]));
      let from = 0;
      for (const to of [...cuts.sort((a, b) => a - b), stream.length]) {
        parser.push(stream.slice(from, to));
        from = to;
      }
      expect(seen).toEqual(events);
    }),
  );
});

test("a line without end is an error, not a full memory", () => {
  const parser = new EventParser(() => {});
  expect(() => {
    for (let i = 0; i < 20; i++) parser.push("x".repeat(1 << 20));
  }).toThrow(/a line of more than/);
});
