import type { Locator, Page } from "@playwright/test";
import { expect, test, triggersPage } from "../support/fixtures.ts";

/** Presses Tab until the element has the focus, as somebody without a mouse would. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  await expect(target).toBeVisible();
  for (let presses = 0; presses < 80; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not lead to ${target}`);
}

/** Tabs to a field and types. */
async function type(page: Page, field: Locator, text: string): Promise<void> {
  await tabTo(page, field);
  await page.keyboard.type(text);
}

test("the skip link leads to the content", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:9/");
  await page.goto(triggersPage(project));
  await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
  await page.keyboard.press("Tab");
  const inside = () => page.evaluate(() => document.activeElement?.closest("main") !== null && document.activeElement?.tagName !== "MAIN");
  expect(await inside()).toBe(true);
});

test("a trigger is created, tested and mended by keys alone", async ({ page, project, webhook }) => {
  let status = 200;
  const receiver = await webhook(() => ({ status, body: '{"done": true}' }));
  await page.goto(triggersPage(project));
  await expect(page.getByRole("button", { name: "Keyboard shortcuts" })).toBeVisible();

  await page.keyboard.press("a");
  const form = page.getByRole("dialog", { name: "Add event trigger" });
  await expect(form.getByLabel("Trigger Name")).toBeFocused();
  await page.keyboard.type("shop");
  await type(page, form.getByLabel("Type", { exact: true }), "order-paid");
  await type(page, form.getByLabel("Webhook URL"), receiver.url);
  await tabTo(page, form.getByLabel("Retries"));
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type("0");
  await page.keyboard.press("Enter");
  await expect(form).toBeHidden();

  // A synchronous event, and its response.
  await tabTo(page, page.getByRole("link", { name: "Trigger shop" }));
  await page.keyboard.press("Enter");
  const send = page.getByRole("dialog", { name: "Trigger shop" });
  await expect(send).toBeVisible();
  await tabTo(page, send.getByLabel("Event Data"));
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type("7");
  // In the editor Tab indents; Escape gives it back.
  await page.keyboard.press("Escape");
  await tabTo(page, send.getByLabel("Trigger event synchronously"));
  await page.keyboard.press("Space");
  await tabTo(page, send.getByRole("button", { name: "Trigger", exact: true }));
  await page.keyboard.press("Enter");
  await expect(send.getByTestId("http-status")).toHaveText("HTTP 200");
  await expect(send.getByTestId("response-body")).toContainText('"done": true');
  expect(receiver.events).toMatchObject([{ type: "order-paid", data: 7 }]);

  // One that fails is found in the log and delivered again.
  status = 500;
  await tabTo(page, send.getByRole("button", { name: /^(Trigger|Send again)$/ }).first());
  await page.keyboard.press("Enter");
  await expect.poll(() => receiver.events.length).toBe(2);
  status = 200;
  await tabTo(page, send.getByRole("link", { name: "Close", exact: true }).first());
  await page.keyboard.press("Enter");
  await expect(send).toBeHidden();
  await page.keyboard.press("g");
  await page.keyboard.press("e");
  const failed = page.getByRole("row", { name: receiver.events[1].id });
  await expect(failed).toContainText("Failed");
  await tabTo(page, failed.getByRole("link").first());
  await page.keyboard.press("Enter");
  await tabTo(page, page.getByRole("button", { name: "Redeliver shop" }));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: /Redelivery 1/ })).toContainText("delivered");
  expect(receiver.events[2]).toMatchObject({ id: receiver.events[1].id, data: 7 });
});
