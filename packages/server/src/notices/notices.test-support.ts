/** Rows and servers for tests of notices: real sockets, a clock that moves when it is told to. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { makeHandle } from "@keyover/core";
import type { Channel, NoticeDraft, NoticeFacts, RaisedEvent } from "../store/notice-entities.ts";

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
