/** What the demo's processes tell each other over their channels. Secrets come by environment and file, never this way. */

/** What a bot is told at its start, in the environment. */
export interface BotStart {
  bot: string;
  kind: "holder" | "plain" | "thief";
  apis: string[];
  keyFile: string;
  pauseMs: number;
  authorityUrl: string;
}

/** What each bot counts, in its own process. */
export interface BotCounts {
  bot: string;
  kind: "holder" | "plain";
  requests: number;
  accepted: number;
  /** Answered 401, 403 or 503 by the key check. */
  refused: number;
  /** The connection failed because the API was being restarted; the bot tried again, as any client does. */
  connectionFailures: number;
  /** Accepted requests by version of the key, as the bot knows or the response header said. */
  versions: Record<number, number>;
  currentVersion: number;
  /** The first few refusals, to explain a number that should be 0. */
  refusals: { status: number; code: string; at: number; version: number }[];
}

export interface ThiefCounts {
  accepted: number;
  refused: number;
  /** When the last accepted request was sent, epoch milliseconds. */
  lastAcceptedSentAt: number;
  firstRefusedAt: number;
}

export type BotMessage = { type: "counts"; counts: BotCounts } | { type: "thief"; counts: ThiefCounts };

export type BotCommand = { type: "stop" };

export function noCounts(bot: string, kind: BotCounts["kind"]): BotCounts {
  return {
    bot,
    kind,
    requests: 0,
    accepted: 0,
    refused: 0,
    connectionFailures: 0,
    versions: {},
    currentVersion: 1,
    refusals: [],
  };
}
