/**
 * How long a stolen key still works. Two beginnings: the emergency call with `kill` is sent; and the commit, for which the
 * time stands that the change itself carries (the authority reads its clock a moment before, in whole milliseconds, so
 * that this figure is up to a few milliseconds too long and never too short). One end: the last of all verifiers refuses.
 */
import { type Fleet, startFleet } from "./fleet.ts";
import { type IssuedKey, issueKeys } from "./issue.ts";
import { machineNow } from "./processes.ts";
import type { Mark, Row } from "./report.ts";
import { alternate } from "./rounds.ts";

export async function revocation(quick: boolean): Promise<Row[]> {
  const count = quick ? 5 : 50;
  const fleet = await startFleet(count);
  const rows = await killing(fleet, quick, `at all ${count} verifiers`, {
    call: { valueMax: 50 },
    commit: { valueMax: 50, ratioMax: 3 },
  });
  await fleet.stop();
  return rows;
}

/** Kills one key after the other. */
export async function killing(
  fleet: Fleet,
  quick: boolean,
  where: string,
  marks: { call?: Mark; commit?: Mark },
): Promise<Row[]> {
  const prepare = async (samples: number) => {
    const keys = await issueKeys(fleet, samples);
    return async (sample: number) => {
      const { sentAt, committedAt, refused } = await killOne(fleet, keys[sample] as IssuedKey);
      const refusedAt = refused.at(-1) as number;
      return [refusedAt - sentAt, refusedAt - committedAt];
    };
  };
  const figures = (["call", "commit"] as const).map((from) => ({
    name: `${from} to refused ${where}`,
    ...(marks[from] === undefined ? {} : { mark: marks[from] }),
  }));
  return alternate({ fleet, quick, figures, prepare });
}

/** Times on the machine's clock. `refused`: of each verifier, the last of them last. */
export async function killOne(
  fleet: Fleet,
  { id: key, secret }: IssuedKey,
): Promise<{ sentAt: number; committedAt: number; refused: number[] }> {
  const { refused } = await fleet.watch(secret);
  const sentAt = machineNow();
  const { createdAt } = await fleet.admin.request("post", "/v1/keys/{key}/emergency", {
    params: { key },
    body: { mode: "kill", reason: "bench" },
  });
  return { sentAt, committedAt: machineTimeOf(createdAt), refused: await refused };
}

/** A wall clock's time on the machine's monotonic clock. */
function machineTimeOf(wall: number): number {
  return machineNow() - (performance.timeOrigin + performance.now() - wall);
}
