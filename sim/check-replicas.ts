/**
 * At the end, when nothing has happened for a while: what each verifier holds is what the database says, key by key. Whatever came by the side,
 * from an old disk or from before a restore has given way (I5, I17, I19).
 */
import type { ApiServer } from "./api-server.ts";
import { picture } from "./check-commit.ts";
import type { Model } from "./model.ts";
import type { Process } from "./process.ts";
import { replicasOf } from "./replicas.ts";

/** An entry is everywhere by then, also past a connection that has to be noticed as broken first. */
const QUIET_MS = 6_000;

export async function checkReplicas(model: Model, servers: readonly ApiServer[]): Promise<void> {
  const { time } = model;
  await time.runUntil(time.at + QUIET_MS, () => model.violation !== undefined);
  const young = time.at - QUIET_MS;
  for (const server of servers) {
    if (!server.up || server.gone) continue;
    const held = new Map<string, string>();
    const replicas = replicasOf(server.process as Process);
    const isWhole = replicas.every((replica) => replica.isWhole);
    for (const replica of replicas)
      for (const { key, status, versions } of replica.records()) held.set(key, `${status}: ${picture(versions)}`);
    const name = server.machine.name;
    for (const { id, told, positions } of model.keys.values()) {
      if ((positions.at(-1)?.at ?? 0) > young) continue;
      const wanted = told === undefined ? undefined : `${told.status}: ${picture(told.versions)}`;
      if (!isWhole && !held.has(id)) continue;
      if (held.get(id) !== wanted) model.fail("I5", id, `${name} holds ${held.get(id)}; the database says ${wanted}`);
    }
    for (const id of model.lost.keys())
      if (held.has(id)) model.fail("I5", id, `${name} holds a key that the database does not know`);
  }
}
