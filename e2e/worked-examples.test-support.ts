/**
 * Runs the blocks of a page of docs/ as they stand there, against a real authority under virtual time, and holds the answers that the page shows equal to those that
 * come.
 *
 *     ```sh      commands of `keyover`, one to a line; `# exit 1` behind one says how it ends
 *     ```text    what they print: line by line; `…` in a line stands for anything, a line of nothing else for any number of lines
 *     ```http    a request: method, path, headers, body
 *     ```json    the members of its answer that matter; `…` in a text stands for anything
 *     ```yaml    a file, its name in the first line: `# fence.yaml`
 *
 * `key_…` in a command or a path is the handle of that kind which was shown last, and `$(cat acme.token)` what is in the file. What happens between the blocks, and
 * is told in prose, stands in comments that a reader does not see:
 *
 *     <!-- doc: verifiers market 2 -->                                               so many servers that guard this api
 *     <!-- doc: caller bot acme.key 203.0.113.7 acme-bot/2.1 every 1h at 00:10 -->   a program, and what is in its file
 *     <!-- doc: caller bot uses acme-2.key -->  <!-- doc: caller bot stops -->       it changes over; it ends
 *     <!-- doc: wait 2d -->                     <!-- doc: save acme-2.key -->        time passes; the secret that was answered goes into a file
 *     <!-- doc: verifier api-2 dies -->                                              one of them is gone without a word
 *     <!-- doc: keys market 40 -->                                                   so many more keys, each of a consumer of its own
 *     <!-- doc: refused bot 3 -->                                                    so many of its calls were refused since it was last asked
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { expect } from "vitest";
import { runCli } from "../packages/server/src/cli/cli.ts";
import { createLogger, realWorld } from "../packages/server/src/world.ts";
import { Chance } from "../sim/chance.ts";
import { Provider, WireVerifier } from "../sim/year/provider.ts";
import { makeFolder } from "./processes.test-support.ts";

export interface Step {
  kind: "sh" | "text" | "http" | "json" | "yaml" | "doc";
  text: string;
  /** Of the page. */
  line: number;
}

