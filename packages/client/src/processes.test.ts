/** Four real processes with one file, a real server, a rotation and a rollback while all of them send requests. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test, vi } from "vitest";
import { TestClock, TestProvider } from "./client.test-world.ts";

const children: ChildProcess[] = [];
const clock = new TestClock();
clock.now = () => Date.now();
const provider = new TestProvider(clock);
provider.pollAfterMs = 1_000;
const claims: string[] = [];
const folder = mkdtempSync(join(tmpdir(), "keyover-four-"));
let refused = 0;

const server = createServer((incoming, outgoing) => void serve(incoming, outgoing));

async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const path = incoming.url ?? "/";
  if (path.endsWith("/claim")) claims.push(String(incoming.headers["keyover-instance"]));
  const origin = path.startsWith("/v1/") ? "https://keys.test" : "https://api.test";
  const headers = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)] as [string, string]);
  const method = incoming.method ?? "GET";
  const body = method === "GET" ? null : Buffer.concat(chunks);
  const response = await provider.fetch(origin + path, { method, headers, body });
  if (response.status === 401) refused++;
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(await response.text());
}

interface Child {
  process: ChildProcess;
  last: { version?: number; sent: number; bad: number };
}

function start(file: string, url: string, instance: string): Child {
  const args = [
    "--conditions=keyover-source",
    fileURLToPath(new URL("./processes.test-bot.ts", import.meta.url)),
    file,
    url,
    instance,
  ];
  const started = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(started);
  const child: Child = { process: started, last: { sent: 0, bad: 0 } };
  let text = "";
  started.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (text + chunk).split("\n");
    text = lines.pop() ?? "";
    const line = lines.at(-1);
    if (line !== undefined) child.last = JSON.parse(line) as Child["last"];
  });
  return child;
}

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

test("four processes share one changeover, one of them killed with the lock in its hands", {
  timeout: 60_000,
}, async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const file = join(folder, "key");
  writeFileSync(file, provider.secret(1), { mode: 0o600 });
  const bots = ["a", "b", "c", "d"].map((name) => start(file, url, name));
  const all = (version: number, among: Child[]) =>
    vi.waitFor(() => expect(among.map(({ last }) => last.version)).toEqual(among.map(() => version)), 20_000);
  await all(1, bots);

  const second = provider.rotate();
  await all(2, bots);
  expect(claims).toHaveLength(1);
  expect(readFileSync(file, "utf8")).toBe(`${second}\n`);
  expect(statSync(file).mode & 0o777).toBe(0o600);

  provider.rollBack();
  await all(1, bots);
  expect(claims).toHaveLength(1);
  provider.end();

  // The next claimer is held up in its claim, and killed there.
  let claimer: string | undefined;
  provider.before = async (path, request) => {
    if (!path.endsWith("/claim") || claimer !== undefined) return undefined;
    claimer = request.headers.get("keyover-instance") ?? "";
    return new Promise(() => {});
  };
  const third = provider.rotate();
  await vi.waitFor(() => expect(claimer).toBeDefined(), 20_000);
  const victim = bots["abcd".indexOf(claimer ?? "")] as Child;
  const rest = bots.filter((bot) => bot !== victim);
  victim.process.kill("SIGKILL");
  await all(3, rest);
  // One of the rest claims, and the others take what it wrote. Where the machine stands still for seconds, the lock is taken over once more.
  expect(claims.length - 2).toBeGreaterThanOrEqual(1);
  expect(claims.length - 2).toBeLessThan(rest.length);
  expect(readFileSync(file, "utf8")).toBe(`${third}\n`);
  provider.retire();
  await vi.waitFor(() => expect(rest.every(({ last }) => last.sent > 100)).toBe(true), 20_000);
  expect(rest.map(({ last }) => last.bad)).toEqual([0, 0, 0]);
  expect(refused).toBe(0);
});
