import { defineConfig } from "vitest/config";

// Workspace packages resolve to their sources, as they do under plain Node.
const resolve = { conditions: ["keyover-source"] };
const shared = { resolve, ssr: { resolve } };

const POSTGRES = "packages/server/src/store/postgres.test-setup.ts";

export default defineConfig({
  ...shared,
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: "unit",
          include: [
            "packages/*/src/**/*.test.ts",
            "scripts/**/*.test.ts",
            "examples/**/*.test.ts",
            "bench/**/*.test.ts",
            "sim/**/*.test.ts",
          ],
          testTimeout: 10_000,
          globalSetup: POSTGRES,
        },
      },
      {
        // Real processes, ports and kills: slower, and not many at a time.
        ...shared,
        test: {
          name: "e2e",
          include: ["e2e/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 3,
          globalSetup: [POSTGRES, "e2e/canary.test-setup.ts"],
          setupFiles: "e2e/canary-watch.ts",
        },
      },
    ],
  },
});
