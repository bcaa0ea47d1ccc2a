/** What the Fastify adapter takes from a route's throughput: the same route with it and without, in turn, the client in this process. */
import { loadOf } from "./http-load.ts";
import { startPeer } from "./processes.ts";
import { type Row, rowOf } from "./report.ts";

/** What the server's process says once it listens. */
export interface Texts {
  port: number;
  texts: string[];
}

type Said = Texts | { busy: number };

const ROUNDS = 7;
const SECONDS = 3;
const CONNECTIONS = 32;
const KEYS = 1_000;
/** Below this the client was the bottleneck, and the comparison would say nothing. */
const BUSY_MIN = 0.9;

export async function http(quick: boolean): Promise<Row[]> {
  const seconds = quick ? 0.3 : SECONDS;
  const server = startPeer<Said>("./http-server.ts", { keys: KEYS });
  const { port, texts } = (await server.next((said) => "port" in said)) as Texts;
  const busy = async () => {
    const answer = server.next((said) => "busy" in said) as Promise<{ busy: number }>;
    server.send("busy?");
    return (await answer).busy;
  };
  const rounds = { open: [] as number[], protected: [] as number[] };
  let busyMin = 1;
  for (let round = -1; round < ROUNDS; round++) {
    const paths = ["open", "protected"] as const;
    for (const path of round % 2 === 0 ? paths : paths.toReversed()) {
      await busy();
      const perSecond = await loadOf(port, `/${path}`, texts, CONNECTIONS, seconds);
      // Round -1 is for the compiler.
      if (round < 0) continue;
      busyMin = Math.min(busyMin, await busy());
      rounds[path].push(perSecond);
    }
  }
  await server.stop();
  if (busyMin < BUSY_MIN)
    process.stderr.write(
      `the server was busy only ${Math.round(100 * busyMin)} % of a round: the client was too slow\n`,
    );
  return [
    rowOf(
      {
        name: "protected route",
        unit: "requests/s",
        rounds: rounds.protected,
        baselineName: "same route, open",
        baselineRounds: rounds.open,
      },
      { ratioMin: 0.75 },
    ),
  ];
}
