import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// Workspace packages resolve to their sources, as they do under plain Node.
const resolve = { conditions: ["keyover-source"] };
const shared = { resolve, ssr: { resolve } };

const POSTGRES = "packages/server/src/store/postgres.test-setup.ts";

/** Exhaustive, or long by what they wait for. `npm test` leaves them out, `npm run test:slow` runs them, and so does CI. */
const SLOW = [
  "packages/server/src/crash-matrix-*.test.ts",
  "packages/server/src/restore/running-rotations.test.ts",
  "packages/server/src/policies/idleness-kept.test.ts",
  "packages/server/src/store/postgres-outcome.test.ts",
  "sim/year/year.test.ts",
  "sim/calibration.test.ts",
];
const SLOW_E2E = [
  "e2e/bad-disk.test.ts",
  "e2e/campaign*.test.ts",
  "e2e/gateways.test.ts",
  "e2e/kill9.test.ts",
  "e2e/limits.test.ts",
  "e2e/monthly-job.test.ts",
  "e2e/offboard.test.ts",
  "e2e/plans.test.ts",
  "e2e/restore.test.ts",
  "e2e/survive.test.ts",
  "e2e/verifier-restart.test.ts",
  "e2e/verifier-workers.test.ts",
  "e2e/worked-examples.test.ts",
];

// Generous: what hangs is found, what only waits for a busy machine goes on.
const expect = { poll: { timeout: 15_000 } };
/** Few, because some start processes of their own. Left to itself vitest has one core do all where there are two. */
const maxWorkers = Math.min(4, Math.max(2, availableParallelism() - 1));
const unit = {
  expect,
  testTimeout: 30_000,
  hookTimeout: 60_000,
  maxWorkers,
  globalSetup: POSTGRES,
  setupFiles: ["scripts/property-seed.ts", "e2e/canary-folders.ts"],
};
// Real processes, ports and kills: slower.
const processes = {
  expect,
  testTimeout: 120_000,
  hookTimeout: 60_000,
  maxWorkers,
  globalSetup: [POSTGRES, "e2e/canary.test-setup.ts"],
  setupFiles: "e2e/canary-watch.ts",
};

export default defineConfig({
  ...shared,
  test: {
    projects: [
      {
        ...shared,
        test: {
          ...unit,
          name: "unit",
          include: [
            "packages/*/src/**/*.test.ts",
            "scripts/**/*.test.ts",
            "examples/**/*.test.ts",
            "bench/*.test.ts",
            "sim/**/*.test.ts",
          ],
          exclude: SLOW,
        },
      },
      { ...shared, test: { ...processes, name: "e2e", include: ["e2e/**/*.test.ts"], exclude: SLOW_E2E } },
      { ...shared, test: { ...unit, name: "slow", include: SLOW, testTimeout: 180_000 } },
      { ...shared, test: { ...processes, name: "slow-e2e", include: SLOW_E2E } },
    ],
  },
});
