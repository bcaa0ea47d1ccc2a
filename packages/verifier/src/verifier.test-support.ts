/** A verifier beside an authority that is a double, at a clock that the test moves. */
import type { World } from "@keyover/core";
import { AuthorityDouble, type Events, keyRecord, newText, version, worldOf } from "./authority.test-double.ts";
import type { ReplicaDisk } from "./disk.ts";
import { FlatReplica } from "./flat/flat-replica.ts";
import { AuthorityClock, Lease } from "./lease.ts";
import { ReplicaKeeper } from "./replica-keeper.ts";
import { createVerifier, type Verifier, type VerifierOptions } from "./verifier.ts";
import { settle, VirtualClock } from "./virtual-clock.test-support.ts";
import { realWorld } from "./world.ts";

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

/** A verifier of `market` that hears from the double by real time. */
export function openVerifier(authority: AuthorityDouble, options: Partial<VerifierOptions> = {}): Verifier {
  const { world } = worldOf(authority);
  return createVerifier({ url: "https://keys.test", token: "t", apis: ["market"], world, ...options });
}

/** One whose authority has never answered. */
export function openWaiting(): Verifier {
  const lost = new AuthorityDouble(realWorld().clock);
  lost.down = true;
  return openVerifier(lost);
}

/** A keeper of an empty replica, and all that stands around it. */
export function keeperOf(world: World, disk?: ReplicaDisk) {
  const [replica, lease, clock] = [new FlatReplica(), new Lease(), new AuthorityClock(world.clock)];
  const limiter = { verifiers: 1, restore: () => undefined };
  const keeper = new ReplicaKeeper({ world, disk, api: "market", instance: "a", replica, lease, clock, limiter });
  return { keeper, replica, lease, clock };
}

export const status = (verifier: Verifier) => verifier.status()[0]!;
