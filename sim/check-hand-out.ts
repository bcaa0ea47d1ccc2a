/** I2, I6: when a successor's secret leaves an authority it is the one that was made, and every server that may answer accepts it. */
import { isAccepted, sha256Text } from "@keyover/core";
import type { ApiServer } from "./api-server.ts";
import type { Model } from "./model.ts";
import type { Process } from "./process.ts";
import { accepts, knowsLeaked } from "./replicas.ts";
import type { WireAnswer, WireRequest } from "./wire.ts";

export function checkHandOut(
  model: Model,
  servers: readonly ApiServer[],
  request: WireRequest,
  { status, body }: WireAnswer,
): void {
  if (!request.path.endsWith("/claim") || status !== 200 || body === undefined) return;
  const { secret, rotation: id, version } = JSON.parse(body) as { secret: string; rotation: string; version: number };
  const sha256 = sha256Text(secret);
  const past = model.secrets.get(sha256)?.key;
  const known = past?.rotations.get(id);
  if (past === undefined || known === undefined || known.rotation.to !== version) {
    model.fail("I6", past?.id, `a claim of ${id} brought a secret that is not its successor's`);
    return;
  }
  const made = past.versions.get(version);
  past.handedOut.add(sha256);
  model.history.note("authority", `hands out v${version}`, past.id);
  // It may have ended while the answer was on its way out.
  if (past.key.status === "revoked" || made === undefined || !isAccepted(made.state)) return;
  if (made.sha256 !== sha256) model.fail("I6", past.id, "a claim brought another secret than was made");
  for (const server of servers) {
    if (!server.answersFor(past.apiId) || server.platter.isDamaged(past.apiId)) continue;
    // A verifier that nobody heard before a choice was made knows that it had leaked, and refuses it rightly (I10).
    if (model.restoredAt.length > 0 && knowsLeaked(server.process as Process, sha256)) continue;
    if (!accepts(server.process as Process, sha256, past.id))
      model.fail("I2", past.id, `version ${version} is handed out, and ${server.machine.name} does not hold it`);
  }
}
