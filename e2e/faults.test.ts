/**
 * The short form of `npm run test:faults`: three authority processes on a PostgreSQL, three APIs, a dozen bots; a replica killed in the midst
 * of its rotations, another that stands still past its lease, PostgreSQL killed, and all replicas restarted one after the other.
 */
import { expect, it } from "vitest";
import type { Summary } from "./faults/scene.ts";
import { pathOf, run } from "./processes.test-support.ts";

const MAIN = pathOf("./faults/main.ts");

it("R14 R42 I1 I4 I9 L1: nobody is refused who did nothing wrong, nothing revoked is accepted, and every rotation ends", {
  timeout: 240_000,
}, async () => {
  const faults = run(MAIN, ["--short"]);
  const code = await faults.end;
  expect(faults.out(), `ended with ${code}: ${faults.err()}`).toContain("{");
  const summary = JSON.parse(faults.out().trim().split("\n").at(-1) as string) as Summary;
  expect(summary.problems, faults.err()).toEqual([]);
  expect(code).toBe(0);
  expect(summary).toMatchObject({
    wronglyRefused: 0,
    acceptedAfterBound: 0,
    faults: { "kill-owner": 1, "stop-replica": 1, "kill-postgres": 1, "rolling-restart": 1 },
  });
  // There was enough to go wrong.
  expect(summary.requests).toBeGreaterThan(500);
  expect(summary.rotations).toBeGreaterThan(5);
  expect(summary.revocations).toBeGreaterThan(1);
  expect(summary.recoveryMs).toBeGreaterThan(0);
});

it("a wrong option ends it with a sentence and starts nothing", async () => {
  const faults = run(MAIN, ["--seconds", "soon"]);
  expect(await faults.end).toBe(2);
  expect(faults.err()).toContain("--seconds takes a whole number from 10 to 86400");
});