/** The steps under a heading, up to the next heading of its level or above. Blocks in another language are for the reader alone. */
export function stepsUnder(page: string, heading: string): Step[] {
  const lines = page.split("\n");
  const from = lines.indexOf(heading);
  if (from < 0) throw new Error(`there is no heading "${heading}"`);
  const level = heading.indexOf(" ");
  const after = lines.findIndex((line, i) => i > from && /^#+ /.test(line) && line.indexOf(" ") <= level);
  return stepsOf(lines.slice(0, after < 0 ? undefined : after), from);
}

export function stepsOf(lines: readonly string[], from = 0): Step[] {
  const steps: Step[] = [];
  for (let i = from; i < lines.length; i++) {
    const line = lines[i] as string;
    for (const [, text = ""] of line.matchAll(/<!-- doc: (.*?) -->/g)) steps.push({ kind: "doc", text, line: i + 1 });
    const fence = /^\s*```(\w+)/.exec(line);
    if (fence === null) continue;
    const end = lines.findIndex((each, j) => j > i && each.trim() === "```");
    if (end < 0) throw new Error(`the block that begins in line ${i + 1} has no end under this heading`);
    const indent = line.length - line.trimStart().length;
    const text = lines.slice(i + 1, end).map((each) => each.slice(indent));
    if (/^(sh|text|http|json|yaml)$/.test(fence[1] as string))
      steps.push({ kind: fence[1] as Step["kind"], text: text.join("\n"), line: i + 1 });
    i = end;
  }
  return steps;
}

interface Caller {
  file: string;
  network: string;
  client: string;
  everyMs: number;
  nextAt: number;
  refused: number;
}

const STEP_MS = 3_600_000;

export class Stage {
  readonly #provider: Provider;
  readonly #url: string;
  readonly #folder = makeFolder("docs");
  #verifiers: WireVerifier[] = [];
  readonly #callers = new Map<string, Caller>();
  /** By prefix, the handle that was shown last. */
  readonly #handles = new Map<string, string>();
  /** What came of the last block that gave an answer. */
  #printed = "";
  // biome-ignore lint/suspicious/noExplicitAny: an answer
  #answered: any;

  private constructor(provider: Provider, url: string) {
    this.#provider = provider;
    this.#url = url;
  }

  static async open(): Promise<Stage> {
    const provider = await Provider.start(new Chance("worked examples"));
    return new Stage(provider, await provider.listen());
  }

  close(): Promise<void> {
    return this.#provider.close();
  }

  async play(steps: readonly Step[], page: string): Promise<void> {
    for (const { kind, text, line } of steps) {
      const where = `${page}:${line}`;
      if (kind === "sh") await this.#run(text, where);
      else if (kind === "http") await this.#request(text, where);
      else if (kind === "text") expectText(this.#printed, text, where);
      else if (kind === "json") expect(this.#answered, where).toMatchObject(patternOf(JSON.parse(text)));
      else if (kind === "yaml") writeFileSync(join(this.#folder, nameOf(text, where)), text);
      else await this.#direct(text, where);
    }
  }

  // ---- commands and requests ---------------------------------------------------------------------------------------------

  async #run(block: string, where: string): Promise<void> {
    this.#printed = "";
    const lines = block.replaceAll(/\\\n\s*/g, "").split("\n");
    for (const line of lines.filter((each) => each.trim() !== "" && !each.startsWith("#")))
      await this.#command(line, where);
  }

  async #command(line: string, where: string): Promise<void> {
    const [command = "", comment = ""] = line.split(/\s+# /);
    const wanted = Number(/^exit (\d)/.exec(comment)?.[1] ?? 0);
    const words = wordsOf(this.#filled(command, where));
    const env: Record<string, string> = { KEYOVER_URL: this.#url, KEYOVER_TOKEN: this.#provider.token };
    for (
      let set = /^([A-Z_]+)=(.*)$/.exec(words[0] ?? "");
      set !== null;
      set = /^([A-Z_]+)=(.*)$/.exec(words[0] ?? "")
    ) {
      if (set[1] === "KEYOVER_TOKEN_FILE") delete env.KEYOVER_TOKEN;
      env[set[1] as string] = this.#path(set[2] as string);
      words.shift();
    }
    const from = words.indexOf("<");
    const stdin = from < 0 ? "" : readFileSync(this.#path(words[from + 1] as string), "utf8");
    if (from >= 0) words.splice(from, 2);
    expect(words.shift(), `${where}: only keyover is run`).toBe("keyover");
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const print = (text: unknown) => {
      this.#printed += String(text);
    };
    stdout.on("data", print);
    stderr.on("data", print);
    const world = { ...realWorld(createLogger("silent")), clock: this.#provider.clock };
    const io = { stdout, stderr, stdin: Readable.from([stdin]), isTty: false, env, world };
    const before = this.#printed.length;
    const code = await this.#whileGuarded(runCli(["node", "keyover", ...words.map((word) => this.#path(word))], io));
    const printed = this.#printed.slice(before).replaceAll(`${this.#folder}/`, "");
    this.#printed = this.#printed.slice(0, before) + printed;
    expect(code, `${where}: ${line}\n${printed}`).toBe(wanted);
    this.#remember(printed);
  }

  async #request(block: string, where: string): Promise<void> {
    const [head = "", body] = this.#filled(block, where).split("\n\n");
    const [first = "", ...headers] = head.split("\n");
    const [method = "", path = ""] = first.split(" ");
    const named = headers.map((header): [string, string] => [
      header.split(":")[0] as string,
      header.slice(header.indexOf(":") + 1).trim(),
    ]);
    const own = named.some(([name]) => /^authorization$/i.test(name))
      ? {}
      : { authorization: `Bearer ${this.#provider.token}` };
    const typed = body === undefined ? {} : { "content-type": "application/json" };
    const request = fetch(this.#url + path, {
      method,
      headers: { ...own, ...typed, ...Object.fromEntries(named) },
      ...(body === undefined ? {} : { body }),
    });
    const response = await this.#whileGuarded(request);
    const text = await this.#whileGuarded(response.text());
    this.#answered = text === "" ? {} : JSON.parse(text);
    this.#printed = `${response.status}\n${text}`;
    this.#remember(text);
  }

  /** Meanwhile the verifiers do what they always do. */
  async #whileGuarded<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finished = work.finally(() => {
      done = true;
    });
    finished.catch(() => {});
    while (!done) {
      await this.#provider.settle(this.#verifiers);
      for (let turns = 0; !done && turns < 20; turns++)
        await this.#provider.time.runUntil(this.#provider.time.at + 1, () => done);
    }
    return finished;
  }

  #filled(text: string, where: string): string {
    return text
      .replaceAll(/\b([a-z]{3})_…/g, (_, prefix: string) => {
        const handle = this.#handles.get(prefix);
        if (handle === undefined) throw new Error(`${where}: no ${prefix}_ was shown before`);
        return handle;
      })
      .replaceAll(/\$\(cat ([\w.-]+)\)/g, (_, file: string) => this.#read(file));
  }

  #remember(text: string): void {
    for (const [handle, prefix] of text.matchAll(/\b([a-z]{3})_[0-9A-Za-z]{16,}\b/g))
      this.#handles.set(prefix as string, handle);
  }

  /** A name of a file is one in the folder of the example. */
  #path(word: string): string {
    return /^[\w-]+\.(key|token|yaml|txt)$/.test(word) ? join(this.#folder, word) : word;
  }

  #read(file: string): string {
    return readFileSync(join(this.#folder, file), "utf8").trim();
  }

  // ---- what happens meanwhile --------------------------------------------------------------------------------------------

  async #direct(text: string, where: string): Promise<void> {
    const [what, name = "", ...rest] = text.split(" ");
    const caller = this.#callers.get(name);
    if (what === "wait") await this.#wait(lengthOf(name));
    else if (what === "save") writeFileSync(join(this.#folder, name), `${this.#answered.secret}\n`, { mode: 0o600 });
    else if (what === "verifiers") await this.#guard(name, Number(rest[0]));
    else if (what === "verifier" && rest[0] === "dies")
      this.#verifiers = this.#verifiers.filter(({ instance }) => instance !== name);
    else if (what === "keys") await this.#issue(name, Number(rest[0]));
    else if (what === "refused" && caller !== undefined) {
      expect(caller.refused, where).toBe(Number(rest[0]));
      caller.refused = 0;
    } else if (what === "caller" && rest[0] === "stops") this.#callers.delete(name);
    else if (what === "caller" && rest[0] === "uses" && caller !== undefined) caller.file = rest[1] as string;
    else if (what === "caller" && rest[3] === "every") this.#come(name, rest);
    else throw new Error(`${where}: what is "${text}"?`);
  }

  #come(name: string, [file = "", network = "", client = "", , every = "", , at = "00:00"]: string[]): void {
    const everyMs = lengthOf(every);
    const [hours = 0, minutes = 0] = at.split(":").map(Number);
    const now = this.#provider.time.at;
    const offset = (hours * 60 + minutes) * 60_000;
    const nextAt = Math.ceil((now - offset) / everyMs) * everyMs + offset;
    this.#callers.set(name, { file, network, client, everyMs, nextAt, refused: 0 });
  }

  async #guard(api: string, count: number): Promise<void> {
    const { id } = await this.#provider.ok("GET", `/v1/apis/${api}`);
    const wanted = { name: "verifiers", role: "verifier", apis: [id] };
    const { secret } = await this.#provider.ok("POST", "/v1/tokens", wanted);
    for (let i = 1; i <= count; i++) this.#verifiers.push(new WireVerifier(this.#provider, id, secret, `api-${i}`));
    for (const verifier of this.#verifiers.slice(-count)) await verifier.register();
  }

  async #issue(api: string, count: number): Promise<void> {
    for (let i = 1; i <= count; i++) {
      const consumer = await this.#provider.ok("POST", "/v1/consumers", { name: `consumer ${i}` });
      const wanted = { api, environment: "live", consumer: consumer.id, scopes: ["market:read"] };
      await this.#provider.ok("POST", "/v1/keys", wanted);
    }
  }

  /** In steps of an hour, as long as verifiers can stay without reporting. */
  async #wait(ms: number): Promise<void> {
    const { time } = this.#provider;
    for (const end = time.at + ms; time.at < end; ) {
      await time.runUntil(Math.min(end, time.at + STEP_MS), () => false);
      for (const caller of this.#callers.values()) this.#calls(caller, time.at);
      await this.#provider.settle(this.#verifiers);
    }
  }

  #calls(caller: Caller, until: number): void {
    for (; caller.nextAt <= until; caller.nextAt += caller.everyMs) {
      const text = this.#read(caller.file);
      const [verifier] = this.#verifiers.filter((each) => each.find(text) !== undefined);
      const known = verifier?.find(text);
      if (verifier === undefined || known === undefined) caller.refused++;
      else if (!verifier.decide(known.key, known.version, caller, caller.nextAt)) caller.refused++;
    }
  }
}

// ---- comparing -------------------------------------------------------------------------------------------------------------

const squeezed = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim().replaceAll(/\s+/g, " "))
    .filter((line) => line !== "");

