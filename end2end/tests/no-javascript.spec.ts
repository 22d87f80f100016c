import { expect, test, triggersPage } from "../support/fixtures.ts";

test("without JavaScript a trigger is created, refused, edited, paused and deleted", async ({ page, project }) => {
  await page.goto(triggersPage(project));
  await page.getByRole("link", { name: "Add", exact: true }).click();
  await page.getByLabel("Trigger Name").fill("one");
  await page.getByLabel("Type").fill("t");
  await page.getByLabel("Webhook URL").fill("nope");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByLabel("Webhook URL")).toHaveAccessibleDescription(/http:\/\/ or https:\/\//);
  await expect(page.getByLabel("Webhook URL")).toHaveValue("nope");
  await expect(page.getByLabel("Trigger Name")).toHaveValue("one");
  await page.getByLabel("Webhook URL").fill("http://127.0.0.1:9000/hook");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page).toHaveURL(triggersPage(project));
  const row = page.getByRole("row", { name: "one" });
  await expect(row).toContainText("http://127.0.0.1:9000/hook");

  await row.getByRole("link", { name: "Edit one" }).click();
  await page.getByLabel("Retries").fill("7");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(row.getByRole("cell").nth(4)).toHaveText("7");
  await row.getByRole("button", { name: "Pause one" }).click();
  await expect(row).toContainText("paused");
  await row.getByRole("button", { name: "Resume one" }).click();
  await expect(row).not.toContainText("paused");
  await row.getByRole("link", { name: "Delete one" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await expect(page.getByText("No event triggers yet")).toBeVisible();
});

test("without JavaScript the synchronous response is shown in the page", async ({ page, project, server, webhook }) => {
  const receiver = await webhook(() => ({ body: '{"response": "hello"}' }));
  await server.trigger(project, "one", "t", receiver.url);
  await page.goto(triggersPage(project));
  await page.getByRole("link", { name: "Trigger one" }).click();
  await page.getByLabel("Event Data").fill('{"a": nope}');
  await page.getByLabel("Trigger event synchronously").check();
  await page.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(page.getByLabel("Event Data")).toHaveAccessibleDescription(/Malformed JSON at line 1, column 8/);
  await expect(page.getByLabel("Event Data")).toHaveValue('{"a": nope}');
  await expect(page.getByLabel("Trigger event synchronously")).toBeChecked();
  expect(receiver.events).toEqual([]);

  await page.getByLabel("Event Data").fill('{"a": 1}');
  await page.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Webhook response" })).toBeVisible();
  await expect(page.getByTestId("http-status")).toHaveText("HTTP 200");
  await expect(page.getByTestId("response-body")).toContainText('"response": "hello"');
  expect(receiver.events[0].data).toEqual({ a: 1 });
  await page.reload();
  await expect(page.getByTestId("http-status")).toHaveText("HTTP 200");
  expect(receiver.events).toHaveLength(1);
});

test("without JavaScript an event is queued and a project created", async ({ page, project, server, webhook }) => {
  const receiver = await webhook();
  await server.trigger(project, "one", "t", receiver.url);
  await page.goto(`${triggersPage(project)}?trigger=one`);
  await page.getByLabel("Event Data").fill("");
  await page.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Event queued" })).toBeVisible();
  await expect.poll(() => receiver.events.length).toBe(1);
  expect(receiver.events[0].data).toBeNull();
  await expect(page.getByTestId("event-id")).toHaveText(receiver.events[0].id);

  await page.goto("/projects?add");
  await page.getByLabel("Project name").fill(`${project}-more`);
  await page.getByRole("button", { name: "Create project" }).click();
  await expect(page).toHaveURL(triggersPage(`${project}-more`));
});

test("without JavaScript a theme is chosen, and an event is scheduled", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:9000/");
  await page.goto(`${triggersPage(project)}?trigger=one`);
  await page.getByLabel("When").selectOption("At a time");
  await page.getByLabel("Date and time").fill("2098-01-02T03:04:05");
  await page.getByLabel("Trigger event synchronously").check();
  await page.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(page.getByLabel("Date and time")).toHaveAccessibleDescription(/must be due within the 10 s/);
  await expect(page.getByLabel("Date and time")).toHaveValue("2098-01-02T03:04:05");
  await page.getByLabel("Trigger event synchronously").uncheck();
  await page.getByRole("button", { name: "Trigger", exact: true }).click();
  // Beside how far off it is stands exactly when.
  const due = page.getByTitle("2098-01-02 03:04:05 UTC").last();
  await expect(due).toContainText(/in \d+ days/);
  expect(await due.evaluate((element) => getComputedStyle(element, "::after").content)).toContain("2098-01-02 03:04:05 UTC");

  await page.goto(triggersPage(project));
  await page.getByRole("button", { name: "Dark theme" }).click();
  await expect(page).toHaveURL(triggersPage(project));
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
});

test("without JavaScript a project is renamed and deleted", async ({ page, project }) => {
  await page.goto(`/projects/${project}/settings`);
  await page.getByLabel("Title").fill("The Shop");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByLabel("Title")).toHaveValue("The Shop");
  await page.getByLabel("Retries").fill("101");
  await page.getByLabel("Longest wait").fill("9000");
  await page.getByRole("button", { name: "Save defaults" }).click();
  await expect(page.getByLabel("Retries")).toHaveAccessibleDescription(/from 0 to 100/);
  await expect(page.getByLabel("Longest wait")).toHaveValue("9000");
  await page.getByLabel("Retries").fill("9");
  await page.getByRole("button", { name: "Save defaults" }).click();
  await page.goto(`${triggersPage(project)}?add`);
  await expect(page.getByLabel("Retries")).toHaveValue("9");
  await expect(page.getByLabel("Longest wait")).toHaveValue("9000");
  await page.goto(`/projects/${project}/settings`);
  await page.getByRole("link", { name: "Delete project" }).click();
  await page.getByLabel("Project name").fill("no");
  await page.getByRole("button", { name: "Delete project" }).click();
  await expect(page.getByLabel("Project name")).toHaveAccessibleDescription(new RegExp(`Type ${project}`));
  await page.getByLabel("Project name").fill(project);
  await page.getByRole("button", { name: "Delete project" }).click();
  await expect(page).toHaveURL("/projects");
  await expect(page.getByText("The Shop")).toHaveCount(0);
});
