/** What the operating system says of other processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { isRunning, thisProcess } from "./world.ts";

test("this process runs; its number with another birth is another process, which does not", () => {
  const mark = thisProcess();
  expect(isRunning(mark)).toBe(true);
  if (mark.birth !== "") expect(isRunning({ ...mark, birth: "1" })).toBe(false);
});

test.runIf(process.platform === "linux")(
  "a process that has ended, and that nobody has asked how, does not run",
  async () => {
    // The shell becomes a program that never waits for its child: as the first process of a container may be one.
    const parent = spawn("sh", ["-c", "sleep 0.3 & echo $!; exec sleep 30"], { stdio: ["ignore", "pipe", "ignore"] });
    const [said] = await once(parent.stdout, "data");
    const child = { pid: Number(String(said)), birth: "" };
    try {
      expect(isRunning(child)).toBe(true);
      await expect.poll(() => isRunning(child)).toBe(false);
      // It is still there for whoever sends it a signal.
      expect(process.kill(child.pid, 0)).toBe(true);
    } finally {
      parent.kill("SIGKILL");
    }
  },
);
