import { expect, test, triggersPage } from "../support/fixtures.ts";

test("a trigger is created, validated, edited and deleted", async ({ page, project }) => {
  await page.goto(triggersPage(project));
  await expect(page.getByRole("heading", { name: "Event Triggers", level: 1 })).toBeVisible();
  await expect(page.getByText("No event triggers yet")).toBeVisible();
  await expect(page.getByText(`/v1/api/${project}/eventing/queue`)).toBeVisible();

  await page.getByRole("link", { name: "Add", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Add event trigger" });
  await expect(dialog.getByLabel("Trigger Name")).toBeFocused();
  await expect(dialog.getByLabel("Retries")).toHaveValue("3");
  await expect(dialog.getByLabel("Timeout")).toHaveValue("5000");
  await expect(dialog.getByLabel("Source")).toHaveValue("custom");
  await expect(dialog.getByLabel("Source").getByRole("option")).toHaveText(["Custom"]);

  // Everything is wrong: each message stands beside its field, and nothing that was typed is lost.
  await dialog.getByLabel("Trigger Name").fill("wel come");
  await dialog.getByLabel("Type").fill("sent-email");
  await dialog.getByLabel("Webhook URL").fill("ftp://example.com");
  await dialog.getByLabel("Retries").fill("101");
  await dialog.getByLabel("Timeout").fill("soon");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog.getByLabel("Trigger Name")).toHaveAccessibleDescription(/letters A-Z, digits/);
  await expect(dialog.getByLabel("Webhook URL")).toHaveAccessibleDescription(/http:\/\/ or https:\/\//);
  await expect(dialog.getByLabel("Retries")).toHaveAccessibleDescription(/from 0 to 100/);
  await expect(dialog.getByLabel("Timeout")).toHaveAccessibleDescription(/whole number is expected/);
  await expect(dialog.getByLabel("Trigger Name")).toHaveValue("wel come");
  await expect(dialog.getByLabel("Webhook URL")).toHaveValue("ftp://example.com");
  await expect(dialog.getByLabel("Retries")).toHaveValue("101");
  await expect(dialog.getByLabel("Timeout")).toHaveValue("soon");

  await dialog.getByLabel("Trigger Name").fill("welcome-email");
  await dialog.getByLabel("Webhook URL").fill("http://127.0.0.1:9000/welcome");
  await dialog.getByLabel("Retries").fill("2");
  await dialog.getByLabel("Timeout").fill("2500");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toBeHidden();
  await expect(page).toHaveURL(triggersPage(project));
  const row = page.getByRole("row", { name: "welcome-email" });
  await expect(row.getByRole("cell")).toContainText([
    "welcome-email", "Custom", "sent-email", "http://127.0.0.1:9000/welcome", "2", "2500 ms", "Trigger",
  ]);

  // The name is taken now.
  await page.getByRole("link", { name: "Add", exact: true }).click();
  await dialog.getByLabel("Trigger Name").fill("welcome-email");
  await dialog.getByLabel("Type").fill("other");
  await dialog.getByLabel("Webhook URL").fill("http://127.0.0.1:9000/other");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog.getByLabel("Trigger Name")).toHaveAccessibleDescription(/There is a trigger welcome-email/);
  await expect(dialog.getByLabel("Type")).toHaveValue("other");
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();

  await row.getByRole("link", { name: "Edit welcome-email" }).click();
  const edit = page.getByRole("dialog", { name: "Edit welcome-email" });
  await expect(edit.getByLabel("Webhook URL")).toHaveValue("http://127.0.0.1:9000/welcome");
  await edit.getByLabel("Retries").fill("0");
  await edit.getByText("Advanced").click();
  await edit.getByLabel("Headers").fill("Authorization: Bearer secret");
  await edit.getByRole("button", { name: "Save" }).click();
  await expect(edit).toBeHidden();
  await expect(row.getByRole("cell").nth(4)).toHaveText("0");

  await row.getByRole("link", { name: "Delete welcome-email" }).click();
  const confirm = page.getByRole("dialog", { name: "Delete event trigger" });
  await confirm.getByRole("link", { name: "Cancel" }).click();
  await expect(row).toBeVisible();
  await row.getByRole("link", { name: "Delete welcome-email" }).click();
  await confirm.getByRole("button", { name: "Delete" }).click();
  await expect(page.getByText("No event triggers yet")).toBeVisible();
});

test("a paused trigger says so and is resumed", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:9000/");
  await page.goto(triggersPage(project));
  await page.getByRole("button", { name: "Pause one" }).click();
  await expect(page.getByRole("row", { name: "one" })).toContainText("paused");
  await page.getByRole("button", { name: "Resume one" }).click();
  await expect(page.getByRole("row", { name: "one" })).not.toContainText("paused");
});

