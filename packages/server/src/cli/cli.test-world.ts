/** A real authority on a real port, and a way to run the program against it inside this process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { type Authority, createAuthority } from "../authority.ts";
import type { NoticesConfig } from "../notices/notices.ts";
import { openMemoryStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { createLogger, realWorld } from "../world.ts";
import { runCli } from "./cli.ts";
import type { ExitCode } from "./exit-codes.ts";

export interface Ran {
  code: ExitCode;
  out: string;
  err: string;
}

export interface RunOptions {
  env?: Record<string, string | undefined>;
  stdin?: string;
  isTty?: boolean;
  columns?: number;
  /** In the place of the network. */
  fetch?: typeof globalThis.fetch;
}

export interface Rig {
  url: string;
  token: string;
  folder: string;
  store: Store;
  authority: Authority;
  /** Runs `keyover …` with an administrator's token. */
  run(args: string[], options?: RunOptions): Promise<Ran>;
  /** The same with `--json`; the answer parsed. Fails if the program did. */
  json<T = Record<string, never>>(...args: string[]): Promise<T>;
  close(): Promise<void>;
}

export function makeTestFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "keyover-cli-"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export async function runProgram(args: string[], options: RunOptions = {}): Promise<Ran> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const [out, err] = [collect(stdout), collect(stderr)];
  const real = realWorld(createLogger("silent"));
  const world = options.fetch === undefined ? real : { ...real, fetch: options.fetch };
  const io = {
    stdout: Object.assign(stdout, { columns: options.columns }),
    stderr,
    stdin: Readable.from([options.stdin ?? ""]),
    isTty: options.isTty ?? false,
    env: options.env ?? {},
    world,
  };
  const code = await runCli(["node", "keyover", ...args], io);
  return { code, out: out(), err: err() };
}

function collect(stream: PassThrough): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return () => text + (stream.read() ?? "");
}

export async function startRig(notices?: NoticesConfig): Promise<Rig> {
  const world = realWorld(createLogger("silent"));
  const store = openMemoryStore({ now: () => world.clock.now() });
  const authority = await createAuthority(world, store, {
    masterKey: new Uint8Array(32).fill(7),
    logger: false,
    trustProxy: false,
    notices,
  });
  const url = await authority.app.listen({ host: "127.0.0.1", port: 0 });
  const ticking = setInterval(() => void authority.tick(), 20);
  const token = (await authority.firstToken())?.reveal() ?? "";
  const { folder, remove } = makeTestFolder();
  const env = { KEYOVER_URL: url, KEYOVER_TOKEN: token };
  const run = (args: string[], options: RunOptions = {}) =>
    runProgram(args, { ...options, env: { ...env, ...options.env } });
  return {
    url,
    token,
    folder,
    store,
    authority,
    run,
    async json(...args) {
      const { code, out, err } = await run([...args, "--json"]);
      if (code !== 0) throw new Error(`keyover ${args.join(" ")} ended with ${code}: ${err}`);
      return JSON.parse(out);
    },
    async close() {
      clearInterval(ticking);
      await authority.close();
      remove();
    },
  };
}
