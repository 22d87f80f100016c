import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: ".",
  outputDir: "../test-results/lighthouse",
  workers: 1,
  timeout: 1_800_000,
  forbidOnly: true,
  retries: 0,
  reporter: [["list"]],
});
