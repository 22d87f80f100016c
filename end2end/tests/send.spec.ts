import { expect, test, triggersPage } from "../support/fixtures.ts";
import { screenshot } from "../support/screenshots.ts";

test("an event is triggered asynchronously", async ({ page, project, server, webhook }) => {
  const receiver = await webhook(() => ({ body: '{"ok": true}' }));
  await server.trigger(project, "one", "sent-email", receiver.url);
  await page.goto(triggersPage(project));
  await page.getByRole("link", { name: "Trigger one" }).click();
  const dialog = page.getByRole("dialog", { name: "Trigger one" });
  await expect(dialog.getByLabel("Trigger event synchronously")).not.toBeChecked();

  // Malformed JSON is shown where it breaks, and nothing is sent.
  const data = dialog.getByLabel("Event Data");
  await data.fill('{\n  "to": nobody\n}');
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(data).toHaveAccessibleDescription(/Malformed JSON at line 2, column 10/);
  await expect(data).toHaveValue('{\n  "to": nobody\n}');
  expect(receiver.events).toEqual([]);

  await data.fill('{"to": "a@example.com"}');
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(dialog.getByRole("heading", { name: "Event queued" })).toBeVisible();
  await expect(data).not.toHaveAccessibleDescription(/Malformed/);
  const id = await dialog.getByTestId("event-id").textContent();
  await expect.poll(() => receiver.events.length).toBe(1);
  expect(receiver.events[0]).toMatchObject({ id, type: "sent-email", data: { to: "a@example.com" } });
  await expect(dialog.getByTestId("delivery")).toContainText("delivered");

  // Another one, from the same form.
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect.poll(() => receiver.events.length).toBe(2);
  await expect(dialog.getByTestId("event-id")).toHaveText(receiver.events[1].id);

  // The next time the form starts with what was sent last.
  await dialog.getByRole("link", { name: "Close", exact: true }).first().click();
  await page.getByRole("link", { name: "Trigger one" }).click();
  await expect(data).toHaveValue('{\n  "to": "a@example.com"\n}');
});

test("a synchronous response is shown in the page, and a reload keeps it", async ({ page, project, server, webhook }) => {
  const answer = '{"response": {"messageId": "msg_2Kd81", "accepted": ["user1@email.com"], "cost": 0.000400}}';
  const receiver = await webhook(() => ({ status: 201, body: answer, headers: { "x-request-id": "r-1" } }));
  await server.trigger(project, "welcome-email", "sent-email", receiver.url);
  await server.trigger(project, "crm-sync", "customer-updated", "https://crm.example.com/hooks/customers", { retries: 5 });
  await server.trigger(project, "stock-alert", "order-paid", "https://stock.example.com/events", { timeout: 2000 });
  await page.goto(triggersPage(project));
  await page.getByRole("link", { name: "Trigger welcome-email" }).click();
  const dialog = page.getByRole("dialog", { name: "Trigger welcome-email" });
  await dialog.getByLabel("Event Data").fill('{\n  "to": "user1@email.com",\n  "subject": "Some Subject"\n}');
  await dialog.getByLabel("Trigger event synchronously").check();
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();

  const shown = async () => {
    await expect(dialog.getByRole("heading", { name: "Webhook response" })).toBeVisible();
    await expect(dialog.getByTestId("http-status")).toHaveText("HTTP 201");
    await expect(dialog.getByTestId("duration")).toHaveText(/^[0-9.]+ ms$/);
    await expect(dialog.getByTestId("course")).toHaveText(/^(connect [0-9.]+ ms|connection reused) · first byte after [0-9.]+ ms · total [0-9.]+ ms$/);
    // As the webhook wrote it: the zeros of the number too.
    await expect(dialog.getByTestId("response-body")).toContainText('"cost": 0.000400');
    await expect(dialog.getByTestId("response-body")).toContainText('"messageId": "msg_2Kd81"');
    await dialog.getByText("Response headers").click();
    await expect(dialog.getByText("x-request-id")).toBeVisible();
    await dialog.getByText("Response headers").click();
  };
  await shown();
  expect(receiver.events).toHaveLength(1);
  await dialog.getByTestId("response-body").scrollIntoViewIfNeeded();
  await screenshot(page, "synchronous-response");
  await page.reload();
  await shown();
  await expect(dialog.getByLabel("Trigger event synchronously")).toBeChecked();
  expect(receiver.events, "a reload sends nothing").toHaveLength(1);
});

