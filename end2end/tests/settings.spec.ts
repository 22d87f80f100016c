import { expect, test, triggersPage } from "../support/fixtures.ts";

test("a project is given another title and is deleted with its name typed", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:9000/");
  await server.post(`/v1/api/${project}/eventing/queue`, { type: "t", delay: 3600 });
  await page.goto(`/projects/${project}/settings`);
  await expect(page.getByRole("row", { name: "--retention" })).toContainText("30 days");
  // The form needs the browser's part, which is there when the list of keys is.
  await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();
  await page.getByLabel("Title").fill("x".repeat(129));
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByLabel("Title")).toHaveAccessibleDescription(/up to 128/);
  await page.getByLabel("Title").fill("The Shop");
  await page.getByRole("button", { name: "Save" }).click();
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
