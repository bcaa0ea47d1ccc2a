/**
 * An API's process under a flood: a verifier with a cache, strangers' keys from many networks, and the API's own callers. It does a round when it
 * is told to, and says what that was like.
 */
import { randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { makeKeyText } from "@keyover/core";
import { createVerifier } from "@keyover/verifier";
import { machineNow, peerSettings } from "./processes.ts";

export interface NoiseSettings {
  urls: string[];
  token: string;
  /** Keys that the cache holds at most. */
  cacheKeys: number;
  strangers: number;
  networks: number;
}

export interface NoiseRound {
  /** Of keys that exist. Every other request is one of the first `often`, which the cache comes to hold; the others come in turn, too many for it. */
  texts: string[];
  often: number;
  seconds: number;
  /** Strangers' keys a second. */
  flood: number;
  /** The API's own requests a second. */
  own: number;
}

export interface NoiseSaid {
  said: "ready" | "round";
  /** Milliseconds. Of requests whose key was held; of those whose key was asked for and found. */
  held: number[];
  asked: number[];
  /** Of the API's own requests. */
  refused: number;
  flooded: number;
  questions: number;
  /** Of this process's time, how much the flood took. */
  floodShare: number;
}

const SLICE_MS = 5;

const { urls, token, cacheKeys, strangers, networks } = peerSettings<NoiseSettings>();
const verifier = createVerifier({ url: urls, token, apis: ["market"], cache: { keys: cacheKeys } });
await verifier.ready;
const texts = Array.from({ length: strangers }, () => makeKeyText("mkt", "live", (length) => randomBytes(length)));
const floodNetworks = Array.from({ length: networks }, (_, i) => `198.${18 + (i >> 8)}.${i & 255}.7`);
let next = 0;

function strange(count: number): void {
  for (let i = 0; i < count; i++, next++) {
    const text = texts[next % texts.length] as string;
    const ask = { scope: "market:read", network: floodNetworks[next % networks] };
    if (verifier.verifyNow(text, ask) === undefined) void verifier.verify(text, ask);
  }
}

async function round({ texts: own, often, seconds, flood, own: perSecond }: NoiseRound): Promise<NoiseSaid> {
  const before = verifier.status()[0]?.misses.asked ?? 0;
  const said: NoiseSaid = { said: "round", held: [], asked: [], refused: 0, flooded: 0, questions: 0, floodShare: 0 };
  const began = machineNow();
  let [owned, floodMs, elapsed] = [0, 0, 0];
  const waiting: Promise<void>[] = [];
  for (; elapsed < seconds * 1_000; elapsed = machineNow() - began) {
    const sliceAt = machineNow();
    strange(Math.floor((flood * elapsed) / 1_000) - said.flooded);
    said.flooded = Math.floor((flood * elapsed) / 1_000);
    floodMs += machineNow() - sliceAt;
    for (; owned < (perSecond * elapsed) / 1_000; owned++) {
      const half = owned >> 1;
      const text = own[owned % 2 === 0 ? half % often : often + (half % (own.length - often))] as string;
      const ask = { scope: "market:read", network: `203.0.${owned % 64}.7` };
      const at = machineNow();
      const verdict = verifier.verifyNow(text, ask);
      if (verdict !== undefined) {
        if (verdict.valid) said.held.push(timeHeld(text, ask));
        else said.refused++;
        continue;
      }
      const answered = verifier.verify(text, ask).then(({ valid }) => {
        if (valid) said.asked.push(machineNow() - at);
        else said.refused++;
      });
      waiting.push(answered);
    }
    while (machineNow() - sliceAt < SLICE_MS) await turn();
  }
  await Promise.all(waiting);
  said.questions = (verifier.status()[0]?.misses.asked ?? 0) - before;
  said.floodShare = floodMs / (machineNow() - began);
  return said;
}

/** One alone is too short for a clock. */
function timeHeld(text: string, ask: { scope: string; network: string }): number {
  const at = machineNow();
  for (let i = 0; i < 20; i++) verifier.verifyNow(text, ask);
  return (machineNow() - at) / 20;
}

process.on("message", (asked: NoiseRound) => {
  void round(asked).then((said) => process.send?.(said));
});
const ready: NoiseSaid = { said: "ready", held: [], asked: [], refused: 0, flooded: 0, questions: 0, floodShare: 0 };
process.send?.(ready);