function expectText(printed: string, shown: string, where: string): void {
  const lines = squeezed(printed);
  let at = 0;
  let skipping = false;
  for (const wanted of squeezed(shown)) {
    if (wanted === "…") {
      skipping = true;
      continue;
    }
    const pattern = patternText(wanted);
    const found = lines.findIndex((line, i) => i >= at && pattern.test(line));
    if (found < 0 || (!skipping && found > at))
      expect(lines.slice(at).join("\n"), `${where}: next is "${wanted}"`).toBe(wanted);
    at = found + 1;
    skipping = false;
  }
  if (!skipping) expect(lines.slice(at), `${where}: nothing more`).toEqual([]);
}

function patternText(text: string): RegExp {
  const parts = text.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}

// biome-ignore lint/suspicious/noExplicitAny: any JSON
function patternOf(shown: any): any {
  if (typeof shown === "string") return shown.includes("…") ? expect.stringMatching(patternText(shown)) : shown;
  if (Array.isArray(shown)) return shown.map(patternOf);
  if (shown === null || typeof shown !== "object") return shown;
  return Object.fromEntries(Object.entries(shown).map(([name, value]) => [name, patternOf(value)]));
}

// ---- reading ---------------------------------------------------------------------------------------------------------------

/** As a shell would split them; quotes keep a text together. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) =>
    word.replaceAll(/"([^"]*)"|'([^']*)'/g, "$1$2"),
  );
}

function nameOf(file: string, where: string): string {
  const name = /^# ([\w-]+\.yaml)$/m.exec(file)?.[1];
  if (name === undefined) throw new Error(`${where}: the first line of a file says its name`);
  return name;
}

function lengthOf(text: string): number {
  const units: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
  return Number.parseFloat(text) * (units[text.at(-1) as string] ?? Number.NaN);
}
