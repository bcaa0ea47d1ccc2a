/** The tests' world: time that stands still until told, a disk that forgets what was not synced, a provider in memory. */
import type { Changeover, World } from "@keyover/core";
import { makeKeyText, type ProblemCode, problemBody, rotationHeaders, sha256Text } from "@keyover/core";
import type { KeyHolderOptions } from "./client.ts";
import type { Disk } from "./disk.ts";
import type { Host } from "./world.ts";

/** A process that died: nothing after this line of it ever runs. */
export const dead = (): Promise<never> => new Promise<never>(() => {});

export class TestClock {
  /** Epoch milliseconds; a test may step it. */
  wall = Date.UTC(2026, 0, 1);
  #elapsed = 0;
  #timers = new Map<number, { at: number; run: () => void }>();
  #count = 0;

  now = (): number => this.wall;
  elapsed = (): number => this.#elapsed;
  after = (delayMs: number, run: () => void): (() => void) => {
    const id = ++this.#count;
    this.#timers.set(id, { at: this.#elapsed + Math.max(0, delayMs), run });
    return () => this.#timers.delete(id);
  };

  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await settle();
    for (;;) {
      const [due] = [...this.#timers]
        .filter(([, { at }]) => at <= end)
        .sort((a, b) => a[1].at - b[1].at || a[0] - b[0]);
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.#move(due[1].at);
      due[1].run();
      await settle();
    }
    this.#move(end);
  }

  #move(to: number): void {
    this.wall += to - this.#elapsed;
    this.#elapsed = to;
  }
}

export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Numbers that look random and are the same each time. */
export function seeded(seed: number): (length: number) => Uint8Array {
  let state = seed;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (state + 0x6d2b79f5) | 0; // mulberry32
      const mixed = Math.imul(state ^ (state >>> 15), state | 1);
      return (mixed ^ (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61))) >>> 24;
    });
}

const FOLDER = Symbol("folder");
type Entry = { text: string; id: number } | typeof FOLDER;

/** What all processes of a host share. `Disk`s on it are made by `at`, one per process. */
export class TestPlatter {
  entries = new Map<string, Entry>();
  durable = new Map<string, Entry>();
  #ids = 0;

