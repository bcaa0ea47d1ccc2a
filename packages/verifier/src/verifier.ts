/**
 * @keyover/verifier: decides on presented API keys inside the API's own process, from its own replica of the keys.
 *
 *     text ──form, checksum──▶ digest ──▶ the api of its prefix ──▶ lease ──▶ replica ──▶ judge ──▶ count ──▶ Verdict
 *             │ malformed                                            │ over      │ miss: ask the authority, once
 *             ▼                                                      ▼           ▼
 *             401                                                    503         `verify` waits, `verifyNow` says undefined
 *
 * No step before a miss waits for anything.
 */

import type { MessagePort } from "node:worker_threads";
import { authorityUrlProblem, digestKeyText, docsUrl, encodeBase62, type Verdict, type World } from "@keyover/core";
import { type ApiOptions, ApiReplica, type ApiStatus, MALFORMED, type PresentedAsk, STALE } from "./api-replica.ts";
import { fileDisk, type ReplicaDisk } from "./disk.ts";
import { cacheProblem } from "./flat/cached-replica.ts";
import type { ApiEnds } from "./threads/thread-following.ts";
import { hostName, realWorld, software, stayAlive } from "./world.ts";

export type { Ask, Verdict, VerdictCode } from "@keyover/core";
export type { ApiStatus, PresentedAsk } from "./api-replica.ts";
export type { DiskHead, DiskLease, DiskState, JournalLine, ReplicaDisk } from "./disk.ts";
export { fileDisk } from "./disk.ts";
export { CACHE_KEYS_MAX } from "./flat/cached-replica.ts";

export interface VerifierOptions {
  /**
   * The authority's address, such as `https://keys.example.com`. Where it is several processes, each one's: a verifier then goes on
   * without a gap when one of them is dead or stands still.
   */
  url: string | readonly string[];
  /** A token of the role `verifier`. */
  token: string;
  /** Send the token over http:// to another machine. Only where nobody else can listen. */
  allowPlainHttp?: boolean | undefined;
  /** Names or ids of the apis whose keys to decide on. */
  apis: readonly string[];
  /** The environment that this server serves. Needed if the token covers several. */
  environment?: string | undefined;
  /** A lasting name of this process, unique among running verifiers. Default: the host's name and six random characters. */
  instance?: string | undefined;
  /** A folder of this process alone. With it the verifier can restart while the authority is away. */
  dataDir?: string | undefined;
  /**
   * Hold at most so many keys of each api, and ask the authority for the others: where all of them don't fit. Nothing is kept on disk then, so
   * there is no `dataDir`; give an `instance`.
   */
  cache?: { keys: number } | undefined;
  /** Default: what the authority says, about a second. */
  reportEveryMs?: number | undefined;
  /** Where consumers read about rotation: the `Link` header of an old version's responses. */
  docsUrl?: string | undefined;
  /** For simulations and tests. */
  world?: World | undefined;
  /** Instead of `dataDir`. */
  disk?: ReplicaDisk | undefined;
}

export interface Verifier {
  /**
   * Resolves when the verifier can decide: level with the authority, or from its disk within the lease written there. Rejects
   * if the token or the options are refused; while the authority is merely unreachable it waits.
   */
  readonly ready: Promise<void>;
  readonly docsUrl: string;
  /** Never rejects. Says `stale_replica` before anything is known, past its lease, and after `close`. */
  verify(text: string, ask: PresentedAsk): Promise<Verdict>;
  /** The same at once, or undefined if the authority must be asked about this key: then call `verify`. */
  verifyNow(text: string, ask: PresentedAsk): Verdict | undefined;
  status(): ApiStatus[];
  close(): Promise<void>;
}

export interface SharingVerifier extends Verifier {
  /**
   * For one more worker thread of this process, which then reads this verifier's keys instead of holding them once more: hand `handle` and
   * `transferList` to the `Worker`, and there call `attachVerifier`. To the authority that thread is a verifier of its own. It ends with this one.
   */
  share(): Promise<VerifierShare>;
}

/** Of one thread alone: each needs its own. */
export interface VerifierShare {
  handle: VerifierHandle;
  transferList: MessagePort[];
}

/** Holds the token: it is for this process. */
export interface VerifierHandle {
  options: Omit<ApiOptions, "api" | "disk" | "ends">;
  docsUrl: string;
  apis: { api: string; ends: ApiEnds }[];
}

export interface AttachOptions {
  /** For tests. */
  world?: World | undefined;
}

export function createVerifier(options: VerifierOptions): SharingVerifier {
  const world = options.world ?? realWorld();
  if (options.apis.length === 0) throw new TypeError("createVerifier: name at least one api in `apis`");
  const urls = typeof options.url === "string" ? [options.url] : options.url;
  const problem = urlsProblem(urls, options.allowPlainHttp);
  if (problem !== undefined) throw new TypeError(`createVerifier: ${problem}`);
  const { cache, dataDir, environment, instance, reportEveryMs, token } = options;
  if (cache !== undefined) refuseCache(options);
  const fallbackInstance = `${hostName()}-${randomName(world)}`;
  const own = { environment, instance, fallbackInstance, reportEveryMs, cacheKeys: cache?.keys };
  return new ReplicaVerifier({
    world,
    isReal: options.world === undefined,
    disk: options.disk ?? (dataDir === undefined ? undefined : fileDisk(dataDir, world.log)),
    options: { urls, token, software: software(), ...own },
    docsUrl: inHeader(options.docsUrl ?? docsUrl("key_retired")),
    apis: options.apis.map((api) => ({ api, ends: undefined })),
  });
}

/** In this thread; in others their ports are gone. */
const attached = new WeakSet<VerifierHandle>();