test("a synchronous failure is told in plain words with its attempts", async ({ page, project, server, webhook }) => {
  const receiver = await webhook(() => ({ status: 503, body: "down for maintenance" }));
  await server.trigger(project, "one", "t", receiver.url, { retries: 2 });
  await page.goto(`${triggersPage(project)}?trigger=one`);
  const dialog = page.getByRole("dialog", { name: "Trigger one" });
  await dialog.getByLabel("Trigger event synchronously").check();
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(dialog.getByTestId("delivery")).toContainText("failed");
  await expect(dialog.getByTestId("delivery")).toContainText("3 attempts");
  await expect(dialog.getByTestId("delivery-error")).toHaveText(
    "The webhook answered 503 three times; the last answer was “down for maintenance”.",
  );
  await expect(dialog.getByTestId("response-body")).toHaveText("down for maintenance");
  await expect(dialog.getByTestId("attempts").getByRole("listitem")).toHaveCount(3);
  expect(receiver.events).toHaveLength(3);
  await screenshot(page, "synchronous-failure");
});

test("a failure that is tried again says when", async ({ page, project, server, webhook }) => {
  const receiver = await webhook(() => ({ status: 503, body: "down for maintenance" }));
  await server.trigger(project, "one", "t", receiver.url, { retries: 2, backoffFirst: 90_000 });
  await page.goto(`${triggersPage(project)}?trigger=one`);
  const dialog = page.getByRole("dialog", { name: "Trigger one" });
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  const delivery = dialog.getByTestId("delivery");
  await expect(delivery).toContainText("retrying");
  await expect(delivery.getByTestId("wait")).toHaveText(/^retry 1 of 2 in (1 min|\d+ s)$/);
  await expect(delivery.getByTestId("delivery-error")).toContainText("503");
  await screenshot(page, "retrying");
});

test("a webhook that nobody listens on is named", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:1/", { retries: 0 });
  await page.goto(`${triggersPage(project)}?trigger=one`);
  const dialog = page.getByRole("dialog", { name: "Trigger one" });
  await dialog.getByLabel("Trigger event synchronously").check();
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(dialog.getByTestId("delivery-error")).toContainText("127.0.0.1:1 was refused");
});

test("an event under way is followed to its end", async ({ page, project, server, webhook }) => {
  const receiver = await webhook((number) => ({ delay: number === 0 ? 1500 : 0, body: '"late"' }));
  await server.trigger(project, "one", "t", receiver.url);
  await page.goto(`${triggersPage(project)}?trigger=one`);
  const dialog = page.getByRole("dialog", { name: "Trigger one" });
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(dialog.getByTestId("delivery")).toContainText("pending");
  await expect(dialog.getByTestId("delivery")).toContainText("delivered");
  await expect(dialog.getByTestId("response-body")).toHaveText('"late"');
});

test("the state of the page is in its address", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:9000/");
  for (const [query, title] of [["add", "Add event trigger"], ["edit=one", "Edit one"], ["delete=one", "Delete event trigger"], ["trigger=one", "Trigger one"]]) {
    await page.goto(`${triggersPage(project)}?${query}`);
    await expect(page.getByRole("dialog", { name: title })).toBeVisible();
    await page.reload();
    await expect(page.getByRole("dialog", { name: title })).toBeVisible();
  }
  // Back and forward open and close dialogs.
  await page.goto(triggersPage(project));
  await page.getByRole("link", { name: "Trigger one" }).click();
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.goBack();
  await expect(page.getByRole("dialog")).toBeHidden();
  await page.goForward();
  await expect(page.getByRole("dialog", { name: "Trigger one" })).toBeVisible();
});

