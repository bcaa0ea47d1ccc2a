/**
 * One consumer's bot: asks for prices and places orders until it is told to stop, and counts what it is answered.
 *
 * - `holder`: uses @keyover/client; knows nothing of rotations.
 * - `plain`: fetch with the key from a file that it reads for each request. Somebody must rewrite the file.
 * - `thief`: has a copy of another's key and hammers with it.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createKeyHolder } from "@keyover/client";
import { parseRotationHeader, ROTATION_HEADER } from "@keyover/core";
import {
  type BotCommand,
  type BotCounts,
  type BotMessage,
  type BotStart,
  noCounts,
  type ThiefCounts,
} from "./messages.ts";

const settings = JSON.parse(process.env.DEMO_BOT ?? "{}") as BotStart;

let running = true;
process.on("message", (command: BotCommand) => {
  if (command.type === "stop") running = false;
});
process.on("disconnect", () => process.exit(0));
const tell = (message: BotMessage) => process.connected && process.send?.(message);

const plainFetch: typeof fetch = (input, init) => {
  const headers = new Headers(init?.headers);
  headers.set("authorization", `Bearer ${readFileSync(settings.keyFile, "utf8").trim()}`);
  return fetch(input, { ...init, headers });
};

await (settings.kind === "thief" ? steal() : trade(settings.kind));
process.disconnect();

async function trade(kind: "holder" | "plain"): Promise<void> {
  const counts = noCounts(settings.bot, kind);
  const holder = kind === "holder" ? openHolder() : undefined;
  await holder?.ready;
  const send = holder?.fetch ?? plainFetch;
  const reporting = setInterval(() => tell({ type: "counts", counts }), 250);
  for (let turn = 0; running; turn++) {
    const response = await request(send, turn, counts);
    if (response !== undefined) await count(response, counts, holder?.state().version);
    await sleep(settings.pauseMs * (0.5 + Math.random()));
  }
  clearInterval(reporting);
  await holder?.close();
  tell({ type: "counts", counts });
}

function openHolder() {
  return createKeyHolder({
    source: { file: settings.keyFile },
    authority: { url: settings.authorityUrl, token: process.env.DEMO_CONSUMER_TOKEN },
    instance: settings.bot,
  });
}

/** One request, tried again while the API is being restarted. Undefined if the demo ended meanwhile. */
async function request(send: typeof fetch, turn: number, counts: BotCounts): Promise<Response | undefined> {
  counts.requests++;
  for (let attempt = turn; running; attempt++) {
    const api = settings.apis[attempt % settings.apis.length] as string;
    try {
      return await (turn % 4 === 3 ? order(send, api) : send(`${api}/v1/ticker/BTC-USD`));
    } catch {
      counts.connectionFailures++;
      await sleep(20);
    }
  }
  counts.requests--;
  return undefined;
}

function order(send: typeof fetch, api: string): Promise<Response> {
  const body = JSON.stringify({ symbol: "ETH-USD", side: "buy", size: 1 });
  return send(`${api}/v1/orders`, { method: "POST", headers: { "content-type": "application/json" }, body });
}

async function count(response: Response, counts: BotCounts, heldVersion: number | undefined): Promise<void> {
  const header = parseRotationHeader(response.headers.get(ROTATION_HEADER));
  const version = header?.version ?? heldVersion ?? counts.currentVersion;
  const body = (await response.json().catch(() => ({}))) as { code?: string };
  if (response.ok) {
    counts.accepted++;
    counts.currentVersion = version;
    counts.versions[version] = (counts.versions[version] ?? 0) + 1;
    return;
  }
  counts.refused++;
  if (counts.refusals.length < 5)
    counts.refusals.push({ status: response.status, code: body.code ?? "", at: Date.now(), version });
}

async function steal(): Promise<void> {
  const counts: ThiefCounts = { accepted: 0, refused: 0, lastAcceptedSentAt: 0, firstRefusedAt: 0 };
  const stolen = readFileSync(settings.keyFile, "utf8").trim();
  for (let turn = 0; running; turn++) {
    const sentAt = Date.now();
    const api = settings.apis[turn % settings.apis.length] as string;
    try {
      const response = await fetch(`${api}/v1/ticker/BTC-USD`, { headers: { authorization: `Bearer ${stolen}` } });
      await response.arrayBuffer();
      if (response.ok) {
        counts.accepted++;
        counts.lastAcceptedSentAt = sentAt;
      } else {
        counts.refused++;
        counts.firstRefusedAt ||= Date.now();
      }
    } catch {
      // that API is being restarted
    }
    if (turn % 50 === 0) tell({ type: "thief", counts });
    await sleep(1);
  }
  tell({ type: "thief", counts });
}
