import base from "../playwright.config.ts";

export default {
  ...base,
  testDir: ".",
  testMatch: "*.bench.ts",
  globalSetup: "../e2e/setup.ts",
  outputDir: "../node_modules/.playwright",
  reporter: [["dot"]] as [["dot"]],
  timeout: 120_000,
};
