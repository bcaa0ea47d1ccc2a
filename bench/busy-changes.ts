/**
 * Changes keys at a steady pace: one `PATCH` each, over connections that stay open. What comes late is made up for, as far as so many
 * calls under way at a time allow.
 */
import { Agent, request } from "node:http";
import { machineNow, peerSettings } from "./processes.ts";

const { url, token, keys, perSecond } = peerSettings<ChangesSettings>();
const UNDER_WAY_MAX = 64;
const agent = new Agent({ keepAlive: true, maxSockets: UNDER_WAY_MAX });
let beganAt: number | undefined;
let sent = 0;
let answered = 0;
let underWay = 0;
let lateMax = 0;
/** So that no change sets what is set already. */
let round = 0;

export interface ChangesSettings {
  url: string;
  token: string;
  keys: string[];
  perSecond: number;
}

/** How many a second were committed, and how far the calls were behind their time at most. */
export interface ChangesSaid {
  perSecond: number;
  lateMs: number;
}

function change(key: string): void {
  underWay++;
  const call = request(`${url}/v1/keys/${key}`, {
    agent,
    method: "PATCH",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
  });
  call.on("response", (response) => {
    if (response.statusCode !== 200) throw new Error(`a change was answered ${response.statusCode}`);
    response.resume().on("end", () => {
      underWay--;
      answered++;
    });
  });
  const place = `${(round >> 16) & 255}.${(round >> 8) & 255}.${round & 255}`;
  call.end(JSON.stringify({ networks: [`10.${place}/32`] }));
}

function sendDue(): void {
  if (beganAt === undefined) return;
  const due = Math.floor(((machineNow() - beganAt) * perSecond) / 1_000);
  lateMax = Math.max(lateMax, ((due - sent) * 1_000) / perSecond);
  while (sent < due && underWay < UNDER_WAY_MAX) {
    if (sent % keys.length === 0) round++;
    change(keys[sent++ % keys.length] as string);
  }
  setTimeout(sendDue, 1);
}

process.on("message", (what: "go" | "stop") => {
  if (what === "go") {
    [sent, answered, lateMax, beganAt] = [0, 0, 0, machineNow()];
    return sendDue();
  }
  const seconds = (machineNow() - (beganAt ?? machineNow())) / 1_000;
  beganAt = undefined;
  process.send?.({ perSecond: answered / seconds, lateMs: lateMax } satisfies ChangesSaid);
});