/** In a worker thread: a verifier that reads the keys of the one whose `share` gave this handle. */
export function attachVerifier(handle: VerifierHandle, { world }: AttachOptions = {}): Verifier {
  if (attached.has(handle))
    throw new TypeError("attachVerifier: this handle was used; each verifier needs a `share` of its own");
  attached.add(handle);
  return new ReplicaVerifier({ world: world ?? realWorld(), isReal: world === undefined, disk: undefined, ...handle });
}

interface Parts extends Omit<VerifierHandle, "apis"> {
  world: World;
  /** Not a simulation's. */
  isReal: boolean;
  disk: ReplicaDisk | undefined;
  apis: readonly { api: string; ends: ApiEnds | undefined }[];
}

class ReplicaVerifier implements SharingVerifier {
  readonly ready: Promise<void>;
  readonly docsUrl: string;
  readonly #parts: Parts;
  readonly #apis: ApiReplica[];
  readonly #digest = new Int32Array(8);
  #unlock: (() => Promise<void>) | undefined;
  #starting: Promise<void>;
  #closing: Promise<void> | undefined;
  /** Lets the process end, as far as this verifier is concerned. */
  readonly #rest: () => void;

  constructor(parts: Parts) {
    const { world, isReal, disk, options, docsUrl, apis } = parts;
    this.#parts = parts;
    this.docsUrl = docsUrl;
    // What digests texts is made at the first one, in some milliseconds: now, and not while a request waits.
    this.#digestOf("");
    this.#apis = apis.map((each) => new ApiReplica(world, { ...options, disk, ...each }));
    this.#starting = this.#start(disk);
    this.ready = this.#becomeReady();
    // Whoever does not wait for `ready` still gets `stale_replica` answers, and not the end of the process.
    this.ready.catch(() => undefined);
    this.#rest = isReal ? stayAlive() : () => {};
    void this.ready.then(this.#rest, this.#rest);
  }

  verifyNow(text: string, ask: PresentedAsk): Verdict | undefined {
    const prefixEnd = this.#digestOf(text);
    if (prefixEnd === 0) return MALFORMED;
    const api = this.#route(text, prefixEnd);
    return api === undefined ? this.#foreign() : api.verifyNow(text, this.#digest, ask);
  }

  async verify(text: string, ask: PresentedAsk): Promise<Verdict> {
    const verdict = this.verifyNow(text, ask);
    if (verdict !== undefined) return verdict;
    const api = this.#route(text, text.indexOf("_"));
    return api === undefined ? this.#foreign() : api.verifyMiss(text, ask);
  }

  status(): ApiStatus[] {
    return this.#apis.map((api) => api.status());
  }

  async share(): Promise<VerifierShare> {
    const { options, docsUrl } = this.#parts;
    if (options.cacheKeys !== undefined) throw new TypeError("share: a cache can't be read by other threads");
    await this.#starting;
    if (this.#closing !== undefined || this.#apis.some((each) => each.closed))
      throw new Error("share: the verifier is closed");
    const apis = this.#apis.map((each) => ({ api: each.name, ends: each.share() }));
    const transferList = apis.flatMap(({ ends: { table } }) => [table.newsPort, table.talkPort]);
    return { handle: { options, docsUrl, apis }, transferList };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The length of a well-formed text's prefix, its digest left in `#digest`; 0 for any other. */
  #digestOf(text: string): number {
    return typeof text === "string" ? digestKeyText(text, this.#digest) : 0;
  }

  #route(text: string, prefixEnd: number): ApiReplica | undefined {
    for (const api of this.#apis) {
      if (api.prefix.length === prefixEnd && text.startsWith(api.prefix)) return api;
    }
    return undefined;
  }

  /** A prefix that is none of ours, unless there is an api of which we don't know the prefix yet. */
  #foreign(): Verdict {
    return this.#apis.every((api) => api.prefix !== "") ? MALFORMED : STALE;
  }

  async #start(disk: ReplicaDisk | undefined): Promise<void> {
    this.#unlock = await disk?.lock();
    await Promise.all(this.#apis.map((api) => api.start()));
  }

  async #becomeReady(): Promise<void> {
    for (const api of this.#apis) api.ready.catch(() => undefined);
    await this.#starting;
    await Promise.all(this.#apis.map((api) => api.ready));
  }

  async #close(): Promise<void> {
    this.#rest();
    await Promise.all(this.#apis.map((api) => api.close()));
    await this.#starting.catch(() => undefined);
    await this.#unlock?.();
  }
}

function refuseCache({ cache, dataDir, disk }: VerifierOptions): void {
  const problem = cacheProblem(cache?.keys);
  if (problem !== undefined) throw new TypeError(`createVerifier: cache.keys takes ${problem}`);
  if (dataDir !== undefined || disk !== undefined)
    throw new TypeError("createVerifier: a cache is not kept on disk; leave `dataDir` out, or `cache`");
}

function urlsProblem(urls: readonly string[], allowPlainHttp: boolean | undefined): string | undefined {
  if (urls.length === 0) return "name at least one address of the authority in `url`";
  for (const [i, url] of urls.entries()) {
    const problem = authorityUrlProblem(url, allowPlainHttp);
    if (problem !== undefined) return urls.length === 1 ? problem : `url[${i}] of ${urls.length}: ${problem}`;
  }
  return undefined;
}

/** As a header can carry it. Other characters would end the process, with the first response that tells of a rotation. */
function inHeader(url: string): string {
  if (/^[!-;=?-~]*$/.test(url)) return url;
  if (!URL.canParse(url)) throw new TypeError(`createVerifier: docsUrl is no URL: ${url}`);
  return new URL(url).href;
}

function randomName(world: World): string {
  return [...world.random(6)].map((byte) => encodeBase62(byte % 62, 1)).join("");
}
