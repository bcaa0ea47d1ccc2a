/**
 * `keyover verifier --workers N` changed over by SIGHUP under load, on a port and on a Unix socket, by callers that keep their connection and by
 * callers that open one for each request: not one is refused, cut off or left without an answer. And what happens when a worker is killed,
 * and when the authority is away.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Authority,
  type Issued,
  issueKey,
  KEYOVER,
  protectApi,
  startAuthority,
} from "./authority.test-support.ts";
import { endAll, freePort, makeFolder, type Running, run, until } from "./processes.test-support.ts";

let authority: Authority;
let verifierToken: string;
let key: Issued;

beforeAll(async () => {
  authority = await startAuthority();
  ({ verifierToken } = await protectApi(authority, "market", "mkt", {
    staleness: { leaseMs: 3_000, onStale: "static", staticMs: 60_000 },
  }));
  key = await issueKey(authority, "market", "caller");
});
afterAll(endAll);

type Place = { host: string; port: number } | { socketPath: string };

interface Pool {
  place: Place;
  data: string;
  process: Running;
}

async function start(where: "port" | "socket", workers: number, more: string[] = []): Promise<Pool> {
  const folder = makeFolder(`pool-${where}`);
  const data = join(folder, "data");
  const socketPath = join(folder, "verifier.sock");
  const port = await freePort();
  const listen = where === "port" ? `127.0.0.1:${port}` : `unix:${socketPath}`;
  const given = [
    "--url",
    authority.url,
    "--api",
    "market",
    "--data",
    data,
    "--instance",
    folder.slice(-6),
    "--log-level",
    "info",
  ];
  const process = run(KEYOVER, ["verifier", ...given, "--listen", listen, "--workers", String(workers), ...more], {
    env: { KEYOVER_TOKEN: verifierToken },
  });
  const pool = { place: where === "port" ? { host: "127.0.0.1", port } : { socketPath }, data, process };
  await until(() => {
    if (process.exited()) throw new Error(`keyover verifier ended: ${process.out()}${process.err()}`);
    return process.out().includes("Keyover decides on");
  }, "the workers to be ready");
  return pool;
}

/** The status, or what became of the request instead. */
function check(
  place: Place,
  agent: Agent | false,
  path = "/check?scope=market:read",
): Promise<{ status: number | string; text: string }> {
  return new Promise((resolve) => {
    const sent = request({ ...place, path, agent, headers: { authorization: `Bearer ${key.secret}` } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode as number, text }));
      response.on("error", (error) => resolve({ status: String(error), text }));
    });
    sent.on("error", (error) => resolve({ status: String(error), text: "" }));
    sent.end();
  });
}

/** Constant load until it is called off; answers how many requests there were, and what was not 204. */
function load(place: Place) {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  let stop = false;
  let requests = 0;
  const wrong: (number | string)[] = [];
  const loop = async (by: Agent | false) => {
    while (!stop) {
      const { status } = await check(place, by);
      requests++;
      if (status !== 204) wrong.push(status);
    }
  };
  const loops = [agent, agent, agent, agent, false, false, false, false].map((by) => loop(by as Agent | false));
  return {
    requests: () => requests,
    async end() {
      stop = true;
      await Promise.all(loops);
      agent.destroy();
      return { requests, wrong };
    },
  };
}

const changesDone = ({ process }: Pool) => process.err().split('"verifier.change_over_done"').length - 1;

async function changeOver(pool: Pool): Promise<void> {
  const before = changesDone(pool);
  process.kill(pool.process.pid, "SIGHUP");
  await until(
    () => changesDone(pool) > before,
    () => `the change-over; it said ${pool.process.err()}`,
  );
}

