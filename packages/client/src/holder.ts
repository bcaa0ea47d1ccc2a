/**
 * The key holder: puts source, authority and fetch together and drives changeover.ts, one state after the other, beside
 * the application and never in its way.
 */
import type { RotationHeader, World } from "@keyover/core";
import { AuthorityCalls, type AuthorityOptions } from "./authority-calls.ts";
import { type ChangeoverEvent, initialModel, isWaiting, type Model, next, underLock } from "./changeover.ts";
import type { Disk } from "./disk.ts";
import { bounded, KeyHolderError, reasonOf } from "./failure.ts";
import { checkOrigin, createFetch, type Refused, withKey } from "./fetch.ts";
import { Holding } from "./holding.ts";
import { createProbe, type ProbeOptions } from "./probe.ts";
import type { Held, Secret } from "./secret.ts";
import { fileSource } from "./secret-file.ts";
import { findSecret, wayBack } from "./sidecar.ts";
import { callbackSource, envSource, type SecretSource, type SourceOptions } from "./source.ts";
import { type ChangeReason, Steps } from "./steps.ts";
import type { Host } from "./world.ts";

export interface KeyHolderOptions {
  source: SourceOptions;
  authority: AuthorityOptions;
  /** Tries a successor before it is used. Without one the application's first request does, with the old secret behind it. */
  probe?: ProbeOptions | undefined;
  /** A lasting name of this process among those that use the key; the host's name if not given. */
  instance?: string | undefined;
  /** The only origins that get the key, such as `https://api.example.com`. Any, if not given. */
  origins?: readonly string[] | undefined;
  onChange?: ((change: KeyChange) => void) | undefined;
  world?: World | undefined;
  host?: Host | undefined;
  disk?: Disk | undefined;
}

export interface KeyChange {
  /** `source`: another process, or a person, put a secret there. `refused`: the successor failed; back to the old one. */
  reason: ChangeReason;
  version: number | undefined;
  rotation: string | undefined;
}

/** For a status page. Times are epoch milliseconds. No secrets. */
export interface KeyHolderState {
  phase: Model["state"]["at"] | "opening";
  key: string | undefined;
  version: number | undefined;
  /** The version to be on, if this process is moving there. */
  target: number | undefined;
  rotation: string | undefined;
  /** Why the key stays though it should move. */
  obstacle: Model["obstacle"];
  /** The old secret is still at hand, should the new one be refused. */
  wayBack: boolean;
  onTrial: boolean;
  failures: number;
  lastProblem: { code: string; detail: string; at: number } | undefined;
  nextLookInMs: number | undefined;
}

export interface KeyHolder {
  /** Resolves when the first secret is read (not when the authority has answered); rejects if there is none. */
  ready: Promise<void>;
  /** The secret to use now. Ask each time; don't keep it. */
  secret(): string;
  state(): KeyHolderState;
  /** A copy with `Authorization` and `Keyover-Instance` set. */
  authorize(request: Request): Request;
  authorize(headers: Headers): Headers;
  authorize(init: RequestInit): RequestInit;
  fetch: typeof globalThis.fetch;
  /** Looks for a changeover now; resolves when that is done, or put off to its moment. */
  check(): Promise<void>;
  close(): Promise<void>;
  toJSON(): KeyHolderState;
}

const GLANCE_MS = 1_000;
/** Response headers bring the authority no more than one look in this time, whatever they say. */
const HINT_GAP_MS = 5_000;
const URGENT_GAP_MS = 10_000;
const URGENT_MS = 5_000;
const CLOSE_MS = 5_000;

