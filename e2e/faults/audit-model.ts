/**
 * What the audit log says of rotations: each does each thing once, and enters its phases in their order. A replica that slept through its
 * lease and then wrote what another had written already would show here (I9).
 */
import { type AuditEntry, chainProblem } from "../audit.test-support.ts";

const ORDER = "planned propagating offered overlapping retired completed"
  .split(" ")
  .map((phase) => `rotation.${phase}`);
/** The operator may say so of both versions. */
const REPEATED = "rotation.compromise";

export function auditProblems(entries: readonly AuditEntry[]): string[] {
  const broken = chainProblem(entries);
  return [...(broken === undefined ? [] : [`the audit log is broken: ${broken}`]), ...doubleSteps(entries)];
}

function doubleSteps(entries: readonly AuditEntry[]): string[] {
  const steps = new Map<string, string[]>();
  for (const { action, subjects } of entries) {
    const rotation = subjects.find((subject) => subject.startsWith("rot_"));
    if (rotation === undefined || !action.startsWith("rotation.") || action === REPEATED) continue;
    const known = steps.get(rotation);
    if (known === undefined) steps.set(rotation, [action]);
    else known.push(action);
  }
  return [...steps]
    .filter(([, actions]) => new Set(actions).size < actions.length || !isOrdered(actions))
    .map(([rotation, actions]) => `the audit log tells of ${rotation}: ${actions.join(", ")}`);
}

function isOrdered(actions: readonly string[]): boolean {
  const places = actions.filter((action) => ORDER.includes(action)).map((action) => ORDER.indexOf(action));
  return places.every((place, i) => i === 0 || place > (places[i - 1] as number));
}
