/** The doctor's word on a database's schema. */
import type { MigrationReport } from "../store/migration.ts";
import { SCHEMA_VERSION } from "../store/schema.ts";
import { bad, type Finding, good, note } from "./finding.ts";

export function schemaFinding({ found, wait, waitFor }: MigrationReport, remedy: string): Finding {
  if (found.version === 0) return bad("schema", "the database holds nothing of Keyover's", remedy);
  if (found.version >= SCHEMA_VERSION) return good("schema", `version ${found.version}`);
  if (wait.length > 0)
    return note(
      "schema",
      `version ${found.version}; ${wait[0]?.number} waits for ${waitFor.join(", ")}`,
      "stop those, then run: keyover migrate",
    );
  return good("schema", `version ${found.version}; the next start brings it to ${SCHEMA_VERSION}`);
}
