/** A thread that looks keys up in a table that another writes, and says what was wrong. */
import { parentPort, workerData } from "node:worker_threads";
import { judgeCode } from "@keyover/core";
import { PlanBook } from "../limits/plan-book.ts";
import { consumerOf, digestOf, type Kind, keyOf, REVOKED, STOP, scopesOf } from "./stress.test-support.ts";
import type { TableEnds } from "./table-share.ts";
import { ThreadReplica } from "./thread-replica.ts";

const { ends, shared, counts, seed } = workerData as {
  ends: TableEnds;
  shared: Int32Array;
  /** The kinds to look for, and how many there are of each. */
  counts: Partial<Record<Kind, number>>;
  seed: number;
};
const LOOKS_AT_ONCE = 2_000;
const ASK = { environment: "live", scope: "read" };

const kinds = Object.keys(counts) as Kind[];
const wrong: string[] = [];
const said = { looks: 0, plain: 0, rare: 0, absent: 0, released: 0, refused: 0, wrong };
const replica = new ThreadReplica({
  ends,
  plans: new PlanBook(),
  releaseAll: () => undefined,
  release: (slot) => {
    said.released++;
    // What a slot was called must still be known when it is let go of.
    if (!/^key_[123]/.test(replica.nameOf(slot).key)) wrong.push(`released ${slot}`);
  },
  onState: () => undefined,
  onGone: () => undefined,
});

let state = seed;
const below = (count: number) => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
  return (state >>> 8) % count;
};

function look(kind: Kind, i: number, version: number): void {
  const revoked = Atomics.load(shared, REVOKED);
  const slot = replica.find(digestOf(kind, i, version).words);
  said.looks++;
  const where = `${kind} ${i} version ${version}`;
  if (slot < 0) {
    said.absent++;
    if (kind !== "flicker" && version === 1) wrong.push(`${where} is not there`);
    return;
  }
  // At once, so that words that are written too late are not there yet.
  const verdict = replica.isPlainlyOk(slot, ASK) ? replica.okVerdict(slot) : undefined;
  const held = replica.held(slot);
  const code = verdict?.code ?? judgeCode(held, ASK, 0, 0);
  const { record } = held.held;
  if (verdict === undefined) said.rare++;
  else said.plain++;
  if (kind === "doomed" && i < revoked) {
    said.refused++;
    if (code !== "revoked") wrong.push(`${where} is ${code} after it was revoked`);
  }
  const due = [keyOf(kind, i), consumerOf(kind, i), version, ...scopesOf(kind, i)].join(" ");
  const named = [record.key, record.consumer, held.version.number, ...record.scopes].join(" ");
  if (named !== due) wrong.push(`${where} is taken for ${named}`);
  if (replica.nameOf(slot).key !== keyOf(kind, i)) wrong.push(`${where} is counted for ${replica.nameOf(slot).key}`);
  if (verdict === undefined) return;
  const told = [verdict.key, verdict.consumer, verdict.version, ...(verdict.scopes ?? [])].join(" ");
  if (told !== due) wrong.push(`${where} has the verdict of ${told}`);
}

function work(): void {
  for (let n = 0; n < LOOKS_AT_ONCE && wrong.length < 10; n++) {
    const kind = kinds[below(kinds.length)] as Kind;
    look(kind, below(counts[kind] as number), kind === "stable" && below(4) === 0 ? 2 : 1);
  }
  if (Atomics.load(shared, STOP) === 1 || wrong.length >= 10) {
    parentPort?.postMessage(said);
    replica.close();
    return;
  }
  setImmediate(work);
}
work();