  put(path: string, text: string): void {
    this.entries.set(path, { text, id: ++this.#ids });
    this.durable = new Map(this.entries);
  }

  text(path: string): string | undefined {
    const entry = this.entries.get(path);
    return entry === undefined || entry === FOLDER ? undefined : entry.text;
  }

  names(): string[] {
    return [...this.entries.keys()].sort();
  }

  /** Everything that was not synced is gone. */
  powerCut(): void {
    this.entries = new Map(this.durable);
  }

  /** `step` is called before each effect, and within a creation, where `torn` puts half the text down. */
  disk(step: (torn?: () => void) => Promise<void> = async () => {}): Disk {
    const { entries } = { entries: () => this.entries };
    const inside = (folder: string) => [...entries().keys()].filter((path) => path.startsWith(`${folder}/`));
    const put = (path: string, text: string) => entries().set(path, { text, id: ++this.#ids });
    return {
      read: async (path) => {
        await step();
        return this.text(path);
      },
      stamp: async (path) => {
        const entry = entries().get(path);
        return entry === undefined || entry === FOLDER ? undefined : `${entry.id}`;
      },
      resolve: async (path) => path,
      list: async (folder) => {
        await step();
        const depth = folder.split("/").length;
        return inside(folder)
          .filter((path) => path.split("/").length === depth + 1)
          .map((path) => path.slice(folder.length + 1));
      },
      create: async (path, text) => {
        await step(() => put(path, text.slice(0, text.length / 2)));
        if (entries().has(path)) throw Object.assign(new Error("exists"), { code: "EEXIST" });
        put(path, text);
      },
      overwrite: async (path, text) => {
        await step();
        if (this.text(path) === undefined) return false;
        put(path, text);
        return true;
      },
      rename: async (from, to) => {
        await step();
        const entry = entries().get(from);
        if (entry === undefined || inside(to).length > 0) return false;
        entries().set(to, entry);
        entries().delete(from);
        for (const path of inside(from)) {
          entries().set(to + path.slice(from.length), entries().get(path) as Entry);
          entries().delete(path);
        }
        return true;
      },
      remove: async (path) => {
        await step();
        return entries().delete(path);
      },
      makeFolder: async (path) => {
        await step();
        if (entries().has(path)) throw Object.assign(new Error("exists"), { code: "EEXIST" });
        entries().set(path, FOLDER);
      },
      removeFolder: async (path) => {
        await step();
        return inside(path).length === 0 && entries().delete(path);
      },
      sync: async (folder) => {
        await step();
        this.durable = new Map([...this.durable].filter(([path]) => !path.startsWith(`${folder}/`)));
        for (const path of inside(folder)) this.durable.set(path, entries().get(path) as Entry);
      },
    };
  }
}

export const API = "https://api.test";
export const KEYS = "https://keys.test";
export const FILE = "/etc/bot/key";

type Standing = "accepted" | "retired" | "revoked";
type Phase = "offered" | "overlapping" | "retired" | "rolled-back";

/** The provider: an authority and an API that asks it about each request. One key, and what happens to it. */
export class TestProvider {
  readonly secrets: string[] = [""];
  readonly standing: Standing[] = ["revoked"];
  current = 1;
  rotation: { id: string; phase: Phase; from: number; to: number; used: boolean } | undefined;
  suggested = { from: 0, to: 0 };
  pollAfterMs = 30_000;
  /** Extra fields, or wrong ones, of each changeover answer. */
  distortion: Record<string, unknown> = {};
  /** Called before a request has an effect, and after: the answer it gives replaces the real one. */
  before: (path: string, request: Request) => Promise<Response | undefined> = async () => undefined;
  after: (path: string, request: Request) => Promise<Response | undefined> = async () => undefined;
  /** Versions that the API's servers do not know though the authority says that they do. */
  readonly unknownAtApi = new Set<number>();
  readonly calls: { path: string; key: string | null }[] = [];
  readonly confirmed: number[] = [];
  readonly served: { version: number; status: number; body: string }[] = [];
  readonly #clock: TestClock;
  readonly #random = seeded(99);
  #rotations = 0;

  constructor(clock: TestClock) {
    this.#clock = clock;
    this.issue();
  }

  issue(): string {
    const secret = makeKeyText("mkt", "live", this.#random);
    this.secrets.push(secret);
    this.standing.push("accepted");
    return secret;
  }

  secret(version: number): string {
    return this.secrets[version] as string;
  }

  rotate(): string {
    this.issue();
    const id = `rot_${++this.#rotations}`;
    this.rotation = { id, phase: "offered", from: this.current, to: this.secrets.length - 1, used: false };
    return this.secret(this.secrets.length - 1);
  }

  retire(standing: Standing = "retired"): void {
    const rotation = this.#running();
    this.standing[rotation.from] = standing;
    this.current = rotation.to;
    rotation.phase = "retired";
  }

  rollBack(): void {
    const rotation = this.#running();
    this.standing[rotation.from] = "accepted";
    this.current = rotation.from;
    rotation.phase = "rolled-back";
  }

  end(): void {
    const rotation = this.#running();
    const gone = rotation.phase === "rolled-back" ? rotation.to : rotation.from;
    this.standing[gone] = "revoked";
    this.rotation = undefined;
  }

  count(end: string): number {
    return this.calls.filter(({ path }) => path.endsWith(end)).length;
  }

  fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    const { origin, pathname } = new URL(request.url);
    this.calls.push({ path: pathname, key: request.headers.get("idempotency-key") });
    request.signal.throwIfAborted();
    const instead = await this.before(pathname, request.clone());
    if (instead !== undefined) return instead;
    const response =
      origin === API ? await this.#api(request) : this.#authority(pathname, (await request.json()) as object);
    return (await this.after(pathname, request)) ?? response;
  };

  async #api(request: Request): Promise<Response> {
    const version = this.secrets.indexOf((request.headers.get("authorization") ?? "").slice("Bearer ".length));
    const body = await request.text();
    const standing = version < 1 || this.unknownAtApi.has(version) ? "revoked" : this.standing[version];
    const refused = standing === "accepted" ? undefined : standing === "retired" ? "key_retired" : "invalid_key";
    this.served.push({ version, status: refused === undefined ? 200 : 401, body });
    if (refused !== undefined) {
      const problem = { type: "about:blank", title: "No", status: 401, code: refused };
      return Response.json(problem, { status: 401, headers: { "content-type": "application/problem+json" } });
    }
    const { rotation } = this;
    if (rotation !== undefined && version === rotation.to) {
      rotation.used = true;
      if (rotation.phase === "offered") this.#overlap(rotation);
    }
    const headers = rotationHeaders(rotation && { ...rotation }, version);
    return new Response(`ok ${body}`, { headers });
  }

  #authority(path: string, body: { sha256?: string; version?: number }): Response {
    if (path === "/v1/changeover") return this.#changeover(body.sha256 ?? "");
    const [, , , id, call] = path.split("/");
    const { rotation } = this;
    if (rotation === undefined || rotation.id !== id) return refuse("rotation_ended");
    if (rotation.phase === "rolled-back") return refuse("already_rolled_back");
    if (call === "claim") {
      if (rotation.used) return refuse("claim_ended");
      const { to: version } = rotation;
      return Response.json({
        rotation: id,
        key: "key_1",
        version,
        secret: this.secret(version),
        endsAt: null,
        more: 1,
      });
    }
    this.confirmed.push(body.version ?? 0);
    if (rotation.phase === "offered") this.#overlap(rotation);
    return Response.json({});
  }

  #changeover(sha256: string): Response {
    const version = this.secrets.findIndex((secret) => secret !== "" && sha256Text(secret) === sha256);
    if (version < 1) return refuse("not_found");
    const now = this.#clock.now();
    const { rotation } = this;
    const answer: Changeover = {
      now,
      key: "key_1",
      environment: "live",
      version,
      target: rotation === undefined ? this.current : rotation.phase === "rolled-back" ? rotation.from : rotation.to,
      rotation:
        rotation === undefined
          ? null
          : {
              ...rotation,
              claimable: !rotation.used && rotation.phase !== "rolled-back",
              endsAt: null,
              suggested: this.suggested,
            },
      pollAfterMs: this.pollAfterMs,
    };
    return Response.json({ ...answer, somethingNew: true, ...this.distortion });
  }

  #overlap(rotation: NonNullable<TestProvider["rotation"]>): void {
    rotation.phase = "overlapping";
    this.current = rotation.to;
  }

