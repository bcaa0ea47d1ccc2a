/**
 * What a check costs where a gateway asks for it: the standalone verifier beside a bare node:http of the same process; two workers of it
 * beside one; and nginx with `auth_request` to it beside nginx without (gateway-nginx.ts).
 */
import { behindNginx } from "./gateway-nginx.ts";
import type { WorkersSaid } from "./gateway-workers.ts";
import { loadOf } from "./http-load.ts";
import type { LoadOrder, LoadSaid } from "./http-load-process.ts";
import { makeKeys } from "./keyring.ts";
import { type Peer, startPeer } from "./processes.ts";
import { type Row, rowOf } from "./report.ts";
import type { Spent, StandaloneSaid } from "./standalone-server.ts";
import { inTurn } from "./turns.ts";

const SECONDS = 3;
const CONNECTIONS = 32;
const KEYS = 1_000;
const PATH = "/check?scope=market:read";
const BUSY_MIN = 0.9;

export async function gateway(quick: boolean): Promise<Row[]> {
  const seconds = quick ? 0.3 : SECONDS;
  return [...(await standalone(seconds)), ...(await workers(seconds)), ...(await behindNginx(seconds))];
}

/** By the clock, and by the processor time that the server's process takes: other work on the machine lengthens the one and hardly the other. */
async function standalone(seconds: number): Promise<Row[]> {
  const server = startPeer<StandaloneSaid | Spent>("./standalone-server.ts", { keys: KEYS });
  const { bare, checks, texts } = (await server.next((said) => "bare" in said)) as StandaloneSaid;
  const spent = async () => {
    const answer = server.next((said) => "spentUs" in said) as Promise<Spent>;
    server.send("spent?");
    return answer;
  };
  let busyMin = 1;
  const micros: [number[], number[]] = [[], []];
  const measured = (which: 0 | 1, port: number, wanted: number) => async () => {
    await spent();
    const perSecond = await loadOf(port, PATH, texts, CONNECTIONS, seconds, wanted);
    const { spentUs, busy } = await spent();
    busyMin = Math.min(busyMin, busy);
    micros[which].push(spentUs / (perSecond * seconds));
    return perSecond;
  };
  const [baselineRounds, rounds] = (await inTurn([measured(0, bare, 200), measured(1, checks, 204)])) as Two;
  await server.stop();
  if (busyMin < BUSY_MIN)
    process.stderr.write(
      `the server was busy only ${Math.round(100 * busyMin)} % of a round: the client was too slow\n`,
    );
  const names = { name: "keyover verifier, /check", baselineName: "bare node:http" };
  // The first of each is for the compiler.
  const [bareMicros, checkMicros] = micros.map((each) => each.slice(1)) as Two;
  return [
    rowOf({ ...names, unit: "requests/s", rounds, baselineRounds }, { ratioMin: 0.9 }),
    rowOf({ ...names, unit: "µs of processor time", rounds: checkMicros, baselineRounds: bareMicros }),
  ];
}

type Two = [number[], number[]];

/**
 * The load comes from two processes, so with two workers all four cores of such a machine are taken. What two bare servers gain over one is
 * what can be gained there at all.
 */
async function workers(seconds: number): Promise<Row[]> {
  const keys = makeKeys(KEYS, 0);
  const pools = [1, 2].map((count) => startPeer<WorkersSaid>("./gateway-workers.ts", { workers: count }));
  for (const pool of pools) pool.send(keys.map((key) => ({ ...key })));
  const said = await Promise.all(pools.map((pool) => pool.next(() => true)));
  const texts = keys.map(({ text }) => text);
  const clients = [1, 2].map(() => startPeer<LoadSaid>("./http-load-process.ts", { texts }));
  const measured =
    ({ bare, checks }: WorkersSaid, which: "bare" | "checks") =>
    () => {
      const [port, wanted] = which === "bare" ? [bare, 200] : [checks, 204];
      return together(clients, { port, path: PATH, connections: CONNECTIONS / 2, seconds, wanted });
    };
  const measures = said.flatMap((each) => [measured(each, "bare"), measured(each, "checks")]);
  const [bareOne, one, bareTwo, two] = (await inTurn(measures)) as [number[], number[], number[], number[]];
  await Promise.all([...pools, ...clients].map((peer) => peer.stop()));
  const unit = "requests/s";
  const names = { name: "keyover verifier, 2 workers", unit, rounds: two };
  return [
    rowOf({ ...names, baselineName: "1 worker", baselineRounds: one }, { ratioMin: 1.9 }),
    rowOf({ ...names, baselineName: "bare node:http, 2 workers", baselineRounds: bareTwo }, { ratioMin: 0.9 }),
    rowOf({
      name: "bare node:http, 2 workers",
      unit,
      rounds: bareTwo,
      baselineName: "bare node:http, 1 worker",
      baselineRounds: bareOne,
    }),
  ];
}

async function together(clients: readonly Peer<LoadSaid>[], order: LoadOrder): Promise<number> {
  const answers = clients.map((client) => client.next(() => true));
  for (const client of clients) client.send({ ...order });
  return (await Promise.all(answers)).reduce((sum, { perSecond }) => sum + perSecond, 0);
}
