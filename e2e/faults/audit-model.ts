/**
 * What the audit log says of rotations: each does each thing once, and enters its phases in their order. A replica that slept through its
 * lease and then wrote what another had written already would show here (I9).
 */
import { type AuditEntry, chainProblem } from "../audit.test-support.ts";

const ORDER = "planned propagating offered overlapping retired completed"
  .split(" ")
  .map((phase) => `rotation.${phase}`);
const CLAIM = "rotation.claim";
/**
 * What may be told more than once: the operator may say so of both versions; and a secret is handed out again, and that is noted, to whoever
 * asks again because the answer was lost, or is another process of the same application. But to nobody once it was used.
 */
const REPEATED = ["rotation.compromise", CLAIM];

export function auditProblems(entries: readonly AuditEntry[]): string[] {
  const broken = chainProblem(entries);
  return [...(broken === undefined ? [] : [`the audit log is broken: ${broken}`]), ...doubleSteps(entries)];
}

function doubleSteps(entries: readonly AuditEntry[]): string[] {
  const steps = new Map<string, string[]>();
  for (const { action, subjects } of entries) {
    const rotation = subjects.find((subject) => subject.startsWith("rot_"));
    if (rotation === undefined || !action.startsWith("rotation.")) continue;
    const known = steps.get(rotation);
    if (known === undefined) steps.set(rotation, [action]);
    else known.push(action);
  }
  return [...steps]
    .filter(([, actions]) => isDoubled(actions) || !isOrdered(actions) || !isHandedOutInTime(actions))
    .map(([rotation, actions]) => `the audit log tells of ${rotation}: ${actions.join(", ")}`);
}

function isDoubled(actions: readonly string[]): boolean {
  const once = actions.filter((action) => !REPEATED.includes(action));
  return new Set(once).size < once.length;
}

function isHandedOutInTime(actions: readonly string[]): boolean {
  const [first, last] = [actions.indexOf(CLAIM), actions.lastIndexOf(CLAIM)];
  const used = actions.indexOf("rotation.used");
  return first === -1 || (first > actions.indexOf("rotation.offered") && (used === -1 || last < used));
}

function isOrdered(actions: readonly string[]): boolean {
  const places = actions.filter((action) => ORDER.includes(action)).map((action) => ORDER.indexOf(action));
  return places.every((place, i) => i === 0 || place > (places[i - 1] as number));
}
