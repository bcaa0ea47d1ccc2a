/** Verifiers in worker threads that read the keys of one in this thread. The authority is a double behind real HTTP. */
import { mkdtempSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Sighting, Verdict } from "@keyover/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ApiStatus } from "../api-replica.ts";
import { AuthorityDouble, keyRecord, newText, version } from "../authority.test-double.ts";
import { attachVerifier, createVerifier, type SharingVerifier, type VerifierOptions } from "../verifier.ts";
import { realWorld } from "../world.ts";
import type { Question } from "./attach.test-program.ts";

const PROGRAM = new URL("./attach.test-program.ts", import.meta.url);
const KEY = "key_0000000000000000000001";
const CONSUMER = "con_0000000000000000000001";

let authority: AuthorityDouble;
let server: Server;
let url: string;
let text: string;
const verifiers: SharingVerifier[] = [];
const threads: Thread[] = [];

beforeEach(async () => {
  authority = new AuthorityDouble(realWorld().clock);
  text = newText();
  authority.write(keyRecord(KEY, [version(text)], { consumer: CONSUMER }));
  server = await serve(authority);
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  await Promise.all(threads.splice(0).map((thread) => thread.worker.terminate()));
  await Promise.all(verifiers.splice(0).map((verifier) => verifier.close()));
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

async function open(options: Partial<VerifierOptions> = {}): Promise<SharingVerifier> {
  const verifier = createVerifier({ url, token: "t", apis: ["market"], instance: "lead", ...options });
  verifiers.push(verifier);
  await verifier.ready;
  return verifier;
}

async function thread(verifier: SharingVerifier): Promise<Thread> {
  const { handle, transferList } = await verifier.share();
  const made = new Thread(new Worker(PROGRAM, { workerData: handle, transferList }));
  threads.push(made);
  return made;
}

async function readyThread(verifier: SharingVerifier): Promise<Thread> {
  const made = await thread(verifier);
  await made.ask({ do: "ready" });
  return made;
}

class Thread {
  readonly worker: Worker;
  #asked = 0;
  #waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();

  constructor(worker: Worker) {
    this.worker = worker;
    worker.on("message", ({ id, answer, error }: { id: number; answer?: unknown; error?: string }) => {
      const waiting = this.#waiting.get(id);
      if (error === undefined) waiting?.resolve(answer);
      else waiting?.reject(new Error(error));
    });
  }

  ask(question: Question extends infer Q ? Omit<Q & object, "id"> & Record<string, unknown> : never): Promise<unknown> {
    const id = ++this.#asked;
    this.worker.postMessage({ id, ...question });
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  async verify(shown: string, ask: object = {}): Promise<Verdict> {
    return JSON.parse((await this.ask({ do: "verify", text: shown, ask })) as string);
  }

  async verifyNow(shown: string, ask: object = {}): Promise<Verdict | null> {
    return JSON.parse((await this.ask({ do: "verifyNow", text: shown, ask })) as string);
  }

  async status(): Promise<ApiStatus> {
    return JSON.parse((await this.ask({ do: "status" })) as string);
  }
}

const bootsOf = (instance: string) => [...authority.boots.values()].filter((boot) => boot.instance === instance);
const sighted = (): Sighting[] => authority.counted.flatMap(({ sightings }) => sightings);

test("threads decide by the keys of one verifier, and are verifiers of their own to the authority", async () => {
  const lead = await open();
  const [one, two] = [await readyThread(lead), await readyThread(lead)];
  const own = JSON.parse(JSON.stringify(lead.verifyNow(text, { scope: "market:read" })));
  expect(own).toMatchObject({ valid: true, code: "ok", key: KEY, consumer: CONSUMER });
  for (const each of [one, two]) {
    expect(await each.verifyNow(text, { scope: "market:read" })).toEqual(own);
    expect((await each.verifyNow(text, { scope: "trade" }))?.code).toBe("insufficient_scope");
    expect((await each.verify(newText())).code).toBe("unknown");
    expect((await each.verify("no key at all")).code).toBe("malformed");
    expect(await each.status()).toMatchObject({ keys: 1, phase: "following", lease: { standing: "fresh" } });
  }
  expect([...authority.boots.values()].map(({ instance }) => instance)).toEqual(["lead", "lead/1", "lead/2"]);
  expect(authority.calls.filter((call) => call === "snapshot" || call === "feed")).toEqual(["snapshot", "feed"]);
});

test("what is acknowledged is in force: a revoked key is refused, a changed one is as it is", async () => {
  const one = await readyThread(await open());
  const acknowledged = (seq: number) => expect.poll(() => bootsOf("lead/1")[0]?.applied).toBeGreaterThanOrEqual(seq);
  for (let turn = 0; turn < 20; turn++) {
    const next = newText();
    const changed = [version(text, { state: "retiring" }), version(next, { number: 2 })];
    const { seq } = authority.write(keyRecord(KEY, changed, { consumer: CONSUMER, current: 2 }));
    await acknowledged(seq);
    expect(await one.verifyNow(text)).toMatchObject({ code: "ok", version: 1 });
    expect(await one.verifyNow(next)).toMatchObject({ code: "ok", version: 2 });
    const plain = authority.write(keyRecord(KEY, [version(text)], { consumer: CONSUMER }));
    await acknowledged(plain.seq);
    expect(await one.verifyNow(next)).toBeNull();
    expect(await one.verifyNow(text)).toMatchObject({ code: "ok", version: 1 });
  }
  const { seq } = authority.write(keyRecord(KEY, [version(text)], { consumer: CONSUMER, status: "revoked" }));
  await acknowledged(seq);
  expect((await one.verifyNow(text))?.code).toBe("revoked");
});

test("a key that the feed has not brought is asked for, and is then held for all threads", async () => {
  const lead = await open();
  const [one, two] = [await readyThread(lead), await readyThread(lead)];
  authority.silent = true;
  const young = newText();
  authority.writePlan({
    plan: "plan_1",
    name: "some",
    limits: [{ kind: "quota", name: "daily", per: "key", units: 3, period: "day", zone: "UTC" }],
  });
  authority.write(keyRecord("key_0000000000000000000002", [version(young)], { consumer: CONSUMER, plan: "plan_1" }));
  expect(await one.verifyNow(young)).toBeNull();
  expect(await one.verify(young)).toMatchObject({ code: "ok", key: "key_0000000000000000000002" });
  expect(await two.verifyNow(young)).toMatchObject({ code: "ok", limits: [{ limit: { name: "daily" } }] });
  expect(lead.verifyNow(young, {})?.code).toBe("ok");
});

test("uses are reported by the thread that saw them, each once, under the key's name, whatever was written since", async () => {
  const lead = await open();
  const [one, two] = [await readyThread(lead), await readyThread(lead)];
  for (let i = 0; i < 10; i++) {
    await one.verifyNow(text);
    await two.verifyNow(text);
    authority.write(keyRecord(KEY, [version(text)], { consumer: CONSUMER, scopes: [`s:${i}`] }));
  }
  authority.write(keyRecord("key_0000000000000000000003", [version(newText())], { consumer: CONSUMER }));
  await expect.poll(() => sighted().reduce((sum, { accepted }) => sum + accepted, 0)).toBe(20);
  expect(new Set(sighted().map(({ key, version: number }) => `${key} ${number}`))).toEqual(new Set([`${KEY} 1`]));
  await one.ask({ do: "close" });
  expect(bootsOf("lead/1").map(({ closed }) => closed)).toEqual([true]);
  expect((await two.verifyNow(text))?.code).toBe("ok");
});

test("with its verifier a thread ends: it accepts nothing any more", async () => {
  const lead = await open();
  const one = await readyThread(lead);
  expect((await one.verifyNow(text))?.code).toBe("ok");
  await lead.close();
  await expect.poll(async () => (await one.verifyNow(text))?.code).toBe("stale_replica");
  // It still told what it had seen.
  expect(new Set(sighted().map(({ key }) => key))).toEqual(new Set([KEY]));
  expect(bootsOf("lead/1").map(({ closed }) => closed)).toEqual([true]);
});

test("a thread that is killed, or hangs, keeps nobody; another takes its place", async () => {
  const lead = await open();
  const [one, two] = [await readyThread(lead), await readyThread(lead)];
  const hanging = two.ask({ do: "hang", ms: 1_500 });
  await one.worker.terminate();
  const three = await readyThread(lead);
  for (let i = 0; i < 50; i++)
    authority.write(keyRecord(KEY, [version(text)], { consumer: CONSUMER, scopes: [`s:${i}`] }));
  await expect.poll(async () => (await three.verifyNow(text, { scope: "s:49" }))?.code).toBe("ok");
  // By the dead one's name, if that was known to be free already.
  expect(bootsOf("lead/1").length + bootsOf("lead/3").length).toBe(2);
  await hanging;
  expect((await two.verifyNow(text, { scope: "s:49" }))?.code).toBe("ok");
});

test("while the authority is away threads start from their verifier's disk, within its lease", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "keyover-threads-"));
  authority.policy = { leaseMs: 60_000, onStale: "closed", staticMs: 0 };
  const before = await open({ dataDir });
  // The lease is written once the replica is saved.
  await expect.poll(() => before.status()[0]?.pendingReports).toBe(0);
  await new Promise((passed) => setTimeout(passed, 1_200));
  await before.close();
  authority.down = true;
  const lead = await open({ dataDir });
  const one = await readyThread(lead);
  expect(await one.verifyNow(text)).toMatchObject({ code: "ok", key: KEY });
  authority.down = false;
  await expect.poll(() => bootsOf("lead/1").length, { timeout: 15_000 }).toBe(1);
  await expect.poll(async () => (await one.status()).phase).toBe("following");
}, 40_000);

