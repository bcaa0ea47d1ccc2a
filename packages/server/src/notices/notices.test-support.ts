/** Rows and servers for tests of notices: real sockets, a clock that moves when it is told to. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { makeHandle } from "@keyover/core";
import type { Channel, NoticeDraft, NoticeEvent, NoticeFacts, RaisedEvent } from "../store/notice-entities.ts";

export const AT: number = Date.UTC(2026, 10, 22, 12, 0, 0);
const random = (length: number) => randomBytes(length);

export function aChannel(change: Partial<Channel> = {}): Channel {
  return {
    id: makeHandle("channel", AT, random),
    name: `channel ${randomBytes(4).toString("hex")}`,
    consumerId: null,
    kind: "webhook",
    config: { url: "http://127.0.0.1:9/" },
    secrets: [],
    events: ["*"],
    severity: "info",
    quiet: null,
    digestMs: 0,
    escalate: null,
    disabledAt: null,
    disabledReason: null,
    createdAt: AT,
    createdBy: "tok_1",
    ...change,
  };
}

export const someFacts: NoticeFacts = {
  key: { id: "key_1", name: "bot", environment: "live" },
  consumer: { id: "con_1", name: "desk" },
  api: { id: "api_1", name: "market" },
  rotation: {
    id: "rot_1",
    phase: "offered",
    from: 1,
    to: 2,
    reason: "routine",
    startsAt: AT,
    overlapEndsAt: AT + 14 * 86_400_000,
    retiredAt: null,
    rollbackUntil: null,
    onDeadline: "hold",
    forced: null,
  },
  users: [
    { network: "203.0.113.0/24", client: "bot/1.2", instance: "web-1", lastSeen: AT - 60_000, moved: false },
    { network: "198.51.100.0/24", client: "curl", instance: "", lastSeen: AT - 7_200_000, moved: true },
  ],
  usersTotal: 12,
};

export function aRaised(change: Partial<RaisedEvent> = {}): RaisedEvent {
  return {
    id: makeHandle("noticeEvent", AT, random),
    event: "rotation.offered",
    at: AT,
    keyId: "key_1",
    rotationId: "rot_1",
    consumerId: "con_1",
    apiId: "api_1",
    campaignId: null,
    details: { from: 1, to: 2 },
    dedupe: null,
    spreadAt: AT,
    facts: someFacts,
    ...change,
  };
}

const DAY = 86_400_000;

/** What whoever raises it says with it. Each event has its line: one without would be sent untried. */
const plausibleDetails: Record<NoticeEvent, Record<string, unknown>> = {
  "rotation.planned": { from: 1, to: 2, reason: "yearly" },
  "rotation.offered": { from: 1, to: 2, reason: "yearly" },
  "rotation.reminder": { from: 1, to: 2, leftMs: DAY, deadline: AT + DAY },
  "rotation.deadline": { from: 1, to: 2, why: "deadline", waitsFor: ["the first use of the successor"], since: AT },
  "rotation.retired": { from: 1, to: 2, reason: "yearly", forced: "the machine is gone" },
  "rotation.rolled-back": { from: 1, to: 2, reason: "yearly", why: "a program was forgotten" },
  "rotation.stuck": { from: 1, to: 2, why: "verifiers", waitsFor: ["verifier web-3 (boo_1)"], since: AT - 600_000 },
  "rotation.completed": { from: 1, to: 2, reason: "yearly" },
  "brownout.announced": {
    at: AT + DAY,
    forMs: 60_000,
    slots: [
      { at: AT + DAY, forMs: 60_000 },
      { at: AT + 2 * DAY, forMs: 300_000 },
    ],
  },
  "brownout.begun": { at: AT, until: AT + 60_000, by: "policy" },
  "brownout.ended": { at: AT, until: AT + 60_000, early: true, why: "4 requests were refused" },
  "fence.applied": { fence: { scopes: ["market:read"], networks: ["203.0.113.0/24"] } },
  "fence.lifted": { why: "too narrow" },
  "key.expiring": { expiresAt: AT + 7 * DAY },
  "key.expired": { expiresAt: AT, graceUntil: null },
  "key.idle": { since: AT - 90 * DAY, suspendAt: AT + 14 * DAY },
  "key.suspended": { reason: "invoice" },
  "key.revoked": { reason: "unused for 104 days", since: AT - 104 * DAY, idle: true },
  "key.compromised": { version: 1, refused: true, reason: "seen in a public log" },
  "key.refused-uses": { count: 41, sources: 2, since: AT - DAY },
  "campaign.started": { name: "spring", action: "rotate", wave: 1, waves: 3, reason: "yearly" },
  "campaign.held": {
    name: "spring",
    action: "rotate",
    wave: 2,
    waves: 3,
    why: "11 keys failed or were taken back; 10 are allowed",
  },
  "campaign.ended": {
    name: "leak",
    action: "kill",
    outcome: "done",
    started: 120,
    skipped: 3,
    failed: 0,
    verifiers: 14,
  },
  "verifier.lost": { boot: "boo_1", instance: "web-3", since: AT - 600_000, answersUntil: AT + 3_000_000 },
  "verifier.back": { boot: "boo_1", instance: "web-3", since: AT - 600_000, how: "restarted" },
};

/** As it is raised: a campaign's own events are about no key, a verifier's about an api alone. */
export function plausible(event: NoticeEvent): RaisedEvent {
  const noKey = { keyId: null, rotationId: null, consumerId: null };
  const facts = { ...someFacts, key: null, consumer: null, rotation: null, users: [], usersTotal: 0 };
  const about = event.startsWith("campaign.")
    ? { ...noKey, apiId: null, campaignId: "cam_1", facts: { ...facts, api: null } }
    : event.startsWith("verifier.")
      ? { ...noKey, facts }
      : {};
  return aRaised({ id: "nev_1", event, details: plausibleDetails[event], ...about });
}

export function aDraft(change: Partial<NoticeDraft> = {}): NoticeDraft {
  return {
    event: "rotation.offered",
    at: AT,
    keyId: "key_1",
    consumerId: "con_1",
    details: { from: 1, to: 2 },
    ...change,
  };
}

export interface Heard {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are looked at member by member
  json: any;
}

/** A receiver on a real socket. `answer` may be changed while it runs; one that does nothing hangs. */
export class Receiver {
  readonly heard: Heard[] = [];
  answer: (heard: Heard, response: ServerResponse, request: IncomingMessage) => void | Promise<void> = (
    _heard,
    response,
  ) => {
    response.writeHead(204).end();
  };
  #server!: Server;
  url = "";
  port = 0;

  static async start(host = "127.0.0.1", port = 0): Promise<Receiver> {
    const receiver = new Receiver();
    receiver.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const body = Buffer.concat(parts).toString("utf8");
        const heard: Heard = {
          method: request.method ?? "",
          path: request.url ?? "",
          headers: request.headers as Record<string, string>,
          body,
          json: body.startsWith("{") ? JSON.parse(body) : undefined,
        };
        receiver.heard.push(heard);
        void receiver.answer(heard, response, request);
      });
    });
    await new Promise<void>((resolve) => receiver.#server.listen(port, host, resolve));
    receiver.port = (receiver.#server.address() as AddressInfo).port;
    receiver.url = `http://${host}:${receiver.port}/hook`;
    return receiver;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
