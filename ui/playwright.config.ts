import { defineConfig } from "@playwright/test";
import { ARGS, CHROMIUM } from "./e2e/chromium.ts";

export default defineConfig({
  testDir: "e2e",
  testMatch: "*.spec.ts",
  globalSetup: "./e2e/setup.ts",
  outputDir: "node_modules/.playwright",
  // All tests share one mesh, and one of them kills its services.
  workers: 1,
  fullyParallel: false,
  // Generous, for a busy machine: nothing waits for it when all is well.
  timeout: 120_000,
  expect: { timeout: 12_000 },
  reporter: [["list"]],
  use: {
    viewport: { width: 1280, height: 800 },
    trace: "retain-on-failure",
    launchOptions: { executablePath: CHROMIUM, args: ARGS },
  },
});
