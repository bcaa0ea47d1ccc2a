/**
 * How long a changeover keeps its consumer waiting for the successor: from the call that starts the rotation, sent, to
 * `offered`, seen by a follower of the feed. In between: the commit to disk, the entry to every verifier, every verifier's
 * acknowledgement, the second commit, the second entry.
 */
import { startFleet } from "./fleet.ts";
import { issueKeys } from "./issue.ts";
import { machineNow } from "./processes.ts";
import type { Row } from "./report.ts";
import { alternate } from "./rounds.ts";

export async function changeover(quick: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of quick ? [1, 5] : [1, 10, 50]) {
    const fleet = await startFleet(count);
    const offered = new Map<string, (at: number) => void>();
    fleet.onEntry(({ record }, at) => {
      if (record?.rotation?.phase === "offered") offered.get(record.key)?.(at);
    });
    const prepare = async (samples: number) => {
      const keys = await issueKeys(fleet, samples);
      return async (sample: number) => {
        const key = keys[sample]?.id as string;
        const seen = new Promise<number>((resolve) => offered.set(key, resolve));
        const sentAt = machineNow();
        await fleet.admin.request("post", "/v1/keys/{key}/rotations", { params: { key }, body: { reason: "bench" } });
        const tookMs = (await seen) - sentAt;
        offered.delete(key);
        return [tookMs];
      };
    };
    const name = `start to offered, ${count} verifier${count === 1 ? "" : "s"}`;
    const figure = count === 50 ? { name, mark: { valueMax: 50, ratioMax: 3 } } : { name };
    rows.push(...(await alternate({ fleet, quick, figures: [figure], prepare })));
    await fleet.stop();
  }
  return rows;
}
