import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";

/** Saves what the page shows: into the folder of the environment's MC_SCREENSHOTS, else beside the test results. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.MC_SCREENSHOTS ?? "test-results/screenshots";
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), animations: "disabled" });
}