export class Holder {
  readonly opened: Promise<Holding>;
  readonly #options: KeyHolderOptions;
  readonly #world: World;
  readonly #source: SecretSource;
  readonly #calls: AuthorityCalls;
  readonly #origins: ReadonlySet<string> | undefined;
  readonly #instance: string;
  readonly fetch: typeof globalThis.fetch;
  #holding: Holding | undefined;
  #steps: Steps | undefined;
  #model: Model = initialModel;
  #running: Promise<void> = Promise.resolve();
  #closed = false;
  #inbox: ChangeoverEvent[] = [];
  #ring: (() => void) | undefined;
  #callers: (() => void)[] = [];
  #served: (() => void)[] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;
  #urgent: { until: number; forGood: boolean; work: Promise<void> } | undefined;
  #reloading: Promise<void> | undefined;
  #lastProblem: KeyHolderState["lastProblem"];
  #stopGlancing = (): void => {};

  constructor(options: KeyHolderOptions, world: World, host: Host, disk: Disk) {
    this.#options = options;
    this.#world = world;
    this.#instance = instanceName(options.instance ?? host.name);
    this.#origins = options.origins && new Set(options.origins.map(originOf));
    this.#source = openSource(options.source, world, host, disk);
    this.#calls = new AuthorityCalls(options.authority, world, this.#instance);
    this.opened = this.#open();
    this.opened.catch(() => {}); // `ready` and each request report it
    this.fetch = createFetch({
      world,
      instance: this.#instance,
      origins: this.#origins,
      opened: this.opened,
      hinted: (header) => this.#hinted(header),
      refused: (secret) => this.#refused(secret),
      proven: () => this.#proven(),
      reload: () => this.#reload(),
      changeOverNow: (tried, refused) => this.#changeOverNow(tried, refused),
    });
  }

