import { expect, test, triggersPage } from "../support/fixtures.ts";

test("a project is walked through by its tabs", async ({ page, project }) => {
  await page.goto(triggersPage(project));
  const tabs = page.getByRole("navigation", { name: "Sections of the project" });
  await expect(tabs.getByRole("link")).toHaveText(["Event Triggers", "Events", "Settings"]);
  await expect(tabs.getByRole("link", { name: "Event Triggers" })).toHaveAttribute("aria-current", "page");
  await tabs.getByRole("link", { name: "Settings" }).click();
  await expect(page).toHaveURL(`/projects/${project}/settings`);
  await expect(tabs.getByRole("link", { name: "Settings" })).toHaveAttribute("aria-current", "page");
  await expect(tabs.getByRole("link", { name: "Event Triggers" })).not.toHaveAttribute("aria-current");
  await page.goto("/projects");
  await expect(tabs).toBeHidden();
});

test("the theme is chosen, kept and given back to the system", async ({ page, project }) => {
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto(triggersPage(project));
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole("button", { name: "Dark theme" }).click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  expect(await ground()).not.toBe(light);
  await expect(page.getByRole("button", { name: "Dark theme" })).toHaveAttribute("aria-pressed", "true");

  // The server renders it from the cookie, so that nothing flashes.
  const html = await (await page.request.get(triggersPage(project))).text();
  expect(html).toContain('data-theme="dark"');
  await page.reload();
  expect(await ground()).not.toBe(light);
  await page.getByRole("button", { name: "System theme" }).click();
  await expect(page.locator("html")).not.toHaveAttribute("data-theme");
  expect(await ground()).toBe(light);
});

test("keys lead through a project", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:9000/");
  await page.goto(triggersPage(project));
  await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();

  const list = page.getByRole("dialog", { name: "Keyboard shortcuts" });
  await page.getByRole("link", { name: "Edit one" }).focus();
  await page.keyboard.press("?");
  await expect(list).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(list).toBeHidden();
  await expect(page.getByRole("link", { name: "Edit one" })).toBeFocused();

  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await expect(page).toHaveURL(`/projects/${project}/settings`);
  // In a field they are letters.
  await page.getByLabel("Title").fill("");
  await page.getByLabel("Title").press("g");
  await page.getByLabel("Title").press("t");
  await expect(page.getByLabel("Title")).toHaveValue("gt");
  await expect(page).toHaveURL(`/projects/${project}/settings`);
  await page.getByLabel("Title").blur();
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await expect(page).toHaveURL(triggersPage(project));

  // The address changes first, and the page comes when it is there.
  await expect(page.getByRole("link", { name: "Add" })).toBeVisible();
  await page.keyboard.press("a");
  await expect(page.getByRole("dialog", { name: "Add event trigger" })).toBeVisible();
  await page.getByLabel("Retries").focus();
  await page.getByLabel("Retries").blur();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
});

test("closing a dialog gives the focus back, and what was done is said", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:9000/");
  await server.trigger(project, "two", "t", "http://127.0.0.1:9000/");
  await page.goto(triggersPage(project));
  await page.getByRole("link", { name: "Edit one" }).press("Enter");
  await expect(page.getByRole("dialog", { name: "Edit one" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect(page.getByRole("link", { name: "Edit one" })).toBeFocused();

  await page.getByRole("link", { name: "Edit one" }).click();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("status")).toHaveText("Trigger saved");
  await expect(page.getByRole("link", { name: "Edit one" })).toBeFocused();
  await page.getByRole("button", { name: "Pause one" }).press("Enter");
  await expect(page.getByRole("button", { name: "Resume one" })).toBeFocused();

  // Messages stand together while they last.
  await expect(page.getByRole("status")).toHaveText("");
  await page.getByRole("link", { name: "Delete one" }).press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).press("Enter");
  await expect(page.getByRole("status")).toHaveText("Trigger deleted");
  await expect(page.getByRole("link", { name: "Trigger two" })).toBeFocused();
});