describe.each([
  ["port", 1],
  ["socket", 2],
] as const)("on a %s, with %i worker(s)", (where, workers) => {
  let pool: Pool;
  beforeAll(async () => {
    pool = await start(where, workers);
  });

  it("three change-overs under load fail no request", async () => {
    const traffic = load(pool.place);
    await until(() => traffic.requests() > 100, "the load");
    for (let i = 0; i < 3; i++) {
      await changeOver(pool);
      const seen = traffic.requests();
      await until(() => traffic.requests() > seen + 200, "more of the load");
    }
    const { requests, wrong } = await traffic.end();
    expect(wrong).toEqual([]);
    expect(requests).toBeGreaterThan(700);
  });

  it("a new worker begins with what the old one had on disk, but its lease", async () => {
    const slots = readdirSync(pool.data).filter((each) => /^\d+$/.test(each));
    expect(slots.length).toBe(workers + 1);
    // The last of three change-overs left a copy in each slot once.
    for (const slot of slots) expect(existsSync(join(pool.data, slot, "api-market.replica"))).toBe(true);
    expect(readdirSync(pool.data).filter((each) => each.includes("seeding"))).toEqual([]);
  });

  it("what they count is put together, by worker", async () => {
    const { text } = await check(pool.place, false, "/metrics");
    const ready = [...text.matchAll(/^keyover_verifier_ready\{worker="\d+"\} 1$/gm)];
    expect(ready.length).toBe(workers);
    expect(text.match(/# TYPE keyover_verifier_ready /g)?.length).toBe(1);
  });

  it("SIGTERM ends all of them, with 0", async () => {
    expect(await pool.process.stop()).toBe(0);
    const { status } = await check(pool.place, false);
    expect(status).toMatch(/ECONNREFUSED|ENOENT/);
  });
});

it("a worker that is killed is replaced; the other goes on meanwhile", async () => {
  const pool = await start("port", 2);
  const pids = childrenOf(pool.process.pid);
  expect(pids.length).toBe(2);
  for (const pid of pids) expect(readFileSync(`/proc/${pid}/environ`, "latin1")).toContain("glibc.malloc.hugetlb=1");
  process.kill(pids[0] as number, "SIGKILL");
  await until(() => pool.process.err().includes("verifier.worker_ended"), "the death to be noticed");
  await until(async () => {
    const { text } = await check(pool.place, false, "/metrics");
    return [...text.matchAll(/^keyover_verifier_ready\{worker="\d+"\} 1$/gm)].length === 2;
  }, "a new worker to be ready");
  expect((await check(pool.place, false)).status).toBe(204);
  expect(await pool.process.stop()).toBe(0);
});

it("a worker that dies while its successor waits for the authority is started again, from its disk", async () => {
  const pool = await start("port", 1);
  const [old] = childrenOf(pool.process.pid) as [number];
  await authority.stop();
  process.kill(pool.process.pid, "SIGHUP");
  await until(() => childrenOf(pool.process.pid).length === 2, "the successor to be there");
  process.kill(old, "SIGKILL");
  await until(
    () => childrenOf(pool.process.pid).length === 2 && !childrenOf(pool.process.pid).includes(old),
    "another",
  );
  await until(async () => (await check(pool.place, false)).status === 204, "it to answer");
  await authority.start();
  await until(
    () => changesDone(pool) === 1,
    () => `the change-over; it said ${pool.process.err()}`,
  );
  await until(() => childrenOf(pool.process.pid).length === 1, "one to be left");
  expect((await check(pool.place, false)).status).toBe(204);
  expect(await pool.process.stop()).toBe(0);
});

it("workers without their parent end", async () => {
  const pool = await start("port", 1);
  const pids = childrenOf(pool.process.pid);
  await pool.process.kill();
  await until(() => pids.every((pid) => !existsSync(`/proc/${pid}`)), "the workers to be gone");
});

it("a token that is refused ends the program with 4 and a sentence", async () => {
  const refused = run(
    KEYOVER,
    [
      "verifier",
      "--url",
      authority.url,
      "--api",
      "market",
      "--workers",
      "2",
      "--listen",
      `127.0.0.1:${await freePort()}`,
    ],
    {
      env: { KEYOVER_TOKEN: "kot_verifier_nobody" },
    },
  );
  expect(await refused.end).toBe(4);
  expect(refused.err()).toContain("refuses this verifier");
});

it("while the authority is away the old worker goes on, and a whole new start goes on from the disk", async () => {
  const pool = await start("socket", 1);
  await changeOver(pool);
  await authority.stop();
  process.kill(pool.process.pid, "SIGHUP");
  await until(() => childrenOf(pool.process.pid).length === 2, "the new worker to be there");
  const traffic = load(pool.place);
  await until(() => traffic.requests() > 500, "the load");
  expect((await traffic.end()).wrong).toEqual([]);
  // As a machine that went down: no goodbye, and the lease on disk is the one in slot 2, where the worker ran.
  const workers = childrenOf(pool.process.pid);
  await pool.process.kill();
  // They hold the folders until they see that they are alone.
  await until(() => workers.every(isGone), "the workers to end");
  const { socketPath } = pool.place as { socketPath: string };
  const again = run(
    KEYOVER,
    [
      "verifier",
      "--url",
      authority.url,
      "--api",
      "market",
      "--data",
      pool.data,
      "--listen",
      `unix:${socketPath}`,
      "--workers",
      "1",
      "--instance",
      "x",
    ],
    { env: { KEYOVER_TOKEN: verifierToken } },
  );
  await until(
    () => again.out().includes("Keyover decides on"),
    () => `the start from the disk; it said ${again.err()}`,
  );
  expect((await check(pool.place, false)).status).toBe(204);
  await again.stop();
  await authority.start();
});

/** Ended, whether or not anybody has asked how (state Z). */
function isGone(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return /^[ZX] /.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return true;
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((each) => /^\d+$/.test(each))
    .map(Number)
    .filter((each) => {
      try {
        const stat = readFileSync(`/proc/${each}/stat`, "utf8");
        return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === String(pid);
      } catch {
        return false;
      }
    });
}
