import { defineConfig } from "@playwright/test";

import { chromium } from "./chromium.ts";

export default defineConfig({
  testDir: "tests",
  // One server serves the whole run; every test has a project of its own on it.
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  forbidOnly: true,
  retries: 0,
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    headless: true,
    launchOptions: chromium,
    viewport: { width: 1280, height: 800 },
    trace: "retain-on-failure",
  },
  projects: [
    { name: "browser", testIgnore: /no-javascript/ },
    { name: "no-javascript", testMatch: /no-javascript/, use: { javaScriptEnabled: false } },
  ],
});
