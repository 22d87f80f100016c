import { eventsPage, expect, test } from "../support/fixtures.ts";

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
