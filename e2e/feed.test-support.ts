/** A follower of the feed that is no verifier of ours: server-sent events read by hand, and remembered. */
import { setTimeout as sleep } from "node:timers/promises";
import type { FeedEntry, KeyRecord } from "@keyover/core";

/** Follows from the beginning and across restarts, and fails at the first number that does not follow. */
export class FeedFollower {
  readonly entries: FeedEntry[] = [];
  connections = 0;
  readonly #abort = new AbortController();
  readonly #url: string;
  readonly #token: string;
  readonly #running: Promise<void>;
  trouble: string | undefined;

  constructor(authorityUrl: string, api: string, token: string) {
    this.#url = `${authorityUrl}/v1/apis/${api}/feed`;
    this.#token = token;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      await this.#follow().catch(() => undefined);
      await sleep(20);
    }
  }

  async #follow(): Promise<void> {
    const response = await fetch(`${this.#url}?after=${this.entries.length}`, {
      headers: { authorization: `Bearer ${this.#token}` },
      signal: this.#abort.signal,
    });
    if (response.body === null || !response.ok) return;
    this.connections++;
    let text = "";
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const events = text.split("\n\n");
      text = events.pop() as string;
      for (const event of events) this.#take(event);
    }
  }

  #take(event: string): void {
    const [name, data] = ["event", "data"].map((field) => new RegExp(`^${field}: (.*)$`, "m").exec(event)?.[1]);
    if (name !== "entry" || data === undefined) return;
    const entry = JSON.parse(data) as FeedEntry;
    this.entries.push(entry);
  }
}

/** The whole feed as a fresh follower is told it. */
export async function readFeed(authorityUrl: string, api: string, token: string): Promise<FeedEntry[]> {
  const { head } = await readSnapshot(authorityUrl, api, token);
  const follower = new FeedFollower(authorityUrl, api, token);
  try {
    for (let waited = 0; follower.entries.length < head && waited < 60_000; waited += 20) await sleep(20);
    return follower.entries.slice();
  } finally {
    await follower.close();
  }
}

export async function readSnapshot(
  authorityUrl: string,
  api: string,
  token: string,
): Promise<{ head: number; records: KeyRecord[] }> {
  const response = await fetch(`${authorityUrl}/v1/apis/${api}/snapshot`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const lines = (await response.text())
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  const [head, ...rest] = lines as [{ seq: number }, ...KeyRecord[]];
  const end = rest.pop() as unknown as { end: number };
  if (end.end !== rest.length) throw new Error("the snapshot was cut off");
  return { head: head.seq, records: rest.sort((a, b) => (a.key < b.key ? -1 : 1)) };
}
