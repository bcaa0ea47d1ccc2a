/**
 * What is done to the processes, and when: drawn from a seed, so that a run can be repeated. Two tracks run side by side, one hits the
 * authority and its database, the other the APIs; within a track one fault is over before the next begins, and the next waits until the processes
 * may have noticed (two faults closer together than a lease could leave an API without anybody to ask, and nobody would know whose fault it was).
 *
 * Every kind comes in each round, in another order.
 */
import type { Wire } from "../partition.test-support.ts";
import { chance } from "../writers.test-support.ts";

export const authorityKinds = [
  "kill-replica",
  "kill-owner",
  "stop-replica",
  "rolling-restart",
  "kill-postgres",
  "stop-postgres",
  "cut-postgres",
  "step-replica-clock",
] as const;
export const apiKinds = ["kill-api", "stop-api", "cut-api", "cut-one-wire", "step-api-clock", "disk-full"] as const;

/** Twice in each round: nothing brings more to light. */
const OFTEN: readonly FaultKind[] = ["cut-api", "cut-postgres"];

export type FaultKind = (typeof authorityKinds)[number] | (typeof apiKinds)[number];

export interface Fault {
  kind: FaultKind;
  /** Nothing is done for so long before it. */
  pauseMs: number;
  /** From the break to the mend. */
  forMs: number;
  /** Which replica or API: a number below how many there are. */
  target: number;
  /** `cut-one-wire`: the way to which replica. `cut-postgres`: that of one replica, or of all. */
  replica: number;
  all: boolean;
  wire: Wire;
  shiftMs: number;
}

export interface Size {
  replicas: number;
  apis: number;
  postgres: boolean;
  /** The disk that can be filled is the first API's. */
  smallDisk: boolean;
}

/** How long each lasts, from and to. */
const lasts: Record<FaultKind, [from: number, to: number]> = {
  "kill-replica": [300, 7_000],
  "kill-owner": [300, 1_000],
  // Past its lease, which is 5 s.
  "stop-replica": [6_500, 8_500],
  "rolling-restart": [500, 1_000],
  "kill-postgres": [0, 2_500],
  "stop-postgres": [1_000, 6_000],
  "cut-postgres": [1_000, 6_000],
  "step-replica-clock": [3_000, 6_000],
  "kill-api": [0, 3_000],
  // Past a lease of 3 s; some past that of 5 s and the static time too.
  "stop-api": [3_500, 13_000],
  "cut-api": [500, 13_000],
  "cut-one-wire": [2_000, 6_000],
  "step-api-clock": [3_000, 6_000],
  "disk-full": [3_000, 6_000],
};

const AUTHORITY_WIRES: readonly Wire[] = ["cut", "silent", "deaf", "mute", "slow"];
const API_WIRES: readonly Wire[] = [...AUTHORITY_WIRES, "stuck"];
const HOUR_MS = 3_600_000;

export interface Schedule {
  authority: Generator<Fault>;
  apis: Generator<Fault>;
}

/** Both without end. */
export function drawSchedule(seed: number, size: Size): Schedule {
  const authority = authorityKinds.filter((kind) => {
    if (kind === "rolling-restart") return size.replicas > 1;
    return size.postgres || !kind.endsWith("-postgres");
  });
  const apis = apiKinds.filter((kind) => {
    if (kind === "cut-one-wire") return size.replicas > 1;
    return size.smallDisk || kind !== "disk-full";
  });
  return {
    authority: draw(chance(seed), authority, { ...size, pauseMs: [3_500, 5_500], wires: AUTHORITY_WIRES }),
    apis: draw(chance(seed + 1), apis, { ...size, pauseMs: [1_000, 3_000], wires: API_WIRES }),
  };
}

interface Deck extends Size {
  pauseMs: [number, number];
  wires: readonly Wire[];
}

function* draw(random: () => number, kinds: readonly FaultKind[], deck: Deck): Generator<Fault> {
  const between = ([from, to]: [number, number]) => Math.round(from + random() * (to - from));
  const below = (count: number) => Math.floor(random() * count);
  for (;;) {
    for (const kind of shuffled([...kinds, ...kinds.filter((kind) => OFTEN.includes(kind))], random)) {
      const onReplica = (authorityKinds as readonly string[]).includes(kind);
      yield {
        kind,
        pauseMs: between(deck.pauseMs),
        forMs: between(lasts[kind]),
        target: kind === "disk-full" ? 0 : below(onReplica ? deck.replicas : deck.apis),
        replica: below(deck.replicas),
        all: random() < 0.5,
        wire: deck.wires[below(deck.wires.length)] as Wire,
        shiftMs: random() < 0.5 ? HOUR_MS : -HOUR_MS,
      };
    }
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const left = [...items];
  return items.map(() => left.splice(Math.floor(random() * left.length), 1)[0] as T);
}

/** For the short form: always the same, as quick as they can be. */
export function* shortSchedule({ replicas, postgres }: Size): Generator<Fault> {
  const base = { pauseMs: 500, replica: 0, all: true, wire: "whole" as const, shiftMs: 0 };
  yield { ...base, kind: "kill-owner", target: 0, forMs: 300 };
  yield { ...base, kind: "stop-replica", target: 1 % replicas, forMs: 6_500 };
  if (postgres) yield { ...base, kind: "kill-postgres", target: 0, forMs: 200 };
  if (replicas > 1) yield { ...base, kind: "rolling-restart", target: 0, forMs: 300 };
}
