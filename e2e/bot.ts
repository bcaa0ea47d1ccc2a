/**
 * A consumer's bot in a process of its own: asks for prices without end and counts what it is answered.
 *
 * - with KEYOVER_URL it holds its key with @keyover/client, and knows nothing of rotations
 * - without, it is plain fetch, and reads the key from its file for each request; somebody must rewrite the file
 */
import "./canary-watch.ts";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createKeyHolder } from "@keyover/client";
import { parseRotationHeader, ROTATION_HEADER } from "@keyover/core";

/** What it tells the test. */
export interface BotCounts {
  requests: number;
  accepted: number;
  /** Refused requests, the first twenty in full. */
  refused: number;
  refusals: { status: number; code: string | undefined; version: number | undefined; at: number }[];
  /** The API could not be reached; the request was made again. */
  unreachable: number;
  /** Accepted requests by version, and when the last of each was sent (epoch milliseconds). */
  versions: Record<number, number>;
  lastSentAt: Record<number, number>;
  /** The version that the last accepted request went out with. */
  version: number | undefined;
}

const { BOT_NAME, BOT_KEY_FILE, BOT_TOKEN, BOT_APIS, BOT_PAUSE_MS, KEYOVER_URL } = process.env as Record<
  string,
  string
>;
const apis = (BOT_APIS as string).split(",");
const keyFile = BOT_KEY_FILE as string;
const counts: BotCounts = {
  requests: 0,
  accepted: 0,
  refused: 0,
  refusals: [],
  unreachable: 0,
  versions: {},
  lastSentAt: {},
  version: undefined,
};

let running = true;
process.on("SIGTERM", () => {
  running = false;
});
const tell = () => process.connected && process.send?.(counts);
const telling = setInterval(tell, 50);

const holder =
  KEYOVER_URL === undefined
    ? undefined
    : createKeyHolder({
        source: { file: keyFile },
        authority: { url: KEYOVER_URL, token: BOT_TOKEN },
        ...(BOT_NAME === undefined ? {} : { instance: BOT_NAME }),
      });
await holder?.ready;

const plainFetch: typeof fetch = (input, init) => {
  const headers = new Headers(init?.headers);
  headers.set("authorization", `Bearer ${readFileSync(keyFile, "utf8").trim()}`);
  headers.set("keyover-instance", BOT_NAME ?? "");
  return fetch(input, { ...init, headers });
};
const send = holder?.fetch ?? plainFetch;

for (let turn = 0; running; turn++) {
  await trade(turn);
  await sleep(Number(BOT_PAUSE_MS) * (0.5 + Math.random()));
}
clearInterval(telling);
await holder?.close();
process.send?.(counts, () => process.exit(0));

async function trade(turn: number): Promise<void> {
  counts.requests++;
  for (let attempt = turn; running; attempt++) {
    const api = apis[attempt % apis.length] as string;
    const sentAt = Date.now();
    try {
      const response = await (turn % 4 === 3 ? order(api) : send(`${api}/v1/ticker/BTC-USD`));
      count(response, sentAt, (await response.json()) as { code?: string });
      return;
    } catch {
      counts.unreachable++;
      await sleep(20);
    }
  }
  counts.requests--;
}

function order(api: string): Promise<Response> {
  const body = JSON.stringify({ symbol: "ETH-USD", side: "buy", size: 1 });
  return send(`${api}/v1/orders`, { method: "POST", headers: { "content-type": "application/json" }, body });
}

function count(response: Response, sentAt: number, body: { code?: string }): void {
  const header = parseRotationHeader(response.headers.get(ROTATION_HEADER));
  const version = header?.version ?? holder?.state().version ?? counts.version ?? 1;
  if (response.ok) {
    counts.accepted++;
    counts.version = version;
    counts.versions[version] = (counts.versions[version] ?? 0) + 1;
    counts.lastSentAt[version] = sentAt;
    return;
  }
  counts.refused++;
  if (counts.refusals.length < 20)
    counts.refusals.push({ status: response.status, code: body.code, version, at: sentAt });
}
