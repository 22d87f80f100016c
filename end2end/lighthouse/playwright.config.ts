import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: ".",
  workers: 1,
  timeout: 600_000,
  forbidOnly: true,
  retries: 0,
  reporter: [["list"]],
});
