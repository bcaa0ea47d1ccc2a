import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Secret } from "./custody/secret.ts";
import { createLogger, logOf, realWorld } from "./world.ts";

function logged(write: (log: ReturnType<typeof logOf>) => void, level = "debug"): Record<string, unknown>[] {
  const stream = new PassThrough();
  write(logOf(createLogger(level, stream)));
  return String(stream.read() ?? "")
    .trim()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("a log line is one line of JSON: time, level, event, fields", () => {
  const [line] = logged((log) => log("warn", "feed.cut", { seq: 3, text: "two\nlines" }));
  expect(line).toEqual({
    level: 40,
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    event: "feed.cut",
    seq: 3,
    text: "two\nlines",
  });
});

test("what could be a secret is not printed, by name or by kind", () => {
  const secret = new Secret("planted");
  const names = { secret: "planted", authorization: "planted", headers: { a: "planted" }, password: "planted" };
  const lines = logged((log) => {
    log("info", "a.b", names);
    log("info", "a.b", { request: names, list: [secret], deep: { er: { value: secret } } });
    log("error", "a.b", { error: String(new Error(`about ${String(secret)}`)) });
  });
  expect(lines).toHaveLength(3);
  expect(JSON.stringify(lines)).not.toContain("planted");
});

test("below its level nothing is printed", () => {
  expect(logged((log) => log("debug", "a.b"), "info")).toEqual([]);
});

test("the real clock's timers run once, can be taken back, and chance differs", async () => {
  const { clock, random } = realWorld(createLogger("silent", new PassThrough()));
  const ran: string[] = [];
  clock.after(0, () => ran.push("taken back"))();
  clock.after(5, () => ran.push("late taken back"))();
  const began = clock.elapsed();
  await new Promise<void>((resolve) => {
    clock.after(0, () => ran.push("at once"));
    clock.after(10, resolve);
  });
  expect(ran).toEqual(["at once"]);
  expect(clock.elapsed() - began).toBeGreaterThanOrEqual(8);
  expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1_000);
  expect(random(32)).not.toEqual(random(32));
});
