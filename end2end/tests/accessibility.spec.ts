import AxeBuilder from "@axe-core/playwright";
import { expect, test, triggersPage } from "../support/fixtures.ts";

/** Every page and dialog of a project with a trigger `one`, by the address that shows it. */
const pages = (project: string) => [
  "/projects",
  "/projects?add",
  triggersPage(project),
  `${triggersPage(project)}?add`,
  `${triggersPage(project)}?edit=one`,
  `${triggersPage(project)}?delete=one`,
  `${triggersPage(project)}?trigger=one`,
  `/projects/${project}/settings`,
  `/projects/${project}/settings?delete`,
];

for (const colorScheme of ["light", "dark"] as const) {
  test(`every page is accessible in the ${colorScheme} theme`, async ({ page, project, server }) => {
    await page.emulateMedia({ colorScheme });
    await server.trigger(project, "one", "t", "http://127.0.0.1:9000/");
    for (const path of pages(project)) {
      await page.goto(path);
      await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();
      await expectNoViolations(page, path);
    }
    await page.goto(triggersPage(project));
    await page.getByRole("button", { name: "Keyboard shortcuts" }).click();
    await expectNoViolations(page, "keyboard shortcuts");
  });

  test(`what came of an event is accessible in the ${colorScheme} theme`, async ({ page, project, server, webhook }) => {
    await page.emulateMedia({ colorScheme });
    const receiver = await webhook(() => ({ status: 503, body: '{"error": {"code": 7, "why": "down"}}' }));
    await server.trigger(project, "one", "t", receiver.url, { retries: 2 });
    await page.goto(`${triggersPage(project)}?trigger=one`);
    await page.getByLabel("Event Data").fill('{"a": }');
    await expect(page.getByTestId("wrong-line")).toBeVisible();
    await expectNoViolations(page, "a mistake in the editor");
    await page.getByLabel("Event Data").fill("{}");
    await page.getByLabel("Trigger event synchronously").check();
    await page.getByRole("button", { name: "Trigger", exact: true }).click();
    await expect(page.getByTestId("delivery-error")).toBeVisible();
    await page.getByText("Body as it came").click();
    await page.getByText("Response headers").click();
    await expectNoViolations(page, "an outcome");
  });
}

async function expectNoViolations(page: import("@playwright/test").Page, where: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join("  ")}`);
  expect(found, `axe on ${where}`).toEqual([]);
}
