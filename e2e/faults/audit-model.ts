/**
 * What the audit log says of rotations: each enters a phase once, and in their order. A replica that slept through its lease and then wrote
 * what another had written already would show here (I9).
 */
import { type AuditEntry, chainProblem } from "../audit.test-support.ts";

const ORDER = [
  "rotation.started",
  "rotation.offered",
  "rotation.overlapping",
  "rotation.retired",
  "rotation.completed",
];

export function auditProblems(entries: readonly AuditEntry[]): string[] {
  const broken = chainProblem(entries);
  return [...(broken === undefined ? [] : [`the audit log is broken: ${broken}`]), ...doubleSteps(entries)];
}

function doubleSteps(entries: readonly AuditEntry[]): string[] {
  const steps = new Map<string, string[]>();
  for (const { action, subjects } of entries) {
    const rotation = subjects.find((subject) => subject.startsWith("rot_"));
    if (rotation === undefined || !ORDER.includes(action)) continue;
    steps.set(rotation, [...(steps.get(rotation) ?? []), action]);
  }
  return [...steps].flatMap(([rotation, actions]) => {
    const places = actions.map((action) => ORDER.indexOf(action));
    const good = places.every((place, i) => i === 0 || place > (places[i - 1] as number));
    return good ? [] : [`the audit log tells of ${rotation}: ${actions.join(", ")}`];
  });
}
