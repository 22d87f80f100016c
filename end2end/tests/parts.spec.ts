import type { Page } from "@playwright/test";

import { eventsPage, expect, test, triggersPage } from "../support/fixtures.ts";

/** The code that the page of events needs beside what every page does: all of it in one file where the page is the first, and
 * what is not there yet where one comes from another page. */
const EVENTS = /events\.bin|split_events\.wasm/;

/** Keeps files back until they are let arrive. */
async function held(page: Page, files: RegExp): Promise<() => void> {
  let arrive = () => {};
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  await page.route(files, async (route) => {
    await arrived;
    await route.continue();
  });
  return arrive;
}

test("a page loads the code of its own, and another page's when it is gone to", async ({ page, project }) => {
  const loaded: string[] = [];
  page.on("request", (request) => loaded.push(request.url()));
  await page.goto(triggersPage(project));
  await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();
  expect(loaded.filter((url) => EVENTS.test(url))).toEqual([]);
  // Each file once: what is preloaded is what is used.
  const files = loaded.filter((url) => /\.(wasm|bin)$/.test(url)).map((url) => url.split("/").at(-1));
  expect(files.sort()).toEqual(["app_bg.wasm", "triggers.bin"]);

  const documents = () => loaded.filter((url) => url.endsWith(eventsPage(project))).length;
  await page.getByRole("link", { name: "Events", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Events", level: 1 })).toBeVisible();
  expect(loaded.filter((url) => EVENTS.test(url))).toHaveLength(1);
  expect(documents()).toBe(0);
});

test("what is filled in before the code is there stays", async ({ page, project }) => {
  const arrive = await held(page, EVENTS);
  await page.goto(`${eventsPage(project)}?status=failed`, { waitUntil: "domcontentloaded" });
  await page.getByLabel("Status").selectOption("No trigger");
  await page.getByLabel("Type").fill("paid");
  await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeHidden();
  arrive();
  await expect(page.getByRole("button", { name: "Live", exact: true })).toBeVisible();
  await expect(page.getByLabel("Status")).toHaveValue("no-trigger");
  await expect(page.getByLabel("Type")).toHaveValue("paid");
  await page.getByRole("button", { name: "Filter" }).click();
  await expect(page).toHaveURL(/status=no-trigger&type=paid|type=paid&status=no-trigger/);
  await expect(page.getByTestId("no-match")).toBeVisible();
  await page.getByRole("link", { name: "Clear" }).click();
  await expect(page.getByLabel("Status")).toHaveValue("");
  await expect(page.getByLabel("Type")).toHaveValue("");
});

test("a mistake that is made before the code is there shows when it is", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:9/");
  const arrive = await held(page, /\.wasm/);
  await page.goto(`${triggersPage(project)}?trigger=one`, { waitUntil: "domcontentloaded" });
  await page.getByLabel("Event Data").fill('{\n"a": }');
  await expect(page.getByRole("button", { name: "Format" })).toBeHidden();
  arrive();
  await expect(page.getByTestId("wrong-line")).toHaveText("2");
  await expect(page.getByLabel("Event Data")).toHaveValue('{\n"a": }');
});

test.describe("in another time zone", () => {
  test.use({ timezoneId: "Asia/Tokyo" });

  test("a time that is filled in before the code is there is the reader's own", async ({ page, project, server }) => {
    await server.trigger(project, "one", "t", "http://127.0.0.1:9/");
    const arrive = await held(page, /\.wasm/);
    await page.goto(`${triggersPage(project)}?trigger=one`, { waitUntil: "domcontentloaded" });
    await page.getByLabel("When").selectOption("At a time");
    await page.getByLabel("Date and time").fill("2098-01-02T03:04:05");
    arrive();
    await expect(page.getByTestId("in-utc")).toContainText("2098-01-01 18:04:05 UTC, in");
    await page.getByRole("button", { name: "Trigger", exact: true }).click();
    await expect(page.getByTestId("outcome").getByTitle("2098-01-01 18:04:05 UTC").first()).toBeVisible();
  });
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 412, height: 823 } });

  test("nothing moves when the code is there", async ({ page, project, server }) => {
    await server.trigger(project, "one", "broken", "http://127.0.0.1:9/", { retries: 0 });
    const { eventId } = await server.queue(project, { type: "broken" });
    await page.addInitScript(() => {
      Object.assign(window, { moved: 0 });
      const observer = new PerformanceObserver((list) => {
        for (const shift of list.getEntries()) (window as any).moved += (shift as any).value;
      });
      observer.observe({ type: "layout-shift", buffered: true });
    });
    for (const url of [triggersPage(project), eventsPage(project), `${eventsPage(project)}/${eventId}`]) {
      await page.goto(url);
      await expect(page.getByRole("button", { name: "Live", exact: true })).toBeVisible();
      await page.evaluate(() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted))));
      expect(await page.evaluate(() => (window as any).moved), url).toBeLessThan(0.05);
    }
  });
});

test.describe("code that cannot be loaded", () => {
  test.use({ foreseen: /ERR_FAILED|Failed to fetch|preloaded/ });

  test("has the server render the page, which works without it", async ({ page, project, server }) => {
    await server.queue(project, [{ type: "a" }, { type: "b" }]);
    await page.goto(triggersPage(project));
    await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();
    await page.route(EVENTS, (route) => route.abort());
    await page.getByRole("link", { name: "Events", exact: true }).click();
    await expect(page.getByRole("heading", { name: "Events", level: 1 })).toBeVisible();
    await page.waitForLoadState();
    await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeHidden();
    await page.getByLabel("Type").fill("b");
    await page.getByRole("button", { name: "Filter" }).click();
    await expect(page).toHaveURL(/type=b/);

    await page.unroute(EVENTS);
    await page.reload();
    await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();
  });

  test("has the server render a dialog, which works without it", async ({ page, project }) => {
    await page.goto(triggersPage(project));
    await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();
    await page.route(/split_dialogs\.wasm/, (route) => route.abort());
    await page.getByRole("link", { name: "Add", exact: true }).click();
    const dialog = page.getByRole("dialog", { name: "Add event trigger" });
    await expect(dialog).toBeVisible();
    await dialog.getByLabel("Trigger Name").fill("one");
    await dialog.getByLabel("Type").fill("paid");
    await dialog.getByLabel("Webhook URL").fill("http://127.0.0.1:9/");
    await dialog.getByRole("button", { name: "Save" }).click();
    await expect(page.getByRole("row", { name: /^one/ })).toContainText("paid");
  });
});