test("an event is scheduled, and its command is shown", async ({ page, project, server, webhook }) => {
  const receiver = await webhook();
  await server.trigger(project, "one", "t", receiver.url);
  await page.goto(`${triggersPage(project)}?trigger=one`);
  const dialog = page.getByRole("dialog", { name: "Trigger one" });
  await expect(dialog.getByLabel("Delay")).toBeHidden();
  await dialog.getByLabel("When").selectOption("After a delay");
  await dialog.getByLabel("Delay").fill("soon");
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(dialog.getByLabel("Delay")).toHaveAccessibleDescription(/number of seconds is expected/);

  // A caller cannot wait that long.
  await dialog.getByLabel("Delay").fill("3600");
  await dialog.getByLabel("Trigger event synchronously").check();
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(dialog.getByLabel("Delay")).toHaveAccessibleDescription(/must be due within the 10 s/);
  await dialog.getByLabel("Trigger event synchronously").uncheck();
  await dialog.getByLabel("Event Data").fill('{"it\'s": 1.0}');
  await dialog.getByText("Copy as curl").click();
  await expect(dialog.getByLabel("Command that queues this event")).toContainText(
    `-d '{"type": "t", "data": {"it'\\''s": 1.0}, "delay": 3600}'`,
  );

  // Control and Enter send from anywhere in the form.
  await dialog.getByLabel("Event Data").press("Control+Enter");
  await expect(dialog.getByRole("heading", { name: "Event queued" })).toBeVisible();
  await expect(dialog.getByText(/^due in (59 min|1 h)$/)).toBeVisible();
  expect(receiver.events).toEqual([]);
  const first = await dialog.getByTestId("event-id").textContent();
  await dialog.getByLabel("When").selectOption("At once");
  await dialog.getByRole("button", { name: "Send again" }).click();
  await expect(dialog.getByTestId("event-id")).not.toHaveText(first!);
  await expect.poll(() => receiver.events.length).toBe(1);
  expect(receiver.events[0].data).toEqual({ "it's": 1 });
});

test.describe("in another time zone", () => {
  test.use({ timezoneId: "Asia/Tokyo" });

  test("a time is the reader's own, and shown in UTC", async ({ page, project, server }) => {
    await server.trigger(project, "one", "t", "http://127.0.0.1:9000/");
    await page.goto(`${triggersPage(project)}?trigger=one`);
    const dialog = page.getByRole("dialog", { name: "Trigger one" });
    await dialog.getByLabel("When").selectOption("At a time");
    await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
    await expect(dialog.getByLabel("Date and time")).toHaveAccessibleDescription(/date and a time are needed/);
    await dialog.getByLabel("Date and time").fill("2098-01-02T03:04:05");
    await expect(dialog.getByTestId("in-utc")).toContainText("2098-01-01 18:04:05 UTC, in");
    await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
    await expect(dialog.getByRole("heading", { name: "Event queued" })).toBeVisible();
    await expect(dialog.getByTitle("2098-01-01 18:04:05 UTC").last()).toBeVisible();
  });
});

test.describe("where a clock is put forward", () => {
  test.use({ timezoneId: "Europe/Berlin" });

  test("a time that it leaves out is sent as it is shown", async ({ page, project, server }) => {
    await server.trigger(project, "one", "t", "http://127.0.0.1:9000/");
    await page.goto(`${triggersPage(project)}?trigger=one`);
    const dialog = page.getByRole("dialog", { name: "Trigger one" });
    await dialog.getByLabel("When").selectOption("At a time");
    // Clocks go from 2:00 to 3:00 that night.
    await dialog.getByLabel("Date and time").fill("2035-03-25T02:30:00");
    await expect(dialog.getByTestId("in-utc")).toContainText("2035-03-25 01:30:00 UTC, in");
    await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
    await expect(dialog.getByTestId("outcome").getByTitle("2035-03-25 01:30:00 UTC").first()).toBeVisible();
    // What ticks there is not read out.
    await expect(dialog.getByTestId("outcome").locator("time").first()).toHaveAttribute("aria-live", "off");
  });
});

test("the result of a synchronous event and the body's tree", async ({ page, project, server, webhook }) => {
  const receiver = await webhook(() => ({ body: '{"response": {"ok": [1, 2]}, "other": {"deep": {"deeper": true}}}' }));
  await server.trigger(project, "one", "t", receiver.url);
  await page.goto(`${triggersPage(project)}?trigger=one`);
  const dialog = page.getByRole("dialog", { name: "Trigger one" });
  await dialog.getByLabel("Trigger event synchronously").check();
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(dialog.getByTestId("result")).toContainText('"ok": [');
  await expect(dialog.getByTestId("result")).not.toContainText("response");
  const body = dialog.getByTestId("response-body");
  await expect(body.getByText('"deeper"')).toBeHidden();
  await body.getByText('"deep"').click();
  await expect(body.getByText('"deeper"')).toBeVisible();
  await dialog.getByText("Body as it came").click();
  await expect(dialog.getByLabel("Response body as it came")).toHaveText(
    '{"response": {"ok": [1, 2]}, "other": {"deep": {"deeper": true}}}',
  );
});
