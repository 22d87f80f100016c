import { eventsPage, expect, test, triggersPage } from "../support/fixtures.ts";

/** The code that the page of events needs beside what every page does. */
const EVENTS = /split_events\.wasm/;

test("a page loads the code of its own, and another page's when it is gone to", async ({ page, project }) => {
  const loaded: string[] = [];
  page.on("request", (request) => loaded.push(request.url()));
  await page.goto(triggersPage(project));
  await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();
  expect(loaded.filter((url) => EVENTS.test(url))).toEqual([]);
  // Each part once: what is preloaded is what is used.
  const parts = loaded.filter((url) => url.endsWith(".wasm"));
  expect(new Set(parts).size).toBe(parts.length);

  const documents = () => loaded.filter((url) => url.endsWith(eventsPage(project))).length;
  await page.getByRole("link", { name: "Events", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Events", level: 1 })).toBeVisible();
  expect(loaded.filter((url) => EVENTS.test(url))).toHaveLength(1);
  expect(documents()).toBe(0);
});

test("what is filled in before the code is there stays", async ({ page, project }) => {
  await page.route(EVENTS, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await route.continue();
  });
  await page.goto(`${eventsPage(project)}?status=failed`);
  await page.getByLabel("Status").selectOption("No trigger");
  await page.getByLabel("Type").fill("paid");
  await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeHidden();
  await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();
  await expect(page.getByLabel("Status")).toHaveValue("no-trigger");
  await expect(page.getByLabel("Type")).toHaveValue("paid");
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
