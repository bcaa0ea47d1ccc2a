/**
 * 50,000 unknown keys a second, well-formed and with right checksums, at a verifier that holds a part of the keys: what that asks of the
 * authority, and what it does to the API's own callers. Beside the same without the flood, in turn. A real authority, and a verifier in another
 * process.
 */
import { startAuthority } from "./authority.ts";
import { issueKeys } from "./issue.ts";
import type { NoiseRound, NoiseSaid, NoiseSettings } from "./noise-verifier.ts";
import { cpuMs, startPeer } from "./processes.ts";
import { percentile, type Row, rowOf } from "./report.ts";

const FLOOD = 50_000;
const NETWORKS = 1_000;
/** Of the API's own callers: requests a second; what the cache holds of twice as many keys; and how many keys half of the requests are for. */
const OWN = 500;
const CACHE_KEYS = 200;
const OFTEN = 50;
const ROUNDS = 5;

interface Measured extends NoiseSaid {
  /** Of the authority, of one second. */
  cpuMs: number;
  seconds: number;
}

export async function noise(quick: boolean): Promise<Row[]> {
  const authority = await startAuthority();
  const { admin, urls, pids } = authority;
  const api = await admin.request("post", "/v1/apis", {
    body: { name: "market", prefix: "mkt", environments: ["live"], scopes: ["market:read"] },
  });
  const token = await admin.request("post", "/v1/tokens", {
    body: { name: "apis", role: "verifier", apis: ["market"] },
  });
  const keys = await issueKeys({ admin, api: api.id }, 2 * CACHE_KEYS);
  const settings: NoiseSettings = {
    urls,
    token: token.secret as string,
    cacheKeys: CACHE_KEYS,
    strangers: quick ? 50_000 : 200_000,
    networks: NETWORKS,
  };
  const peer = startPeer<NoiseSaid>("./noise-verifier.ts", settings);
  await peer.next(({ said }) => said === "ready");
  const seconds = quick ? 1 : 10;
  const texts = keys.map(({ secret }) => secret);
  const measure = async (flood: number): Promise<Measured> => {
    const before = cpuMs(pids[0] as number);
    const done = peer.next(({ said }) => said === "round");
    peer.send({ texts, often: OFTEN, seconds, flood, own: OWN } satisfies NoiseRound as never);
    const said = await done;
    return { ...said, seconds, cpuMs: (cpuMs(pids[0] as number) - before) / seconds };
  };
  // For the compilers, and so that the flood's networks are known.
  await measure(0);
  await measure(FLOOD);
  const [quiet, loud]: [Measured[], Measured[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    quiet.push(await measure(0));
    loud.push(await measure(FLOOD));
  }
  await peer.stop();
  for (const { held, asked, refused } of [...quiet, ...loud])
    if (held.length === 0 || asked.length === 0)
      throw new Error(
        `the API's own requests: ${held.length} held, ${asked.length} asked, ${refused} refused; is the machine too busy?`,
      );
  await authority.stop();

  const row = (name: string, unit: string, of: (each: Measured) => number, mark?: Parameters<typeof rowOf>[1]) =>
    rowOf({ name, unit, rounds: loud.map(of), baselineName: "without", baselineRounds: quiet.map(of) }, mark);
  return [
    row("50,000 unknown keys a second: questions to the authority", "/s", (each) => each.questions / each.seconds),
    row("the authority's processor time", "ms/s", (each) => each.cpuMs),
    row("a key that is held, median", "ns", (each) => 1e6 * percentile(each.held, 0.5), { ratioMax: 1.5 }),
    row("a key that is asked for, median", "ms", (each) => percentile(each.asked, 0.5)),
    row("a key that is asked for, p99", "ms", (each) => percentile(each.asked, 0.99)),
    row("own requests that were answered", "%", answered, { valueMin: 99.9 }),
    rowOf({
      name: "strangers' keys that came",
      unit: "/s",
      rounds: loud.map((each) => each.flooded / each.seconds),
      baselineName: "wanted",
      baselineRounds: [FLOOD],
    }),
    rowOf({
      name: "of the verifier's process, taken by them",
      unit: "%",
      rounds: loud.map((each) => 100 * each.floodShare),
      baselineName: "all of it",
      baselineRounds: [100],
    }),
  ];
}

function answered({ held, asked, refused }: Measured): number {
  const yes = held.length + asked.length;
  return (100 * yes) / (yes + refused);
}
