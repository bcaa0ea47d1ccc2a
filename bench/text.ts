/**
 * What the text of a key costs before anything is looked up: form, checksum and SHA-256 as verifiers run them, the same in
 * JavaScript alone, and their parts. Each text lies in memory behind the last, as a header that has just been read does.
 */
import { hash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { digestKeyText, makeKeyText } from "@keyover/core";
import { digestPlainly, scanKeyText } from "../packages/core/src/key-scan.ts";
import { sha256Padded } from "../packages/core/src/sha256-block.ts";
import { realWorld } from "../packages/verifier/src/world.ts";
import { type Row, rowOf } from "./report.ts";

const ROUNDS = 25;
const CALLS = 200_000;
const PAUSE_MS = 5;

export async function text(quick: boolean): Promise<Row[]> {
  const calls = quick ? 5_000 : CALLS;
  const texts = textsOf(calls);
  const digest = new Int32Array(8);
  const bytes = new Uint8Array(128);
  const encoder = new TextEncoder();
  const { clock } = realWorld();
  const bare = "crypto.hash, latin1";
  // A loop for each: in one that they share the engine would call them all the slow way.
  const passes: Record<string, () => void> = {
    [bare]: () => {
      for (const each of texts) hash("sha256", each, "binary");
    },
    "text to digest": () => {
      for (const each of texts) digestKeyText(each, digest);
    },
    "text to digest, JavaScript alone": () => {
      for (const each of texts) digestPlainly(each, digest);
    },
    "of it form and checksum": () => {
      for (const each of texts) scanKeyText(each);
    },
    "of it one block of SHA-256": () => {
      for (const each of texts) sha256Padded(bytes, each.length, digest);
    },
    "of both the text copied to bytes": () => {
      for (const each of texts) encoder.encodeInto(each, bytes);
    },
    "the clock, read once a decision": () => {
      for (const _ of texts) clock.elapsed();
    },
  };
  const took = new Map(Object.keys(passes).map((name) => [name, [] as number[]]));
  for (let round = -3; round < (quick ? 3 : ROUNDS); round++) {
    for (const [name, pass] of Object.entries(passes)) {
      const began = process.hrtime.bigint();
      pass();
      if (round >= 0) took.get(name)?.push(Number(process.hrtime.bigint() - began) / calls);
    }
    await sleep(PAUSE_MS);
  }
  const baselineRounds = took.get(bare) ?? [];
  took.delete(bare);
  return [...took].map(([name, rounds]) => rowOf({ name, unit: "ns", rounds, baselineName: bare, baselineRounds }));
}

function textsOf(calls: number): string[] {
  const held = Array.from({ length: Math.min(calls, 10_000) }, () => makeKeyText("mkt", "live", (n) => randomBytes(n)));
  return Array.from({ length: calls }, (_, i) =>
    Buffer.from(held[(7_919 * i) % held.length] as string).toString("latin1"),
  );
}
