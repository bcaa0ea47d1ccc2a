/** The bots, a few to a process, as the driver sees them. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathOf, type Running, run, until } from "../processes.test-support.ts";
import type { BotCounts, BotStart, PenCommand, PenMessage } from "./bot-pen.ts";
import type { Folder } from "./folder.ts";
import { type Market, moment } from "./history.ts";
import { THIEF } from "./model.ts";
import type { KeyOf, Operator } from "./operator.ts";

const BOT_PEN = pathOf("./faults/bot-pen.ts");

/** An application with a key: one process of it, two that share its file, or one beside a program with a copy of the file. */
export interface Application {
  name: string;
  /** As whom it presents itself; its first process, if there are several. */
  instance: string;
  kind: "holder" | "naive";
  key: KeyOf;
  keyFile: string;
  /** Somebody brings it up to date, late. */
  copy: string | undefined;
}

interface Pen {
  process: Running;
  counts: Record<string, BotCounts>;
  lastWords: string[] | undefined;
}

export interface BotSettings {
  folder: Folder;
  apis: { name: string; url: string }[];
  authorityUrl: string;
  count: number;
}

/** What follows each other: two processes on one file, the `closed` market, a naive one, one with a copy, `closed` again, two plain ones. */
const TURNS = 7;
const COPIED_AFTER_MS = 4_000;
const BOTS_PER_PEN = 7;
const THIEF_PAUSE_MS = 25;

export class Bots {
  readonly applications: Application[] = [];
  readonly surprises: string[] = [];
  readonly #settings: BotSettings;
  readonly #pens: Pen[];
  readonly #starts: BotStart[] = [];
  #thieves = 0;
  #closing = false;

  private constructor(settings: BotSettings) {
    this.#settings = settings;
    const count = Math.max(2, Math.ceil(settings.count / BOTS_PER_PEN));
    this.#pens = Array.from({ length: count }, (_, i) => this.#openPen(`bots-${i + 1}`));
  }

  /** Resolves once every bot was served by every API. */
  static async open(settings: BotSettings, operator: Operator): Promise<Bots> {
    const bots = new Bots(settings);
    for (let i = 0; bots.#starts.length < settings.count; i++) await bots.#add(i, operator);
    for (const [i, bot] of bots.#starts.entries()) bots.#tell(i, { type: "start", bot });
    const { length } = settings.apis;
    await until(
      () => bots.#starts.every(({ who }) => (bots.#counts(who)?.accepted ?? 0) >= length),
      "every bot to be served",
      { waitMs: 60_000 },
    );
    return bots;
  }

  get count(): number {
    return this.#starts.length;
  }

  /** Somebody takes a copy of the key as it is now, and uses it all the time until told to stop. */
  steal(market: Market, secret: string): { accepted: () => number; stop: () => void } {
    const i = ++this.#thieves;
    const who = `${THIEF}${i}`;
    this.#tell(i, { type: "start", bot: { who, kind: "thief", market, secret, pauseMs: THIEF_PAUSE_MS } });
    return {
      accepted: () => this.#counts(who)?.accepted ?? 0,
      stop: () => this.#tell(i, { type: "stop", who }),
    };
  }

  /** Every bot's last request to each API; answers which of them were refused. */
  async finish(): Promise<string[]> {
    for (const i of this.#pens.keys()) this.#tell(i, { type: "finish" });
    await until(() => this.#pens.every(({ lastWords }) => lastWords !== undefined), "the bots' last requests", {
      waitMs: 60_000,
    });
    return this.#pens.flatMap(({ lastWords }) => lastWords as string[]);
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#pens.map(({ process }) => process.kill()));
  }

  async #add(i: number, operator: Operator): Promise<void> {
    const place = i % TURNS;
    const market: Market = place === 1 || place === 4 ? "closed" : "static";
    const kind: Application["kind"] = place === 2 ? "naive" : "holder";
    const name = `bot-${i + 1}`;
    const key = await operator.issue(name, market);
    const keyFile = join(this.#settings.folder.home(name), "market.key");
    writeFileSync(keyFile, `${key.secret}\n`, { mode: 0o600 });
    const copy = place === 3 ? `${keyFile}.copy` : undefined;
    const processes = place === 0 ? [`${name}a`, `${name}b`] : [name];
    this.applications.push({ name, instance: processes[0] as string, kind, key, keyFile, copy });
    const start = {
      kind,
      market,
      keyFile,
      authorityUrl: this.#settings.authorityUrl,
      token: key.token,
      pauseMs: PAUSE_MS,
    };
    for (const who of processes) this.#starts.push({ ...start, who });
    if (copy === undefined) return;
    replace(copy, key.secret);
    this.#starts.push({ ...start, kind: "naive", keyFile: copy, who: `${name}copy` });
    this.#tend(keyFile, copy);
  }

  #tend(keyFile: string, copy: string): void {
    let since = moment();
    const looking = setInterval(() => {
      const text = readFileSync(keyFile, "utf8").trim();
      if (text === readFileSync(copy, "utf8").trim()) since = moment();
      else if (moment() - since > COPIED_AFTER_MS) replace(copy, text);
      if (this.#closing) clearInterval(looking);
    }, 200);
  }

  /** The bots take turns, so that two of one application are in two processes. */
  #tell(i: number, command: PenCommand): void {
    this.#pens[i % this.#pens.length]?.process.send(command);
  }

  #counts(who: string): BotCounts | undefined {
    return this.#pens.map(({ counts }) => counts[who]).find((counts) => counts !== undefined);
  }

  #openPen(name: string): Pen {
    const { apis, folder } = this.#settings;
    const env = { PEN_APIS: JSON.stringify(apis), PEN_HISTORY: join(folder.history, `${name}.jsonl`) };
    const onMessage = (message: unknown) => {
      const told = message as PenMessage;
      if (told.type === "counts") pen.counts = told.counts;
      else pen.lastWords = told.refused;
    };
    const pen: Pen = {
      process: run(BOT_PEN, [], { env, onMessage, log: folder.log(name) }),
      counts: {},
      lastWords: undefined,
    };
    void pen.process.end.then((code) => {
      if (!this.#closing) this.surprises.push(`${name} ended by itself with ${code}: ${pen.process.err().slice(-500)}`);
    });
    return pen;
  }
}

/** Between two requests of a bot, on average. */
const PAUSE_MS = 100;

/** Whoever reads it finds the one or the other. */
export function replace(file: string, secret: string): void {
  writeFileSync(`${file}.new`, `${secret}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** What the application's file says now. */
export function secretOf({ keyFile }: Application): string {
  return readFileSync(keyFile, "utf8").trim();
}
