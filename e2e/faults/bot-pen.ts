/**
 * Some bots in one process. Each asks the APIs in turn, with the key that it holds, and writes down every request as it goes over the wire and
 * what came of it.
 *
 * - `holder`: holds its key with @keyover/client, and knows nothing of rotations
 * - `naive`: plain fetch with what its file says; somebody must rewrite the file
 * - `thief`: plain fetch with a secret that it was told, as fast as it is answered
 */
import "../canary-watch.ts";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createKeyHolder } from "@keyover/client";
import { fingerprint, type Market, moment, openHistory } from "./history.ts";

export interface BotStart {
  /** This process of the application; unique. */
  who: string;
  kind: "holder" | "naive" | "thief";
  market: Market;
  pauseMs: number;
  keyFile?: string;
  secret?: string;
  authorityUrl?: string;
  token?: string;
}

/** To a pen, and from it. */
export type PenCommand =
  | { type: "start"; bot: BotStart }
  | { type: "stop"; who: string }
  /** One more request to every API with what each holds; answered with `lastWords`. */
  | { type: "finish" };
export type PenMessage =
  | { type: "counts"; counts: Record<string, BotCounts> }
  | { type: "lastWords"; refused: string[] };

export interface BotCounts {
  requests: number;
  accepted: number;
}

const { PEN_APIS, PEN_HISTORY } = process.env as Record<string, string>;
const apis = JSON.parse(PEN_APIS as string) as { name: string; url: string }[];
const history = openHistory(PEN_HISTORY as string);
/** Longer than any answer takes, and shorter than a pause that would look like silence. */
const REQUEST_MS_MAX = 1_500;

interface Bot {
  start: BotStart;
  counts: BotCounts;
  running: boolean;
  send: typeof fetch;
  done: Promise<void>;
}

const bots = new Map<string, Bot>();
const realFetch = globalThis.fetch;

/** What the client sends goes through here too. */
globalThis.fetch = async (input, init) => {
  const url = new URL(input instanceof Request ? input.url : input);
  const api = apis.find((each) => each.url === url.origin);
  const headers = new Headers(init?.headers);
  const who = headers.get("keyover-instance") ?? "nobody";
  if (api === undefined) return noteClaim(who, url, await realFetch(input, init));
  const sha = fingerprint(headers.get("authorization") ?? "");
  const sent = moment();
  const response = await realFetch(input, init);
  const answered = moment();
  const { status } = response;
  const { code, stale } = (await response.clone().json()) as { code?: string; stale?: boolean };
  history.write({ line: "request", who, api: api.name, sha, sent, answered, status, code, stale });
  return response;
};

/** A successor is handed out here, whether or not the client then gets to keep it. */
async function noteClaim(who: string, url: URL, response: Response): Promise<Response> {
  if (!url.pathname.endsWith("/claim") || !response.ok) return response;
  const { key, version, secret } = (await response.clone().json()) as { key: string; version: number; secret: string };
  history.write({ line: "handed", who, key, version, sha: fingerprint(secret), at: moment() });
  return response;
}

process.on("message", (command: PenCommand) => {
  if (command.type === "start") begin(command.bot);
  if (command.type === "stop") void end(command.who);
  if (command.type === "finish") void finish();
});
setInterval(() => {
  tell({ type: "counts", counts: Object.fromEntries([...bots].map(([who, { counts }]) => [who, counts])) });
}, 100);

function tell(message: PenMessage): void {
  if (process.connected) process.send?.(message);
}

function begin(start: BotStart): void {
  const bot: Bot = {
    start,
    counts: { requests: 0, accepted: 0 },
    running: true,
    send: plainFetch(start),
    done: Promise.resolve(),
  };
  bots.set(start.who, bot);
  bot.done = trade(bot);
}

async function end(who: string): Promise<void> {
  const bot = bots.get(who);
  if (bot === undefined) return;
  bot.running = false;
  await bot.done;
  bots.delete(who);
}

async function trade(bot: Bot): Promise<void> {
  const { start, counts } = bot;
  const holder = start.kind === "holder" ? openHolder(start) : undefined;
  if (holder !== undefined) bot.send = holder.fetch;
  for (let turn = 0; bot.running; turn++) {
    counts.requests++;
    const status = await ask(bot, turn);
    if (status === 200) counts.accepted++;
    // An API that is gone or stands still is passed over at once, as any client does.
    if (status !== undefined) await sleep(start.pauseMs * (0.5 + Math.random()));
    else await sleep(10);
  }
  await holder?.close();
}

function openHolder({ who, keyFile, authorityUrl, token }: BotStart) {
  return createKeyHolder({
    source: { file: keyFile as string },
    authority: { url: authorityUrl as string, token },
    instance: who,
  });
}

function plainFetch({ who, keyFile, secret }: BotStart): typeof fetch {
  return (input, init) => {
    const text = secret ?? readFileSync(keyFile as string, "utf8").trim();
    return fetch(input, { ...init, headers: { authorization: `Bearer ${text}`, "keyover-instance": who } });
  };
}

/** The status; undefined if there was no answer. */
async function ask({ start, send }: Bot, turn: number): Promise<number | undefined> {
  const { url } = apis[turn % apis.length] as { url: string };
  try {
    const response = await send(`${url}/${start.market}`, { signal: AbortSignal.timeout(REQUEST_MS_MAX) });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return undefined;
  }
}

async function finish(): Promise<void> {
  const refused: string[] = [];
  for (const bot of bots.values()) bot.running = false;
  for (const bot of bots.values()) {
    for (const [i, { name }] of apis.entries()) {
      const status = (await ask(bot, i)) ?? (await ask(bot, i));
      if (status !== 200) refused.push(`${bot.start.who} by ${name}: ${status}`);
    }
    await bot.done;
  }
  tell({ type: "lastWords", refused });
}
