/** Decisions of one verifier, timed against bare hashes of the same texts, in turn. */
import { hash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Verifier } from "@keyover/verifier";
import { addressOf, CALLERS } from "./keyring.ts";
import type { ManyKeys } from "./many-keys.ts";

const ROUNDS = 5;

export interface Decisions {
  /** Nanoseconds of this thread, by round. */
  verify: number[];
  bare: number[];
}

/** What is presented in one round: a text for each call, and whose it is. */
export interface Presented {
  texts: string[];
  asks: object[];
}

/** Each of `among` known keys as often as any other, in an order that no cache can guess. */
export function presented(keys: ManyKeys, calls: number, among: number): Presented {
  const callers = Array.from({ length: CALLERS }, (_, i) => ({
    environment: "live",
    scope: "market:read",
    network: addressOf(i),
    client: `bot-${i}/1.0`,
  }));
  const step = Math.floor(keys.known / among);
  const held = Array.from({ length: among }, (_, i) => keys.text(i * step));
  const order = Int32Array.from({ length: calls }, (_, i) => i % among);
  for (let i = calls - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return {
    // A text for each call, one behind the other in memory: a request's has just been read, and is in the cache.
    texts: Array.from(order, (i) => Buffer.from(held[i] as string).toString("latin1")),
    asks: Array.from(order, (i) => callers[keys.callerOf(i * step)] as object),
  };
}

/** Throws if one of them is not accepted. */
export function decideAll(verifier: Verifier, { texts, asks }: Presented): void {
  let good = 0;
  for (let i = 0; i < texts.length; i++)
    if (verifier.verifyNow(texts[i] as string, asks[i] as object)?.valid === true) good++;
  if (good !== texts.length) throw new Error(`${texts.length - good} of ${texts.length} keys were refused`);
}

function hashAll({ texts }: Presented): void {
  let length = 0;
  for (let i = 0; i < texts.length; i++) length += hash("sha256", texts[i] as string, "binary").length;
  if (length !== 32 * texts.length) throw new Error("these are no hashes");
}

/** What a pass takes of this thread's own time, in nanoseconds for each of `calls`. */
export function timed(pass: () => void, calls: number): number {
  const began = process.threadCpuUsage();
  pass();
  const { user, system } = process.threadCpuUsage(began);
  return ((user + system) * 1_000) / calls;
}

/** Until what was counted has gone out. */
export async function reported(verifier: Verifier): Promise<void> {
  await sleep(1_000);
  while ((verifier.status()[0]?.pendingReports ?? 0) > 0) await sleep(50);
}

export async function decisions(verifier: Verifier, what: Presented): Promise<Decisions> {
  const took: Decisions = { verify: [], bare: [] };
  const calls = what.texts.length;
  for (let round = -1; round < ROUNDS; round++) {
    const verify = timed(() => decideAll(verifier, what), calls);
    await reported(verifier);
    const bare = timed(() => hashAll(what), calls);
    if (round < 0) continue;
    took.verify.push(verify);
    took.bare.push(bare);
  }
  return took;
}