  #running(): NonNullable<TestProvider["rotation"]> {
    if (this.rotation === undefined) throw new Error("no rotation");
    return this.rotation;
  }
}

export function refuse(code: ProblemCode): Response {
  const body = problemBody(code);
  return Response.json(body, { status: body.status, headers: { "content-type": "application/problem+json" } });
}

export interface Scene {
  clock: TestClock;
  provider: TestProvider;
  platter: TestPlatter;
  log: { level: string; event: string; fields: Record<string, unknown> | undefined }[];
  alive: Set<number>;
  world(seed?: number): World;
  host(pid?: number): Host;
  /** Options of a holder with the file source. */
  options(more?: Partial<KeyHolderOptions>): KeyHolderOptions;
}

export function scene(): Scene {
  const clock = new TestClock();
  const provider = new TestProvider(clock);
  const platter = new TestPlatter();
  platter.put(FILE, `${provider.secret(1)}\n`);
  const log: Scene["log"] = [];
  const alive = new Set([1, 2, 3, 4, 5, 6, 7, 8]);
  const made: Scene = {
    clock,
    provider,
    platter,
    log,
    alive,
    world: (seed = 7) => ({
      clock,
      random: seeded(seed),
      fetch: provider.fetch,
      log: (level, event, fields) => log.push({ level, event, fields }),
    }),
    host: (pid = 1) => ({
      name: "bot-host",
      pid,
      place: "boot-1",
      alive: (other) => alive.has(other),
      env: (name) => (name === "BOT_KEY" ? provider.secret(1) : undefined),
    }),
    options: (more = {}) => ({
      source: { file: FILE },
      authority: { url: KEYS, token: "kot_consumer_test" },
      world: made.world(),
      host: made.host(),
      disk: platter.disk(),
      ...more,
    }),
  };
  return made;
}
