import { expect, test } from "vitest";
import { nodeProblem } from "./node-version.ts";

test.each(["22.14.0", "22.22.3", "23.6.0", "24.0.0", "26.10.0"])("Node %s will do", (version) =>
  expect(nodeProblem(version)).toBeUndefined(),
);

test.each(["18.20.0", "20.20.2", "22.13.1", "23.5.0"])(
  "Node %s is refused before anything of it is loaded",
  (version) => expect(nodeProblem(version)).toContain(version),
);