test("projects are created and opened", async ({ page, project }) => {
  await page.goto("/");
  await expect(page).toHaveURL("/projects");
  await expect(page.getByText("Dev mode")).toBeVisible();
  await expect(page.getByRole("link", { name: "Default default" })).toBeVisible();
  await page.getByRole("link", { name: "Create project" }).click();
  const dialog = page.getByRole("dialog", { name: "Create project" });
  await dialog.getByLabel("Project name").fill(project);
  await dialog.getByRole("button", { name: "Create project" }).click();
  await expect(dialog.getByLabel("Project name")).toHaveAccessibleDescription(/There is a project/);
  await dialog.getByLabel("Project name").fill(`${project}-more`);
  await dialog.getByRole("button", { name: "Create project" }).click();
  await expect(page).toHaveURL(triggersPage(`${project}-more`));
  await expect(page.getByText("No event triggers yet")).toBeVisible();
});

test("an address that names no trigger says so", async ({ page, project }) => {
  await page.goto(`${triggersPage(project)}?edit=nobody`);
  await expect(page.getByRole("dialog", { name: "No such trigger" })).toBeVisible();
});

test("a mistake that is folded away is led to", async ({ page, project }) => {
  await page.goto(`${triggersPage(project)}?add`);
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Trigger Name").fill("one");
  await dialog.getByLabel("Type").fill("t");
  await dialog.getByLabel("Webhook URL").fill("http://127.0.0.1:1/");
  const concurrency = dialog.getByLabel("Concurrency");
  await dialog.getByText("Advanced").click();
  await concurrency.fill("0");
  await dialog.getByText("Advanced").click();
  await expect(concurrency).toBeHidden();
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(concurrency).toBeFocused();
  await expect(concurrency).toHaveAccessibleDescription(/from 1 to/);
});

test("a long name and a long type leave the rest of the table in reach", async ({ page, project, server }) => {
  await server.trigger(project, "n".repeat(128), "t".repeat(255), `http://127.0.0.1:1/${"u".repeat(500)}`);
  await server.trigger(project, "short", "t", "http://127.0.0.1:1/");
  await page.goto(triggersPage(project));
  const table = await page.getByRole("table").last().boundingBox();
  const last = await page.getByRole("link", { name: "Delete short" }).boundingBox();
  expect(last!.x + last!.width).toBeLessThanOrEqual(table!.x + table!.width);
  const frame = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  expect(frame[0]).toBeLessThanOrEqual(frame[1]);
  const name = await page.getByText("short", { exact: true }).boundingBox();
  expect(name!.height, "on one line").toBeLessThan(30);
});

test("a webhook that is down shows before a delivery has failed for good", async ({ page, project, server, webhook }) => {
  const receiver = await webhook(() => ({ status: 500 }));
  await server.trigger(project, "down", "t", receiver.url, { retries: 100 });
  await server.queue(project, { type: "t", data: {} });
  await expect.poll(() => receiver.events.length).toBeGreaterThan(1);
  await page.goto(triggersPage(project));
  await expect(page.getByRole("row", { name: "down" })).toContainText(/attempts? failed and (is|are) tried again/);
});

test("a form starts with what is set now, and keeps what is typed while the page is renewed", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:1/old");
  await page.goto(triggersPage(project));
  await expect(page.getByRole("button", { name: "Live", exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Live", exact: true }).click();
  await server.trigger(project, "one", "t", "http://127.0.0.1:1/new");
  await page.getByRole("link", { name: "Edit one" }).click();
  const dialog = page.getByRole("dialog", { name: "Edit one" });
  await expect(dialog.getByLabel("Webhook URL")).toHaveValue("http://127.0.0.1:1/new");
  await dialog.getByLabel("Retries").fill("7");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("row", { name: "one" })).toContainText("http://127.0.0.1:1/new");

  await page.getByRole("button", { name: "Held still" }).click();
  await expect(page.getByRole("button", { name: "Live", exact: true })).toBeVisible();
  await page.getByRole("link", { name: "Edit one" }).click();
  await dialog.getByLabel("Timeout").fill("1234");
  await server.trigger(project, "one", "t", "http://127.0.0.1:1/newer");
  await expect(page.locator("tr[data-trigger=one]")).toContainText("http://127.0.0.1:1/newer");
  await expect(dialog.getByLabel("Timeout")).toHaveValue("1234");
  await expect(dialog.getByLabel("Timeout")).toBeFocused();
});

test("how much waits for a paused trigger is renewed", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:1/", { enabled: false });
  await page.goto(triggersPage(project));
  const row = page.getByRole("row", { name: "one" });
  await expect(row).toContainText("paused");
  await page.getByRole("link", { name: "Edit one" }).focus();
  await server.queue(project, [{ type: "t" }, { type: "t" }, { type: "t" }]);
  await expect(row).toContainText("paused, 3 waiting");
  await expect(page.getByRole("link", { name: "Edit one" })).toBeFocused();
  // A row further up moves the others, not the focus.
  await server.trigger(project, "an-earlier-one", "t", "http://127.0.0.1:1/");
  await expect(page.getByRole("row", { name: "an-earlier-one" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Edit one", exact: true })).toBeFocused();
  await page.getByRole("link", { name: "Delete one" }).click();
  await expect(page.getByRole("dialog")).toContainText("3 deliveries that wait for it are cancelled.");
});
