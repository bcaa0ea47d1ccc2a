/** The crash matrix over emergencies: a version is killed or contained in each phase (I11). */

import { because, dieEverywhere, orderOfKey, reached, type Scenario, second } from "./crash-matrix.test-suite.ts";
import { ask, LONG, type Step } from "./crash-matrix.test-support.ts";

const strikes: Record<string, Step> = {
  "the old version is killed": orderOfKey("emergency", { ...because, mode: "kill", version: 1 }),
  "the old version is contained": orderOfKey("emergency", { ...because, mode: "contain", version: 1 }),
  "the successor is killed": orderOfKey("emergency", { ...because, mode: "kill", version: 2 }),
};
const planned = ask("start", ({ keyId, at }) => ({
  path: `/v1/keys/${keyId}/rotations`,
  body: { startsAt: at + LONG },
}));

/** Where it strikes, and what the one commit of each strike is called in the audit log; there may be no successor to strike. */
const phases: [phase: string, given: Step[], commits: string[]][] = [
  ["no rotation", [], ["key.compromised", "key.compromised"]],
  ["planned", [planned], ["rotation.compromise", "rotation.compromise"]],
  ["propagating", reached.propagating, ["rotation.compromise", "rotation.compromise", "rotation.rolled-back"]],
  ["offered", reached.offered, ["rotation.compromise", "rotation.compromise", "rotation.rolled-back"]],
  ["overlapping", reached.overlapping, ["rotation.retired", "rotation.compromise", "rotation.rolled-back"]],
  ["retired", reached.retired, ["rotation.compromise", "rotation.compromise", "rotation.completed"]],
  ["rolled-back", reached["rolled-back"], ["rotation.retired", "rotation.overlapping", "rotation.ended"]],
];

dieEverywhere(
  phases.flatMap(([phase, given, commits]) =>
    commits.map((commit, i): Scenario => {
      const [what, strike] = Object.entries(strikes)[i] as [string, Step];
      return { name: `${phase}: ${what}`, given, steps: [strike, second], commits: [commit] };
    }),
  ),
);