  get current(): Held {
    if (this.#holding === undefined) throw new KeyHolderError("not_ready", "await holder.ready before using the key");
    return this.#holding.current;
  }

  authorize(request: Request | Headers | RequestInit): Request | Headers | RequestInit {
    const { current } = this;
    if (request instanceof Headers) return withKey(request, current, this.#instance);
    if (!(request instanceof Request))
      return { ...request, headers: withKey(request.headers, current, this.#instance) };
    checkOrigin(this.#origins, request);
    return new Request(request, { headers: withKey(request.headers, current, this.#instance) });
  }

  async check(): Promise<void> {
    await this.opened;
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      this.#callers.push(resolve);
      this.#tell({ type: "told", by: "caller", urgent: false });
    });
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#stopGlancing();
      this.#calls.close();
      this.#tell({ type: "close" });
    }
    await bounded(this.#running, CLOSE_MS, this.#world.clock);
  }

  state(): KeyHolderState {
    const { state, obstacle, attempts } = this.#model;
    const move = "move" in state ? state.move : undefined;
    return {
      phase: this.#holding === undefined ? "opening" : state.at,
      key: this.#steps?.key,
      version: this.#holding?.current.version,
      target: move?.to,
      rotation: move?.rotation,
      obstacle,
      wayBack: this.#holding?.fallback !== undefined,
      onTrial: this.#holding?.onTrial ?? false,
      failures: attempts,
      lastProblem: this.#lastProblem,
      nextLookInMs: isWaiting(state) ? Math.max(0, state.until - this.#world.clock.elapsed()) : undefined,
    };
  }

  // ---- opening --------------------------------------------------------------------------------------------------------

  async #open(): Promise<Holding> {
    const { probe } = this.#options;
    const { log, clock } = this.#world;
    const secret = await this.#source.open();
    const sidecar = await this.#source.sidecar().catch((error: unknown) => {
      log("warn", "key.sidecar-ignored", { reason: reasonOf(error) });
      return undefined;
    });
    const holding = new Holding({ secret, version: findSecret(sidecar, secret)?.version }, clock);
    const fallback = wayBack(sidecar, secret);
    // A crash between replacing the file and the end: nobody knows whether the successor was ever answered well.
    if (fallback !== undefined) holding.swap(holding.current, fallback, sidecar?.pending?.secret.same(secret) ?? false);
    this.#holding = holding;
    this.#steps = new Steps({
      source: this.#source,
      calls: this.#calls,
      holding,
      probe: probe && createProbe(probe, this.#world, this.#instance),
      stranded: () => this.#model.stranded,
      changed: (reason, rotation) => this.#changed(reason, rotation),
      problem: (code, detail) => this.#problem(code, detail),
      log,
    });
    if (!this.#closed) {
      this.#running = this.#run(this.#steps);
      this.#glanceLater();
    }
    return holding;
  }

  // ---- the machine's driver -------------------------------------------------------------------------------------------

  async #run(steps: Steps): Promise<void> {
    while (this.#model.state.at !== "closed") {
      const { state } = this.#model;
      const event = isWaiting(state) ? await this.#wait(state.until) : await this.#perform(steps, state);
      const before = this.#model;
      this.#model = next(before, event, this.#world.clock.elapsed(), this.#world.random);
      if (this.#closed) this.#model = next(this.#model, { type: "close" }, 0, this.#world.random);
      if (!underLock[this.#model.state.at]) await this.#release(steps);
      this.#tellObstacle(before);
    }
    for (const resolve of [...this.#callers, ...this.#served]) resolve();
  }

  async #perform(steps: Steps, state: Parameters<Steps["perform"]>[0]): Promise<ChangeoverEvent> {
    if (state.at === "asking") this.#lookedAt = this.#world.clock.elapsed();
    try {
      return await steps.perform(state);
    } catch (error) {
      if (!this.#closed) this.#problem(reasonOf(error), `while ${state.at}`);
      return { type: "failed" };
    }
  }

  async #release(steps: Steps): Promise<void> {
    try {
      await steps.release();
    } catch (error) {
      this.#problem(reasonOf(error), "while releasing the lock");
    }
  }

  /** The next event for a waiting state: what somebody has told, or the time. */
  async #wait(until: number): Promise<ChangeoverEvent> {
    const { clock } = this.#world;
    for (;;) {
      const told = this.#inbox.shift();
      if (told !== undefined) {
        if (told.type === "told" && told.by === "caller") this.#served.push(...this.#callers.splice(0));
        return told;
      }
      const delay = until - clock.elapsed();
      if (delay <= 0) return { type: "time" };
      for (const resolve of this.#served.splice(0)) resolve();
      await new Promise<void>((resolve) => {
        const cancel = clock.after(delay, resolve);
        this.#ring = () => {
          cancel();
          resolve();
        };
      });
      this.#ring = undefined;
    }
  }

  #tell(event: ChangeoverEvent): void {
    const alike = (other: ChangeoverEvent) =>
      other.type === event.type &&
      (other.type !== "told" || (event.type === "told" && other.by === event.by && sameNeed(other, event)));
    if (!this.#inbox.some(alike)) this.#inbox.push(event); // so it never holds more than a handful
    this.#ring?.();
  }

  // ---- what requests report -------------------------------------------------------------------------------------------

  #hinted({ id, version, target, brownoutAt }: RotationHeader): void {
    if (!isWaiting(this.#model.state)) return; // at work on it already
    if (this.#world.clock.elapsed() - this.#lookedAt < HINT_GAP_MS) return;
    const brownout = brownoutAt === undefined || version === target ? undefined : { rotation: id, at: brownoutAt };
    this.#tell({ type: "told", by: "hint", urgent: false, brownout });
  }

  #refused(secret: Secret): void {
    this.#world.log("error", "key.successor-refused", { backTo: this.#holding?.current.version });
    this.#changed("refused", undefined);
    this.#tell({ type: "refused", secret });
  }

  #proven(): void {
    this.#model = next(this.#model, { type: "proven" }, this.#world.clock.elapsed(), this.#world.random);
  }

  #reload(): Promise<void> {
    const work = async () => {
      if (await this.#steps?.look()) this.#tell({ type: "told", by: "source", urgent: false });
    };
    this.#reloading ??= work()
      .catch((error: unknown) => this.#problem(reasonOf(error), "while reading the source again"))
      .finally(() => {
        this.#reloading = undefined;
      });
    return this.#reloading;
  }

  /** Once for all requests that were refused together, and not again for a while if it did not help. */
  #changeOverNow(tried: readonly Secret[], { forGood, retryAfterMs }: Refused): Promise<void> {
    const { clock } = this.#world;
    const holding = this.#holding;
    if (holding === undefined || this.#closed) return Promise.resolve();
    const { until = Number.NEGATIVE_INFINITY, forGood: asked = false } = this.#urgent ?? {};
    if (clock.elapsed() > until || (forGood && !asked) || this.#urgent === undefined) {
      const done = new Promise<void>((resolve) => {
        this.#callers.push(resolve);
        this.#tell({ type: "told", by: "caller", urgent: true, forGood });
      });
      // If another process has the lock, its new secret is what to wait for.
      const settled = done.then(() => (this.#model.state.at === "due" ? holding.otherThan(tried) : undefined));
      const work = Promise.race([settled, holding.otherThan(tried)]);
      const gapMs = Math.max(URGENT_GAP_MS, retryAfterMs);
      this.#urgent = { until: clock.elapsed() + gapMs, forGood, work: bounded(work, URGENT_MS, clock).then(() => {}) };
    }
    return this.#urgent.work;
  }

  #glanceLater(): void {
    const { glance } = this.#source;
    if (glance === undefined || this.#closed) return;
    this.#stopGlancing = this.#world.clock.after(GLANCE_MS, () => void this.#glance(glance));
  }

  async #glance(glance: () => Promise<Secret | undefined>): Promise<void> {
    try {
      if (await this.#steps?.look(glance)) this.#tell({ type: "told", by: "source", urgent: false });
    } catch (error) {
      this.#problem(reasonOf(error), "while looking at the source");
    }
    this.#glanceLater();
  }

  // ---- saying so ------------------------------------------------------------------------------------------------------

  #changed(reason: ChangeReason, rotation: string | undefined): void {
    const { version } = this.current;
    this.#world.log("info", "key.changed", { reason, version, rotation });
    try {
      this.#options.onChange?.({ reason, version, rotation });
    } catch (error) {
      this.#world.log("error", "key.on-change-failed", { reason: reasonOf(error) });
    }
  }

  #problem(code: string, detail: string): void {
    const repeated = this.#lastProblem?.code === code && this.#model.attempts > 0;
    this.#lastProblem = { code, detail, at: this.#world.clock.now() };
    this.#world.log(repeated ? "debug" : "warn", "key.problem", { code, detail, failures: this.#model.attempts + 1 });
  }

  #tellObstacle(before: Model): void {
    const { obstacle, state } = this.#model;
    if (obstacle === undefined || before.state.at !== "asking" || obstacle === this.#told) return;
    this.#told = obstacle;
    const { version } = this.current;
    this.#world.log(state.at === "resting" ? "error" : "warn", "key.stays-behind", { version, obstacle });
  }
  #told: Model["obstacle"];
}

function openSource(source: SourceOptions, world: World, host: Host, disk: Disk): SecretSource {
  const { clock, random, log } = world;
  if ("file" in source) return fileSource(source.file, { disk, host, clock, random, log });
  return "env" in source ? envSource(source.env, host) : callbackSource(source, clock, log);
}

type Told = Extract<ChangeoverEvent, { type: "told" }>;

function sameNeed(a: Told, b: Told): boolean {
  return a.urgent === b.urgent && a.forGood === b.forGood && a.brownout?.at === b.brownout?.at;
}

/** What a header and a report can carry. */
function instanceName(name: string): string {
  return name.replace(/[^\x21-\x7e]/g, "-").slice(0, 100) || "unnamed";
}

function originOf(text: string): string {
  if (!URL.canParse(text)) throw new KeyHolderError("invalid_options", `origins: ${text} is no origin`);
  return new URL(text).origin;
}
