import { expect, test, triggersPage } from "../support/fixtures.ts";

test("new triggers start with what their project has for them", async ({ page, project }) => {
  await page.goto(`/projects/${project}/settings`);
  await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();
  await page.getByLabel("Retries").fill("many");
  await page.getByLabel("Timeout").fill("2500");
  await page.getByRole("button", { name: "Save defaults" }).click();
  await expect(page.getByLabel("Retries")).toHaveAccessibleDescription(/whole number/);
  await page.getByLabel("Retries").fill("8");
  await page.getByLabel("First wait").fill("150");
  await page.getByRole("button", { name: "Save defaults" }).click();
  await expect(page.getByRole("status")).toHaveText("Defaults saved");

  await page.goto(`${triggersPage(project)}?add`);
  const dialog = page.getByRole("dialog", { name: "Add event trigger" });
  await expect(dialog.getByLabel("Retries")).toHaveValue("8");
  await expect(dialog.getByLabel("Timeout")).toHaveValue("2500");
  await expect(dialog.getByLabel("First wait")).toHaveValue("150");
});

test("a project is given another title and is deleted with its name typed", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:9000/");
  await server.post(`/v1/api/${project}/eventing/queue`, { type: "t", delay: 3600 });
  await page.goto(`/projects/${project}/settings`);
  await expect(page.getByRole("row", { name: "--retention" })).toContainText("30 days");
  // The form needs the browser's part, which is there when the list of keys is.
  await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();
  await page.getByLabel("Title").fill("x".repeat(129));
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByLabel("Title")).toHaveAccessibleDescription(/up to 128/);
  await page.getByLabel("Title").fill("The Shop");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByRole("status")).toHaveText("Title saved");

  await page.getByRole("link", { name: "Delete project" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete project" });
  await expect(dialog.getByTestId("waiting")).toHaveText("One delivery that waits in its queue is cancelled.");
  await dialog.getByLabel("Project name").fill("the shop");
  await dialog.getByRole("button", { name: "Delete project" }).click();
  await expect(dialog.getByLabel("Project name")).toHaveAccessibleDescription(new RegExp(`Type ${project}`));
  await dialog.getByLabel("Project name").fill(project);
  await dialog.getByRole("button", { name: "Delete project" }).click();
  await expect(page).toHaveURL("/projects");
  await expect(page.getByRole("link", { name: project, exact: false }).filter({ hasText: "The Shop" })).toHaveCount(0);
  const gone = await page.request.get(triggersPage(project));
  expect(gone.status()).toBe(404);
});
