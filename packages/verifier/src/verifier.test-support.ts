/** A verifier beside an authority that is a double, at a clock that the test moves. */
import type { World } from "@keyover/core";
import { AuthorityDouble, type Events, keyRecord, newText, version, worldOf } from "./authority.test-double.ts";
import { createVerifier, type Verifier, type VerifierOptions } from "./verifier.ts";
import { settle, VirtualClock } from "./virtual-clock.test-support.ts";

export interface Stage {
  clock: VirtualClock;
  authority: AuthorityDouble;
  verifier: Verifier;
  world: World;
  events: Events["events"];
  /** The text of `key_1`'s only version. */
  text: string;
  code: (text: string, ask?: object) => string | undefined;
}

export async function stage(
  options: Partial<VerifierOptions> = {},
  prepare?: (authority: AuthorityDouble) => void,
): Promise<Stage> {
  const clock = new VirtualClock();
  const authority = new AuthorityDouble(clock);
  const text = newText();
  authority.write(keyRecord("key_1", [version(text)]));
  prepare?.(authority);
  const { world, events } = worldOf(authority);
  const verifier = createVerifier({ url: "https://keys.test", token: "t", apis: ["market"], world, ...options });
  await settle();
  return {
    clock,
    authority,
    verifier,
    world,
    events,
    text,
    code: (shown, ask = {}) => verifier.verifyNow(shown, ask)?.code,
  };
}

export const status = (verifier: Verifier) => verifier.status()[0]!;
