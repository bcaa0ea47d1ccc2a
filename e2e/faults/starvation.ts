/**
 * When the machine had no time for its processes. A lease is time: where all processes wait for seconds for a processor, every API is as good as
 * cut off, and a policy of `closed` answers 503 as it should. That is told by the kernel (pressure stall information), not by what is tested.
 */
import { readFileSync } from "node:fs";
import { type History, moment } from "./history.ts";

const LOOK_EVERY_MS = 500;
/** Of the time, in which some process waited for a processor. A run alone on four cores has a quarter to a half. */
const STARVED_SHARE = 0.85;

/** Answers what ends it, and tells how long it was in all. */
export function watchStarvation(history: History): () => number {
  let starvedMs = 0;
  let before = { at: moment(), waitedMs: waitedMs() };
  const look = () => {
    const now = { at: moment(), waitedMs: waitedMs() };
    const tookMs = now.at - before.at;
    if ((now.waitedMs - before.waitedMs) / tookMs > STARVED_SHARE) {
      starvedMs += tookMs;
      history.write({ line: "starved", from: before.at, to: now.at });
    }
    before = now;
  };
  const looking = setInterval(look, LOOK_EVERY_MS);
  looking.unref();
  return () => {
    clearInterval(looking);
    return Math.round(starvedMs);
  };
}

/** Since the machine's start; on other systems than Linux always 0, and nothing is excused. */
function waitedMs(): number {
  try {
    return Number(/^some .*total=(\d+)/.exec(readFileSync("/proc/pressure/cpu", "utf8"))?.[1] ?? 0) / 1_000;
  } catch {
    return 0;
  }
}
