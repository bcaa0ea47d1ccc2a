/**
 * One kill, 300 verifiers behind three processes on PostgreSQL: from the call, sent, and from the commit, until the last of them
 * refuses; beside a plain server that writes to 300.
 */
import { startFleet } from "./fleet.ts";
import type { Row } from "./report.ts";
import { killing } from "./revocation.ts";

export async function fanOut(quick: boolean): Promise<Row[]> {
  const count = quick ? 6 : 300;
  const fleet = await startFleet(count, 3);
  const rows = await killing(fleet, quick, `at all ${count} verifiers of 3 processes`, {});
  await fleet.stop();
  return rows;
}
