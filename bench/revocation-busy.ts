/**
 * How long a stolen key still works while much else changes: from the time that the commit of its kill carries until a verifier refuses,
 * with the feed busy. One `keyover serve` on SQLite, 300 real verifiers in ten processes, and 1,000 keys changed a second by as many calls
 * (`PATCH` of a key's networks), each a commit and a feed entry to every verifier.
 *
 *     round:  changes on ─ kill, kill, … one at a time ─ changes off │ bare stream on ─ mark, mark, … ─ bare stream off
 *
 * Beside it a plain node:http server that writes events of the same size at the same pace to as many subscribers, and one more that they
 * look for. It does not ask who calls, decides nothing, commits nothing to a disk and is told nothing back.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ChangesSaid, ChangesSettings } from "./busy-changes.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import { type IssuedKey, issueKeys } from "./issue.ts";
import { cpuMs, type Peer, startPeer } from "./processes.ts";
import { percentile, type Row, rowOf } from "./report.ts";
import { killOne } from "./revocation.ts";

const ROUNDS = 5;
/** Between two kills: each meets the stream, and not the acknowledgements of the one before, which are 300 requests. */
const SETTLE_MS = 250;
/** For the compilers of all processes, and the first of what piles up. */
const WARM_MS = 3_000;

interface Size {
  verifiers: number;
  changed: number;
  perSecond: number;
  kills: number;
  warmMs: number;
}

const WHOLE: Size = { verifiers: 300, changed: 1_000, perSecond: 1_000, kills: 60, warmMs: WARM_MS };
const QUICK: Size = { verifiers: 6, changed: 20, perSecond: 100, kills: 3, warmMs: 200 };

/** Milliseconds for each verifier, the last of them last, of each sample; and processor time in ms a second of each part. */
interface Round {
  samples: number[][];
  perSecond: number;
  cpu: Record<string, number>;
}

export async function revocationBusy(quick: boolean): Promise<Row[]> {
  const size = quick ? QUICK : WHOLE;
  const fleet = await startFleet(size.verifiers);
  const bytes = await entrySize(fleet);
  const changed = await issueKeys(fleet, size.changed);
  const changes = startPeer<ChangesSaid>("./busy-changes.ts", {
    url: fleet.urls[0] as string,
    token: fleet.adminToken,
    keys: changed.map(({ id }) => id),
    perSecond: size.perSecond,
  } satisfies ChangesSettings);
  const busy: Round[] = [];
  const bare: Round[] = [];
  for (let round = -1; round < (quick ? 1 : ROUNDS); round++) {
    // Round -1, a short one, warms everything up.
    const kills = round < 0 ? 3 : size.kills;
    const rounds = [await busyRound(fleet, changes, size, kills), await bareRound(fleet, bytes, size, kills)] as const;
    if (round < 0) continue;
    busy.push(rounds[0]);
    bare.push(rounds[1]);
  }
  await changes.stop();
  await fleet.stop();
  return rowsOf(size, busy, bare);
}

async function busyRound(fleet: Fleet, changes: Peer<ChangesSaid>, size: Size, kills: number): Promise<Round> {
  const keys = await issueKeys(fleet, kills);
  const pids = { authority: fleet.pids.authority, verifiers: fleet.pids.verifiers, changes: [changes.pid] };
  changes.send("go");
  await sleep(size.warmMs);
  const measured = await measure(pids, kills, async (i) => {
    const { committedAt, refused } = await killOne(fleet, keys[i] as IssuedKey);
    return refused.map((at) => at - committedAt);
  });
  const said = changes.next(() => true);
  changes.send("stop");
  const { perSecond } = await said;
  await sleep(size.warmMs);
  return { ...measured, perSecond };
}

async function bareRound(fleet: Fleet, bytes: number, size: Size, marks: number): Promise<Round> {
  const { server, subscribers } = await fleet.barePids();
  await fleet.bareStream({ perSecond: size.perSecond, bytes });
  await sleep(size.warmMs);
  const measured = await measure({ authority: [server], verifiers: subscribers, changes: [] }, marks, () =>
    fleet.bareWrite(),
  );
  const perSecond = await fleet.bareStream(undefined);
  await sleep(size.warmMs / 2);
  return { ...measured, perSecond };
}

async function measure(
  pids: Record<string, number[]>,
  count: number,
  one: (i: number) => Promise<number[]>,
): Promise<Pick<Round, "samples" | "cpu">> {
  const spent = () =>
    Object.entries(pids).map(([of, all]) => [of, all.reduce((sum, pid) => sum + cpuMs(pid), 0)] as const);
  const before = new Map(spent());
  const from = performance.now();
  const samples: number[][] = [];
  for (let i = 0; i < count; i++) {
    samples.push(await one(i));
    await sleep(SETTLE_MS);
  }
  const seconds = (performance.now() - from) / 1_000;
  const cpu = Object.fromEntries(spent().map(([of, ms]) => [of, (ms - (before.get(of) as number)) / seconds]));
  return { samples, cpu };
}

/** Of an entry that tells of a change, as it is sent: the bare stream's events are as long. */
async function entrySize(fleet: Fleet): Promise<number> {
  const [key] = (await issueKeys(fleet, 1)) as [IssuedKey];
  const seen = new Promise<number>((resolve) =>
    fleet.onEntry((entry) => {
      if (entry.record?.networks.length === 1)
        resolve(`id: ${entry.seq}\nevent: entry\ndata: ${JSON.stringify(entry)}\n\n`.length);
    }),
  );
  await fleet.admin.request("patch", "/v1/keys/{key}", {
    params: { key: key.id },
    body: { networks: ["10.1.1.1/32"] },
  });
  return seen;
}

function rowsOf({ verifiers, perSecond }: Size, busy: Round[], bare: Round[]): Row[] {
  const under = `under ${perSecond.toLocaleString("en")} changes/s`;
  const lasts = ({ samples }: Round) => samples.map((times) => times.at(-1) as number);
  const each = ({ samples }: Round) => samples.flat();
  const times = (name: string, of: (round: Round) => number[], share: number, mark?: Parameters<typeof rowOf>[1]) =>
    rowOf(
      {
        name: `${name}, ${under}, p${100 * share}`,
        unit: "ms",
        rounds: busy.map((round) => percentile(of(round), share)),
        baselineName: "bare SSE, same stream",
        baselineRounds: bare.map((round) => percentile(of(round), share)),
      },
      mark,
    );
  const cpu = (name: string, of: string, baselineName: string) =>
    rowOf({
      name: `processor time of ${name}`,
      unit: "ms/s",
      rounds: busy.map((round) => round.cpu[of] ?? 0),
      baselineName,
      baselineRounds: bare.map((round) => round.cpu[of] ?? 0),
    });
  return [
    times(`commit to refused at all ${verifiers}`, lasts, 0.5, { ratioMax: 2 }),
    times(`commit to refused at all ${verifiers}`, lasts, 0.99, { valueMax: 50 }),
    times(`commit to refused at each of ${verifiers}`, each, 0.5),
    times(`commit to refused at each of ${verifiers}`, each, 0.99),
    rowOf({
      name: "changes committed",
      unit: "/s",
      rounds: busy.map((round) => round.perSecond),
      baselineName: "bare events",
      baselineRounds: bare.map((round) => round.perSecond),
    }),
    cpu("the authority", "authority", "bare server"),
    cpu(`${verifiers} verifiers`, "verifiers", `${verifiers} subscribers`),
    cpu("who changes the keys", "changes", "nobody"),
  ];
}
