import { eventsPage, expect, test, triggersPage } from "../support/fixtures.ts";

test("without JavaScript events are found, redelivered and cancelled", async ({ page, project, server, webhook }) => {
  let answer = 500;
  const receiver = await webhook(() => ({ status: answer }));
  await server.trigger(project, "one", "t", receiver.url, { retries: 0 });
  const failed = await server.queue(project, { type: "t", data: { number: 1 } });
  const later = await server.queue(project, { type: "t", data: { number: 2 }, delay: 3600 });
  await expect.poll(() => receiver.events.length).toBe(1);
  await expect(async () => {
    await page.goto(`${eventsPage(project)}?status=failed`);
    await expect(page.getByRole("row", { name: failed.eventId })).toBeVisible({ timeout: 500 });
  }).toPass();
  await page.getByRole("link", { name: "Clear" }).click();
  await page.getByLabel("Status").selectOption("Scheduled");
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await expect(page.getByRole("row", { name: failed.eventId })).toBeHidden();
  await page.getByRole("link", { name: later.eventId }).click();
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await expect(page.getByTestId("delivery")).toContainText("cancelled");

  answer = 200;
  await page.goto(`${eventsPage(project)}?status=failed&bulk=redeliver`);
  await expect(page.getByTestId("bulk-count")).toContainText("1 event matches");
  await page.getByLabel("At most, events a second").fill("none");
  await page.getByRole("button", { name: "Redeliver" }).click();
  await expect(page.getByLabel("At most, events a second")).toHaveValue("none");
  await page.getByLabel("At most, events a second").fill("");
  await page.getByRole("button", { name: "Redeliver" }).click();
  await expect(page).toHaveURL(/\/events\/jobs$/);
  await expect.poll(() => receiver.events.length).toBe(2);
});

test("without JavaScript a refusal is told", async ({ page, project, server, webhook }) => {
  const receiver = await webhook(() => ({ delay: 4000 }));
  await server.trigger(project, "busy", "t", receiver.url);
  await server.trigger(project, "paused", "t", receiver.url, { enabled: false });
  const { eventId } = await server.queue(project, { type: "t", data: {} });
  await expect.poll(() => receiver.events.length).toBe(1);
  const alert = page.getByRole("main").getByRole("alert");
  await page.goto(`${eventsPage(project)}/${eventId}`);
  await page.getByRole("button", { name: "Cancel busy" }).click();
  await expect(alert).toHaveText("busy: An attempt is in flight.");
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await expect(alert).toHaveText("1 delivery is cancelled. busy: An attempt is in flight.");

  await page.goto(triggersPage(project));
  await fetch(`${server.url}/v1/config/projects/${project}/eventing/triggers/paused`, { method: "DELETE" });
  await page.getByRole("button", { name: "Resume paused" }).click();
  await expect(alert).toContainText("There is no trigger");

  await page.goto(`${eventsPage(project)}?status=pending&bulk=redeliver`);
  await expect(page.getByTestId("bulk-count")).toContainText("What is pending cannot be redelivered");
  await expect(page.getByRole("button", { name: "Redeliver" })).toHaveCount(0);
});

test("without JavaScript the search and the range stay", async ({ page, project, server }) => {
  await server.trigger(project, "mail", "t", "http://127.0.0.1:1/");
  await server.trigger(project, "shop", "t", "http://127.0.0.1:1/");
  await page.goto(`${triggersPage(project)}?range=24h`);
  await page.getByLabel("Search triggers").fill("mail");
  await page.getByLabel("Search triggers").press("Enter");
  await page.getByRole("link", { name: "Edit mail" }).click();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page).toHaveURL(/event-triggers\?q=mail&range=24h$/);
  await page.getByRole("button", { name: "Pause mail" }).click();
  await expect(page).toHaveURL(/event-triggers\?q=mail&range=24h$/);
  await expect(page.getByRole("row", { name: "shop" })).toBeHidden();
});
