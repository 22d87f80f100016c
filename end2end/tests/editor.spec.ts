import { expect, test, triggersPage } from "../support/fixtures.ts";

test.beforeEach(async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:9000/");
  await page.goto(`${triggersPage(project)}?trigger=one`);
  await expect(page.getByRole("button", { name: "Format" })).toBeVisible();
});

test("a mistake shows while one types, at its line", async ({ page }) => {
  const data = page.getByLabel("Event Data");
  await data.fill('{\n  "a": 1,\n  "b": x\n}');
  await expect(page.getByTestId("wrong-line")).toHaveText("3");
  await expect(data).toHaveAccessibleDescription(/Malformed JSON at line 3, column 8/);
  await expect(page.getByRole("button", { name: "Format" })).toBeDisabled();
  await data.fill('{\n  "a": 1,\n  "b": 2\n}');
  await expect(page.getByTestId("wrong-line")).toBeHidden();
  await expect(data).not.toHaveAttribute("aria-invalid");
  // As high as its text, within limits.
  const height = async () => (await data.boundingBox())!.height;
  const low = await height();
  await data.fill("[\n" + "1,\n".repeat(11) + "1\n]");
  expect(await height()).toBeGreaterThan(low);
  const tall = await data.fill("[\n" + "1,\n".repeat(100) + "1\n]").then(height);
  expect(tall).toBeLessThan(500);
});

test("formatting can be undone", async ({ page }) => {
  const data = page.getByLabel("Event Data");
  await data.fill('{"a":1.0,"b":[true]}');
  await page.getByRole("button", { name: "Format" }).click();
  await expect(data).toHaveValue('{\n  "a": 1.0,\n  "b": [\n    true\n  ]\n}');
  await expect(data).toBeFocused();
  await page.keyboard.press("Control+z");
  await expect(data).toHaveValue('{"a":1.0,"b":[true]}');
});

test("the partner of a bracket stands out", async ({ page }) => {
  const data = page.getByLabel("Event Data");
  await data.fill('{"a": [1, "]"]}');
  await data.press("End");
  await expect(page.locator(".editor-marks mark")).toHaveText(["{", "}"]);
  await data.press("ArrowLeft");
  await expect(page.locator(".editor-marks mark")).toHaveText(["[", "]"]);
  await data.blur();
  await expect(page.locator(".editor-marks mark")).toHaveCount(0);
});

test("Tab indents only while one types, and Escape gives it back", async ({ page }) => {
  const data = page.getByLabel("Event Data");
  // Who walks through the form is not caught.
  await data.focus();
  await page.keyboard.press("Tab");
  await expect(data).not.toBeFocused();

  await data.fill("");
  await data.pressSequentially("[");
  await expect(data).toHaveAccessibleDescription(/Escape, then Tab, leaves/);
  await page.keyboard.press("Tab");
  await expect(data).toHaveValue("[  ");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(data).not.toBeFocused();
  await expect(data).toHaveValue("[  ");
});
