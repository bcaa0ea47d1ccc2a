/**
 * The hidden consumers of the year. Each is one key with several programs: a *leader* that changes over as soon as it can, so that the gate
 * `successor-used` is met early and nothing but evidence protects the others; and the programs that this consumer is about.
 */
import type { Chance } from "../chance.ts";
import {
  allMonths,
  bursts,
  byWallClock,
  DAY,
  every,
  FROM,
  firstOfMonth,
  HOUR,
  MINUTE,
  type Times,
  weekends,
  workdays,
} from "./rhythms.ts";

export interface Program {
  name: string;
  network: string;
  client: string;
  instance?: string;
  times: Times;
  /** How many of its runs (calls with less than an hour between them) still take the old version after an offer; or for how long it does. */
  moves: { runs: number } | { afterMs: number };
  thief?: boolean;
}

export interface HiddenConsumer {
  kind: string;
  /** Its reports come over verifiers that get lost. */
  lossy?: boolean;
  programs: Program[];
  /** Beside the rotations that the policy brings about. */
  rotatesAt: number[];
  /** When an operator kills the version that the thief has. */
  killsAt?: number;
}

const leader = (n: number, times: Times = every(DAY / 2, 20 * MINUTE)): Program => ({
  name: "leader",
  network: `203.0.113.${n}`,
  client: "desk-bot/3.1",
  times,
  moves: { runs: 0 },
});

/** The `n`-th consumer of its kind: rotated on other days, moving at another pace. */
type Kind = (n: number, chance: Chance) => HiddenConsumer;

const behind = (n: number, name: string, times: Times, moves: Program["moves"]): Program => ({
  name,
  network: `198.51.100.${n}`,
  client: `${name}/1.0`,
  times,
  moves,
});

/** Not before it was seen three times, or twice where it is so rare. */
const rotates = (n: number, firstDay: number): number[] => [FROM + (firstDay + 23 * n) * DAY + 9 * HOUR];

const monthly = (n: number) => ({
  kind: "monthly job",
  programs: [leader(n), behind(n, "billing-job", firstOfMonth(allMonths, 2), { runs: 1 + (n % 3) })],
  rotatesAt: rotates(n, 66),
});

const kinds: Record<string, Kind> = {
  monthly,
  "monthly-early": (n) => ({ ...monthly(n), rotatesAt: [FROM + (10 + 3 * n) * DAY] }),
  weekend: (n, chance) => ({
    kind: "weekend only",
    programs: [leader(n, workdays()), behind(n, "weekend-batch", weekends(), { runs: chance.whole(0, 12) })],
    rotatesAt: rotates(n, 30),
  }),
  bursty: (n, chance) => ({
    kind: "bursty",
    programs: [leader(n), behind(n, "ad-hoc", bursts(chance, 1.5 * DAY), { runs: chance.whole(0, 10) })],
    rotatesAt: rotates(n, 50),
  }),
  fleet: (n) => ({
    kind: "fleet, one instance every 3 days",
    programs: Array.from({ length: 6 }, (_, i) => ({
      name: `instance ${i}`,
      network: `203.0.113.${n}`,
      client: "fleet/2.0",
      instance: `node-${i}`,
      times: every(2 * HOUR, i * 7 * MINUTE),
      moves: { afterMs: i * 3 * DAY },
    })),
    rotatesAt: rotates(n, 20),
  }),
  hourly: (n) => ({
    kind: "hourly cron, Berlin time",
    programs: [
      leader(n),
      behind(
        n,
        "cron",
        byWallClock("Europe/Berlin", ({ minute }) => minute === 0),
        { runs: 70 },
      ),
    ],
    // The night in which the clock jumps lies in the overlap: 29 March, and 25 October.
    rotatesAt: [Date.UTC(2026, 2, 27, 9), Date.UTC(2026, 9, 23, 9)].map((at) => at + n * HOUR),
  }),
  quarterly: (n) => ({
    kind: "quarterly report",
    programs: [leader(n), behind(n, "report", firstOfMonth([0, 3, 6, 9], 6), { runs: 1 })],
    rotatesAt: rotates(n, 30),
  }),
  skipped: (n) => ({
    kind: "nightly 02:30, skipped once",
    programs: [
      leader(n),
      behind(
        n,
        "nightly",
        byWallClock("Europe/Berlin", ({ hour, minute }) => hour === 2 && minute === 30),
        {
          runs: 5,
        },
      ),
    ],
    rotatesAt: [Date.UTC(2026, 2, 26, 9)],
  }),
  thief: (n) => {
    const [at] = rotates(n, 60) as [number];
    return {
      kind: "thief, from elsewhere",
      programs: [leader(n), thief("192.0.2.66", "python-requests/2.31", at + 6 * HOUR, 25 * DAY)],
      rotatesAt: [at],
    };
  },
  killed: (n) => {
    const [at] = rotates(n, 60) as [number];
    return {
      kind: "thief, killed on the tenth day",
      programs: [leader(n), thief("192.0.2.66", "python-requests/2.31", at + 6 * HOUR, 25 * DAY)],
      rotatesAt: [at],
      killsAt: at + 10 * DAY,
    };
  },
  poser: (n) => {
    const [at] = rotates(n, 96) as [number];
    const job = behind(n, "billing-job", firstOfMonth(allMonths, 2), { runs: 1 });
    return {
      kind: "thief, under the monthly job's name",
      programs: [leader(n), job, thief(job.network, job.client, at - 30 * DAY, 50 * DAY)],
      rotatesAt: [at],
    };
  },
  lossy: (n) => ({ ...monthly(n), kind: "monthly job, reports get lost", lossy: true }),
};

/** The old version all the time, every two hours; it never gets the successor. */
function thief(network: string, client: string, from: number, forMs: number): Program {
  return {
    name: "thief",
    network,
    client,
    times: every(2 * HOUR, 40 * MINUTE).filter((at) => at >= from && at < from + forMs),
    moves: { runs: Number.POSITIVE_INFINITY },
    thief: true,
  };
}

/** `copies` of each kind; the same seed makes the same. */
export function hiddenConsumers(copies: number, chance: Chance, only: readonly string[] = Object.keys(kinds)) {
  return only.flatMap((name) =>
    Array.from({ length: copies }, (_, n) => (kinds[name] as Kind)(n, chance.fork(`${name} ${n}`))),
  );
}
