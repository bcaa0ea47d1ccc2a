/**
 * An emergency keeps its word. Soon after its answer every selected key is refused, or fenced, by the database, so that verifiers are within their
 * staleness bound (check-decision.ts); and nobody is told that N of N verifiers refuse before they do.
 */
import { isAccepted, type Rotation } from "@keyover/core";
import type { ApiServer } from "./api-server.ts";
import type { CampaignPast } from "./campaign-model.ts";
import type { KeyPast, Model } from "./model.ts";
import type { Process } from "./process.ts";
import { refuses } from "./replicas.ts";
import type { WireAnswer, WireRequest } from "./wire.ts";

/** From the answer to the last strike, in good times: for the bell, and for keys that others change at the same time. */
const STRUCK_WITHIN_MS = 2_500;

interface Emergency {
  id: string;
  /** When it was asked for. */
  at: number;
  keys: KeyPast[];
}

/** Looks at what an emergency was to strike, a little later. `over`: somebody has paused it or ended it. */
export function checkStruckSoon(model: Model, { id, at, keys }: Emergency): void {
  const answeredAt = model.time.at;
  const restores = model.restoredAt.length;
  model.time.after(STRUCK_WITHIN_MS + model.lateMs, () => {
    const past = model.campaigns.all.get(id);
    const stopped = ["pause", "abort"].some((deed) => model.wasAsked(`campaign ${deed}`, id));
    if (model.restoredAt.length > restores || !model.steadySince(answeredAt - 3_000) || stopped) return;
    if (past === undefined) return model.fail("I11", undefined, `${id} was answered, and is not in the database`);
    for (const key of keys) {
      const problem = spared(past, key, at);
      if (problem !== undefined)
        model.fail("I11", key.id, `${id} was answered ${Math.round(model.time.at - answeredAt)} ms ago; ${problem}`);
    }
  });
}

/** What of a key was in its holder's hands when the emergency was asked for, and is accepted as before. */
function spared({ row, items }: CampaignPast, past: KeyPast, at: number): string | undefined {
  if (past.key.status === "revoked") return undefined;
  const item = items.get(past.id);
  // A fence needs a version behind it: of what could not be contained the item says so.
  if (row.action === "contain" && item != null && item.why !== null) return undefined;
  const { createdBefore = Infinity } = row.select;
  const left = [...past.versions.values()].find((version) => {
    const { number, state, compromised, createdAt, fence } = version;
    if (!isAccepted(state) || createdAt >= Math.min(createdBefore, at)) return false;
    if (!wasExposed(past, number, at)) return false;
    return row.action === "kill" || !compromised || fence === null;
  });
  return left === undefined
    ? undefined
    : `version ${left.number} is ${left.state} (${item?.state ?? "no item"}: ${item?.why})`;
}

/** A successor that nobody had taken by then is what the key changes over to. */
function wasExposed({ rotations }: KeyPast, number: number, at: number): boolean {
  const mother = [...rotations.values()].findLast(({ rotation }) => rotation.to === number)?.rotation;
  return mother === undefined || heldSince(mother) < at;
}

function heldSince({ claimedAt, confirmedAt, usedAt, origin }: Rotation): number {
  const times = [claimedAt, confirmedAt, usedAt].map((time) => time ?? Infinity);
  return origin === "consumer" ? Infinity : Math.min(...times);
}

// ---- receipts -------------------------------------------------------------------------------------------------------------

interface Receipt {
  api: string;
  verifiers: number;
  applied: number;
  at: number | null;
}

/** Who asks how far an emergency is. */
export function checkStanding(
  model: Model,
  servers: readonly ApiServer[],
  { method, path }: WireRequest,
  { status, body }: WireAnswer,
): void {
  const id = /^\/v1\/campaigns\/(cam_\w+)$/.exec(path)?.[1];
  if (method !== "GET" || id === undefined || status !== 200 || body === undefined) return;
  const past = model.campaigns.all.get(id);
  const { receipts } = JSON.parse(body) as { receipts: Receipt[] };
  // What was true once is not looked at again: a verifier may come back with an older disk, within its lease.
  for (const { api, verifiers, applied, at } of receipts)
    if (at === null && applied === verifiers && past !== undefined) checkRefusing(model, servers, past, api);
}

/** It is noted that all of them refuse. */
export function checkReceipts(model: Model, servers: readonly ApiServer[], past: CampaignPast): void {
  const { row } = past;
  if (row.action === "rotate" || row.outcome !== "done") return;
  const apis = new Set([...past.struck.values()].map(({ keyId }) => model.keys.get(keyId)?.apiId));
  for (const api of apis) {
    const receipt = row.receipts.find(({ apiId }) => apiId === api);
    // An operator may end the wait for verifiers.
    if (receipt?.at == null && model.wasAsked("campaign continue", row.id)) continue;
    if (receipt?.at == null) model.fail("receipt", undefined, `${row.id} has ended without a receipt of ${api}`);
    else checkRefusing(model, servers, past, receipt.apiId);
  }
}

function checkRefusing(model: Model, servers: readonly ApiServer[], past: CampaignPast, api: string): void {
  if (model.restoredAt.length > 0) return;
  for (const { keyId, sha256 } of past.struck.values()) {
    if (model.keys.get(keyId)?.apiId !== api) continue;
    for (const server of servers) {
      if (!server.answersFor(api) || server.platter.isDamaged(api)) continue;
      if (!refuses(server.process as Process, sha256, past.row.action === "contain"))
        model.fail(
          "receipt",
          keyId,
          `${past.row.id} says that all verifiers refuse, and ${server.machine.name} does not`,
        );
    }
  }
}
