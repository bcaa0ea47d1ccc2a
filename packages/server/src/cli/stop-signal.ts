/** How a process that serves is told to end. */
import type { World } from "@keyover/core";
import { exitCodes } from "./exit-codes.ts";

/**
 * Resolves at SIGTERM or SIGINT, and logs `event`. A second one, of an impatient operator, ends the process. To be called before the process says
 * that it is ready: whoever hears that may stop it at once.
 */
export function stopSignal(world: World, event: string): Promise<undefined> {
  return new Promise((resolve) => {
    let asked = false;
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      process.on(name, () => {
        if (asked) process.exit(exitCodes.refused);
        asked = true;
        world.log("info", event, { signal: name });
        resolve(undefined);
      });
    }
  });
}