test("after a restore a thread follows its verifier into the new epoch", async () => {
  authority.policy = { leaseMs: 2_000, onStale: "closed", staticMs: 0 };
  const lead = await open();
  const one = await readyThread(lead);
  const restore = authority.backup();
  const lost = newText();
  authority.write(keyRecord("key_0000000000000000000002", [version(lost)], { consumer: CONSUMER }));
  await expect.poll(async () => (await one.verifyNow(lost))?.code).toBe("ok");
  restore();
  authority.reconciling = { after: authority.seq, epoch: "epoch-2" };
  await expect.poll(() => authority.remembered.length, { timeout: 10_000 }).toBeGreaterThan(0);
  authority.reconcile("epoch-2", [keyRecord(KEY, [version(text)], { consumer: CONSUMER })]);
  await expect.poll(async () => (await one.verifyNow(lost))?.code ?? "not held", { timeout: 15_000 }).toBe("not held");
  await expect.poll(async () => (await one.verifyNow(text))?.code, { timeout: 15_000 }).toBe("ok");
  const { seq } = authority.write(keyRecord(KEY, [version(text)], { consumer: CONSUMER, status: "revoked" }));
  await expect.poll(() => bootsOf("lead/1").at(-1)?.applied).toBeGreaterThanOrEqual(seq);
  expect((await one.verifyNow(text))?.code).toBe("revoked");
}, 60_000);

test("what a thread saw is told under its own name, also if it ends while a report is slow", async () => {
  const lead = await open();
  const one = await readyThread(lead);
  const pause = (ms: number) => new Promise((passed) => setTimeout(passed, ms));
  authority.latencyMs = 3_000;
  // A report of nothing is under way now, and what is seen goes with the next.
  await pause(1_200);
  for (let i = 0; i < 50; i++) await one.verifyNow(text);
  const closing = one.ask({ do: "close" });
  await pause(2_300);
  // It waits no longer for the report. Its slots become other keys'.
  authority.write(keyRecord(KEY, [version(text)], { consumer: CONSUMER, scopes: ["other"] }));
  await pause(100);
  authority.write(keyRecord("key_0000000000000000000002", [version(newText())], { consumer: CONSUMER }));
  await closing;
  authority.latencyMs = 0;
  await expect.poll(() => bootsOf("lead/1")[0]?.closed, { timeout: 10_000 }).toBe(true);
  expect(sighted().map(({ key, accepted }) => [key, accepted])).toEqual([[KEY, 50]]);
}, 40_000);

test("a key that is asked for when the verifier, or the thread itself, ends is answered all the same", async () => {
  for (const ending of ["lead", "thread"]) {
    const lead = await open({ instance: ending });
    const one = await readyThread(lead);
    const young = newText();
    authority.silent = true;
    authority.write(keyRecord(`key_${String(ending.length).padStart(22, "0")}`, [version(young)]));
    let ended: Promise<unknown> = Promise.resolve();
    authority.beforeMissAnswer = async () => {
      ended = ending === "lead" ? lead.close() : one.ask({ do: "close" });
      await ended;
    };
    expect((await one.verify(young)).code).toBe("stale_replica");
    await ended;
    authority.beforeMissAnswer = undefined;
    authority.silent = false;
  }
}, 40_000);

test("a verifier that is closed is not shared, and one handle is one verifier", async () => {
  const lead = await open();
  const { handle } = await lead.share();
  const attached = attachVerifier(handle);
  expect(() => attachVerifier(handle)).toThrow("each verifier needs a `share` of its own");
  await attached.ready;
  expect(attached.verifyNow(text, {})?.code).toBe("ok");
  await attached.close();
  await lead.close();
  await expect(lead.share()).rejects.toThrow("the verifier is closed");
});

test("a cache can't be shared", async () => {
  const cache = await open({ cache: { keys: 10 } });
  await expect(cache.share()).rejects.toThrow("a cache can't be read by other threads");
});

/** The double's answers over real connections. */
async function serve(double: AuthorityDouble): Promise<Server> {
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    let body = "";
    for await (const chunk of request) body += chunk;
    const { method = "GET" } = request;
    const init = { method, signal: gone.signal, ...(body === "" ? {} : { body }) };
    const answered = await double.fetch(`http://127.0.0.1${request.url}`, init);
    response.writeHead(answered.status, Object.fromEntries(answered.headers));
    response.flushHeaders();
    for await (const chunk of answered.body ?? []) response.write(chunk);
    response.end();
  };
  const made = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((listening) => made.listen(0, "127.0.0.1", listening));
  return made;
}
