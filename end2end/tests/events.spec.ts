import { eventsPage, expect, test, triggersPage } from "../support/fixtures.ts";
import { screenshot } from "../support/screenshots.ts";

test("the log starts empty, and shows events as they come", async ({ page, project, server, webhook }) => {
  const receiver = await webhook();
  await server.trigger(project, "one", "sent-email", receiver.url);
  await page.goto(eventsPage(project));
  await expect(page.getByTestId("no-events")).toContainText("/v1/api/");
  await expect(page.getByRole("button", { name: "Live" })).toBeVisible();
  const { eventId } = await server.queue(project, { type: "sent-email", data: { to: "a@example.com" } });
  const row = page.getByRole("row", { name: eventId });
  await expect(row).toContainText("Delivered");
  await expect(row).toContainText("1 of 1");

  // Held still, it stays as it is.
  await page.getByRole("button", { name: "Live" }).click();
  const later = await server.queue(project, { type: "sent-email", data: {} });
  await expect.poll(() => receiver.events.length).toBe(2);
  await expect(page.getByRole("row", { name: later.eventId })).toBeHidden();
  await page.getByRole("button", { name: "Held still" }).click();
  await expect(page.getByRole("row", { name: later.eventId })).toBeVisible();
});

test("filters are in the address, and say when nothing matches", async ({ page, project, server, webhook }) => {
  const good = await webhook();
  const bad = await webhook(() => ({ status: 500, body: "no" }));
  await server.trigger(project, "good", "paid", good.url);
  await server.trigger(project, "bad", "refused", bad.url, { retries: 0 });
  const paid = await server.queue(project, { type: "paid", data: { order: { id: 7 } } });
  const refused = await server.queue(project, { type: "refused", data: { note: "left-handed" } });
  const alone = await server.queue(project, { type: "nobody", data: null });
  await page.goto(eventsPage(project));
  await expect(page.getByRole("row", { name: refused.eventId })).toContainText("Failed");

  const only = async (query: RegExp, id: string) => {
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await expect(page).toHaveURL(query);
    await expect(page.getByTestId("events").getByRole("row")).toHaveCount(2);
    await expect(page.getByRole("row", { name: id })).toBeVisible();
  };
  await page.getByLabel("Status").selectOption("Failed");
  await only(/\?status=failed$/, refused.eventId);
  await page.reload();
  await expect(page.getByLabel("Status")).toHaveValue("failed");
  await page.getByLabel("Status").selectOption("No trigger");
  await only(/\?status=no-trigger$/, alone.eventId);
  await page.getByRole("link", { name: "Clear" }).click();
  await expect(page.getByTestId("events").getByRole("row")).toHaveCount(4);
  await page.getByLabel("Trigger", { exact: true }).selectOption("good");
  await only(/\?trigger=good$/, paid.eventId);
  await page.getByRole("link", { name: "Clear" }).click();
  await page.getByLabel("Text in the data").fill("left-handed");
  await only(/\?text=left-handed$/, refused.eventId);
  await page.getByRole("link", { name: "Clear" }).click();
  await page.getByText("Time, event id, value in the data").click();
  await page.getByLabel("Path in the data").fill("order.id");
  await page.getByLabel("Value there").fill("7");
  await only(/path=order.id&value=7$/, paid.eventId);

  await page.getByLabel("Value there").fill("8");
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await expect(page.getByTestId("no-match")).toBeVisible();
  await page.getByLabel("Accepted from (UTC)").fill("yesterday");
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await expect(page.getByLabel("Accepted from (UTC)")).toHaveAccessibleDescription(/RFC 3339/);
  await expect(page.getByLabel("Accepted from (UTC)")).toHaveValue("yesterday");
});

test("what is being filled in stays while events come", async ({ page, project, server, webhook }) => {
  const receiver = await webhook(() => ({ status: 500, body: "no" }));
  await server.trigger(project, "one", "t", receiver.url, { retries: 0 });
  await page.goto(`${eventsPage(project)}?status=failed`);
  await expect(page.getByRole("button", { name: "Live", exact: true })).toBeVisible();
  await page.getByText("Time, event id, value in the data").click();
  await page.getByLabel("Status").selectOption("Delivered");
  await page.getByLabel("Trigger", { exact: true }).selectOption("one");
  await page.getByLabel("Path in the data").fill("order.id");
  const { eventId } = await server.queue(project, { type: "t", data: null });
  await expect(page.getByRole("row", { name: eventId })).toContainText("Failed");
  await expect(page.getByLabel("Status")).toHaveValue("delivered");
  await expect(page.getByLabel("Trigger", { exact: true })).toHaveValue("one");
  await expect(page.getByLabel("Path in the data")).toBeVisible();
  await expect(page.getByLabel("Path in the data")).toHaveValue("order.id");
  await expect(page.getByLabel("Path in the data")).toBeFocused();
});

test("a place in the log that is none says so", async ({ page, project }) => {
  await page.goto(`${eventsPage(project)}?cursor=nowhere`);
  await expect(page.getByRole("main").getByRole("alert")).toContainText("cursor");
  await page.getByRole("link", { name: "Newest" }).click();
  await expect(page.getByTestId("no-events")).toBeVisible();
});

test("older events are a page further, and live updates do not disturb it", async ({ page, project, server, webhook }) => {
  const receiver = await webhook();
  await server.trigger(project, "one", "t", receiver.url);
  const events = Array.from({ length: 35 }, (_, number) => ({ type: "t", data: number }));
  await server.queue(project, events);
  await page.goto(eventsPage(project));
  const rows = page.getByTestId("events").getByRole("row");
  await expect(rows).toHaveCount(26);
  await page.getByRole("link", { name: "Older" }).click();
  await expect(page).toHaveURL(/\?cursor=/);
  await expect(rows).toHaveCount(11);
  const first = await rows.nth(1).getByRole("link").textContent();
  await server.queue(project, { type: "t", data: "new" });
  await expect.poll(() => receiver.events.length).toBe(36);
  await page.reload();
  await expect(rows).toHaveCount(11);
  await expect(rows.nth(1).getByRole("link")).toHaveText(first!);
  await page.getByRole("link", { name: "Newest" }).click();
  await expect(rows).toHaveCount(26);
});

test("an event tells its whole story, and is delivered again", async ({ page, project, server, webhook }) => {
  let answer = 503;
  const receiver = await webhook(() => ({ status: answer, body: '{"state": "maintenance"}' }));
  await server.trigger(project, "shop", "paid", receiver.url, { retries: 2 });
  const { eventId } = await server.queue(project, { type: "paid", data: { order: 1.50 } });
  await page.goto(eventsPage(project));
  await expect(page.getByRole("row", { name: eventId })).toContainText("Failed");
  await page.getByRole("link", { name: eventId }).click();
  await expect(page.getByRole("heading", { name: "paid", level: 1 })).toBeVisible();
  const delivery = page.getByTestId("delivery");
  await expect(delivery).toContainText("failed");
  await expect(delivery.getByTestId("attempts").getByRole("listitem")).toHaveCount(3);
  await expect(delivery.getByTestId("delivery-error").last()).toContainText("503");
  await expect(delivery.getByTestId("response-body").last()).toContainText("maintenance");
  await expect(delivery).toContainText(receiver.url);
  await expect(delivery.getByTestId("course").last()).toHaveText(/first byte after [0-9.]+ ms · total [0-9.]+ ms$/);
  await expect(page.getByLabel("CloudEvent", { exact: true })).toContainText('"specversion": "1.0-rc1"');
  await screenshot(page, "event");

  answer = 200;
  await delivery.getByRole("button", { name: "Redeliver shop" }).click();
  await expect(delivery).toContainText("Redelivery 1");
  await expect(delivery.getByRole("heading", { name: /Redelivery 1/ })).toContainText("delivered");
  await expect.poll(() => receiver.events.length).toBe(4);
  expect(new Set(receiver.events.map((event) => event.id))).toEqual(new Set([eventId]));
});

test.describe("what is unfolded", () => {
  test.use({ foreseen: /status of 503/ });

  test("stays while the page is renewed, and while the server cannot be asked", async ({ page, project, server, webhook }) => {
    const receiver = await webhook(() => ({ status: 503, body: "no" }));
    await server.trigger(project, "shop", "paid", receiver.url, { retries: 1 });
    const { eventId } = await server.queue(project, { type: "paid", data: {} });
    await expect.poll(() => receiver.events.length).toBe(2);
    await page.goto(`${eventsPage(project)}/${eventId}`);
    await expect(page.getByRole("button", { name: "Live", exact: true })).toBeVisible();
    const first = page.getByTestId("attempts").getByRole("listitem").first();
    const error = first.getByTestId("delivery-error");
    await expect(page.getByTestId("delivery")).toContainText("Attempt 2");
    await expect(error).toBeHidden();
    await first.getByText("Attempt 1").click();
    await expect(error).toBeVisible();
    for (const reachable of [true, false]) {
      if (!reachable) await page.route("**/api/event*", (route) => route.fulfill({ status: 503, body: "{}" }));
      const asked = page.waitForResponse((response) => new URL(response.url()).pathname.startsWith("/api/event"));
      await server.trigger(project, "other", "other", receiver.url);
      await (await asked).finished();
      await page.evaluate(() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted))));
      await expect(error).toBeVisible();
    }
  });
});

test("the page of an event asks for it when it may have changed", async ({ page, project, server, webhook }) => {
  const receiver = await webhook();
  await server.trigger(project, "one", "t", receiver.url);
  const { eventId } = await server.queue(project, { type: "t", data: {} });
  await expect.poll(() => receiver.events.length).toBe(1);
  let asked = 0;
  page.on("request", (request) => (asked += Number(new URL(request.url()).pathname.startsWith("/api/event"))));
  for (const [told, asks] of [
    [{ ids: ["0198f0c4-0000-7000-8000-000000000000"], more: false }, 0],
    [{ ids: [eventId], more: false }, 1],
    [{ ids: [], more: true }, 1],
  ]) {
    await page.unroute("**/events/live*");
    await page.route("**/events/live*", (route) =>
      route.fulfill({ contentType: "text/event-stream", body: `retry: 600000\nevent: change\ndata: ${JSON.stringify(told)}\n\n` }),
    );
    asked = 0;
    await page.goto(`${eventsPage(project)}/${eventId}`);
    // The line is at its end, so the message has been there.
    await expect(page.getByRole("button", { name: "Connection lost" })).toBeVisible();
    expect(asked, JSON.stringify(told)).toBe(asks);
  }
});

test.describe("what is refused", () => {
  test.use({ foreseen: /status of 500/ });

  test("a second press of a button is not one of what the first has made of it", async ({ page, project, server, webhook }) => {
    const receiver = await webhook((number) => ({ status: number === 0 ? 500 : 200, delay: number === 0 ? 0 : 2000 }));
    await server.trigger(project, "shop", "paid", receiver.url, { retries: 0 });
    const { eventId } = await server.queue(project, { type: "paid", data: {} });
    await expect.poll(() => receiver.events.length).toBe(1);
    await page.goto(`${eventsPage(project)}/${eventId}`);
    await expect(page.getByRole("button", { name: "Live", exact: true })).toBeVisible();
    const again = page.getByRole("button", { name: "Redeliver shop" });
    await expect(again).toBeEnabled();
    const place = (await again.boundingBox())!;
    await page.mouse.dblclick(place.x + place.width / 2, place.y + place.height / 2, { delay: 50 });
    const said = page.getByRole("status").filter({ hasText: "1 delivery is queued again." });
    await expect(said).toBeVisible();
    // Its place is its own, and it keeps the focus there.
    await expect(again).toBeDisabled();
    await expect(again).toBeFocused();
    await expect(page.getByRole("button", { name: "Cancel shop" })).toBeEnabled();
    await page.getByRole("button", { name: "Cancel shop" }).click();
    await expect(page.getByRole("main").getByRole("alert")).toContainText("An attempt is in flight.");
    await expect(page.getByRole("heading", { name: /Redelivery 1/ })).toContainText("delivered");
    await expect(again).toBeEnabled();
    expect(receiver.events).toHaveLength(2);
  });
});

test("what was said of an event stays while it is renewed", async ({ page, project, server, webhook }) => {
  const receiver = await webhook(() => ({ delay: 2500 }));
  await server.trigger(project, "busy", "t", receiver.url);
  await server.trigger(project, "paused", "t", receiver.url, { enabled: false });
  const { eventId } = await server.queue(project, { type: "t", data: {} });
  await expect.poll(() => receiver.events.length).toBe(1);
  await page.goto(`${eventsPage(project)}/${eventId}`);
  await expect(page.getByRole("button", { name: "Live", exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  const said = page.getByRole("status").filter({ hasText: "1 delivery is cancelled. busy: An attempt is in flight." });
  await expect(said).toBeVisible();
  await expect(page.getByRole("article", { name: "Delivery to busy" })).toContainText("delivered");
  await expect(said).toBeVisible();
});

test("an event is edited and sent again as another one", async ({ page, project, server, webhook }) => {
  const receiver = await webhook();
  await server.trigger(project, "shop", "paid", receiver.url);
  const { eventId } = await server.queue(project, { type: "paid", data: { order: "first" } });
  await expect.poll(() => receiver.events.length).toBe(1);
  await server.queue(project, { type: "paid", data: { order: "second" } });
  await page.goto(`${eventsPage(project)}/${eventId}`);
  await page.getByRole("link", { name: "Edit and send" }).click();
  const dialog = page.getByRole("dialog", { name: "Trigger shop" });
  // Its own data, not the last of its type.
  await expect(dialog.getByLabel("Event Data")).toHaveValue('{\n  "order": "first"\n}');
  await dialog.getByLabel("Event Data").fill('{"order": "third"}');
  await dialog.getByRole("button", { name: "Trigger", exact: true }).click();
  await expect(dialog.getByRole("heading", { name: "Event queued" })).toBeVisible();
  await expect.poll(() => receiver.events.map((event) => (event.data as { order: string }).order)).toEqual(["first", "second", "third"]);
  expect(receiver.events[2].id).not.toBe(eventId);

  await page.goto(`${triggersPage(project)}?trigger=shop&from=00000000-0000-7000-8000-000000000000`);
  await expect(dialog).toContainText("There is no event");
  await expect(dialog.getByLabel("Event Data")).toHaveValue("{}");
});

test("a scheduled event says when it is due, and is cancelled", async ({ page, project, server }) => {
  await server.trigger(project, "one", "t", "http://127.0.0.1:1/");
  const { eventId } = await server.queue(project, { type: "t", data: {}, delay: 3600 });
  await page.goto(`${eventsPage(project)}/${eventId}`);
  await expect(page.getByTestId("wait")).toContainText(/in (59 min|1 h)/);
  await page.getByRole("button", { name: "Cancel one" }).click();
  await expect(page.getByTestId("delivery")).toContainText("cancelled");
});

test("failed events are redelivered in bulk", async ({ page, project, server, webhook }) => {
  let answer = 500;
  const receiver = await webhook(() => ({ status: answer }));
  await server.trigger(project, "one", "t", receiver.url, { retries: 0 });
  await server.queue(project, Array.from({ length: 5 }, (_, number) => ({ type: "t", data: number })));
  await page.goto(`${eventsPage(project)}?status=failed`);
  await expect(page.getByTestId("events").getByRole("row")).toHaveCount(6);
  answer = 200;
  await page.getByRole("link", { name: "Redeliver…" }).click();
  const dialog = page.getByRole("dialog", { name: "Redeliver events" });
  await expect(dialog.getByTestId("bulk-count")).toContainText("5 events match");
  await dialog.getByLabel("At most, events a second").fill("many");
  await dialog.getByRole("button", { name: "Redeliver" }).click();
  await expect(dialog.getByLabel("At most, events a second")).toHaveAccessibleDescription(/1 to 100000 events a second/);
  await dialog.getByLabel("At most, events a second").fill("100");
  await dialog.getByRole("button", { name: "Redeliver" }).click();
  await expect(page).toHaveURL(/\/events\/jobs$/);
  await expect(page.getByTestId("jobs")).toContainText("finished");
  await expect(page.getByTestId("jobs")).toContainText("5 of 5 events");
  await expect.poll(() => receiver.events.length).toBe(10);
});

test("a bulk job that can do nothing is not on offer", async ({ page, project }) => {
  for (const [query, why] of [
    ["status=pending&bulk=redeliver", "What is pending cannot be redelivered"],
    ["status=delivered&bulk=cancel", "What has ended cannot be cancelled"],
    ["status=no-trigger&bulk=cancel", "What has ended cannot be cancelled"],
  ]) {
    await page.goto(`${eventsPage(project)}?${query}`);
    const dialog = page.getByRole("dialog");
    await expect(dialog.getByTestId("bulk-count")).toContainText(why);
    await expect(dialog.getByRole("link", { name: "Close", exact: true }).last()).toBeVisible();
    await expect(dialog.getByRole("button")).toHaveCount(0);
  }
});

test.describe("a job that has ended", () => {
  test.use({ foreseen: /status of 500/ });

  test("meanwhile says so when it is stopped", async ({ page, project, server }) => {
    await server.trigger(project, "one", "t", "http://127.0.0.1:1/", { enabled: false });
    await server.queue(project, [{ type: "t" }, { type: "t" }, { type: "t" }]);
    await server.post(`/v1/api/${project}/eventing/jobs`, { action: "cancel", filter: {}, rate: 1 });
    await page.goto(`${eventsPage(project)}/jobs`);
    await page.getByRole("button", { name: "Live", exact: true }).click();
    const ended = async () => JSON.stringify(await (await page.request.get(`/v1/api/${project}/eventing/jobs`)).json());
    await expect.poll(ended).toContain('"finished"');
    await page.getByRole("button", { name: "Stop" }).click();
    await expect(page.getByRole("main").getByRole("alert")).toHaveText("The job has finished already.");
    await expect(page.getByTestId("jobs")).toContainText("finished");
  });
});

test("a filter means what was typed, escapes and all", async ({ page, project, server, webhook }) => {
  const receiver = await webhook();
  await server.trigger(project, "one", "t", receiver.url);
  const escaped = await server.queue(project, { type: "t", data: { to: "https%3A%2F%2Fshop" } });
  const plain = await server.queue(project, { type: "t", data: { to: "https://shop" } });
  await page.goto(eventsPage(project));
  await expect(page.getByRole("row", { name: plain.eventId })).toBeVisible();
  await page.getByLabel("Text in the data").fill("https%3A%2F%2Fshop");
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  for (const again of [false, true]) {
    if (again) await page.reload();
    await expect(page.getByRole("row", { name: plain.eventId })).toBeHidden();
    await expect(page.getByRole("row", { name: escaped.eventId })).toBeVisible();
    await expect(page.getByLabel("Text in the data")).toHaveValue("https%3A%2F%2Fshop");
  }
  await page.getByRole("link", { name: "Redeliver…" }).click();
  await expect(page.getByTestId("bulk-count")).toContainText("1 event matches");
});

test("the focus stays on its event while others come", async ({ page, project, server, webhook }) => {
  const receiver = await webhook();
  await server.trigger(project, "one", "t", receiver.url);
  const first = await server.queue(project, { type: "t", data: 0 });
  await page.goto(eventsPage(project));
  await expect(page.getByRole("row", { name: first.eventId })).toContainText("Delivered");
  await page.getByRole("link", { name: first.eventId }).focus();
  await server.queue(project, [{ type: "t", data: 1 }, { type: "t", data: 2 }]);
  await expect(page.getByTestId("events").getByRole("row")).toHaveCount(4);
  await expect(page.getByRole("link", { name: first.eventId })).toBeFocused();
});

test("a page that nobody sees has no line to the server, and is renewed when it is seen", async ({ page, project, server, webhook }) => {
  const receiver = await webhook();
  await server.trigger(project, "one", "t", receiver.url);
  const lines = { begun: 0, over: 0 };
  const isLine = (url: string) => url.includes("/events/live");
  page.on("request", (request) => (lines.begun += Number(isLine(request.url()))));
  page.on("requestfailed", (request) => (lines.over += Number(isLine(request.url()))));
  page.on("requestfinished", (request) => (lines.over += Number(isLine(request.url()))));
  await page.goto(eventsPage(project));
  await expect(page.getByRole("button", { name: "Live", exact: true })).toBeVisible();
  const see = (hidden: boolean) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    }, hidden);
  await see(true);
  await expect.poll(() => lines).toEqual({ begun: 1, over: 1 });
  const { eventId } = await server.queue(project, { type: "t", data: {} });
  await expect.poll(() => receiver.events.length).toBe(1);
  await page.waitForTimeout(1500);
  await expect(page.getByRole("row", { name: eventId })).toBeHidden();
  await see(false);
  await expect(page.getByRole("row", { name: eventId })).toContainText("Delivered");
  expect(lines.begun).toBe(2);
});

test("an address that names no event says so", async ({ page, project }) => {
  const answer = await page.request.get(`${eventsPage(project)}/0190a0b0-0000-7000-8000-000000000000`);
  expect(answer.status()).toBe(404);
  expect(await answer.text()).toContain("There is no event");
});

test("triggers show their health, are found, and have figures over time", async ({ page, project, server, webhook }) => {
  const receiver = await webhook((number) => ({ status: number % 4 === 3 ? 500 : 200 }));
  await server.trigger(project, "healthy", "t", receiver.url, { retries: 0 });
  await server.trigger(project, "idle", "other", "http://127.0.0.1:1/");
  await server.queue(project, Array.from({ length: 12 }, (_, number) => ({ type: "t", data: number })));
  await page.goto(triggersPage(project));
  const row = page.getByRole("row", { name: "healthy" });
  await expect(row.getByRole("img", { name: "9 of the last 12 deliveries succeeded" })).toBeVisible();
  await expect(row).toContainText("75.0 %");
  await expect(page.getByRole("row", { name: "idle" })).toContainText("no deliveries yet");
  await expect(page.getByTestId("plot")).toHaveCount(2);
  await page.getByTestId("plot").first().getByText("As a table").click();
  // Over all minutes: they may have come at the end of one.
  const delivered = page.getByTestId("plot").first().locator("tbody tr td:nth-of-type(1)");
  await expect.poll(async () => (await delivered.allTextContents()).reduce((sum, text) => sum + Number(text.replace("–", "0")), 0)).toBe(9);
  await page.getByRole("link", { name: "24h" }).click();
  await expect(page).toHaveURL(/\?range=24h$/);
  await expect(page.getByRole("link", { name: "24h" })).toHaveAttribute("aria-current", "true");
  await screenshot(page, "overview");
  await page.getByLabel("Search triggers").fill("IDL");
  await page.getByLabel("Search triggers").press("Enter");
  await expect(page).toHaveURL(/q=IDL/);
  await expect(page.getByRole("row", { name: "healthy" })).toBeHidden();
  await expect(page.getByRole("row", { name: "idle" })).toBeVisible();

  // The search and the range stay while dialogs open and close.
  await expect(page).toHaveURL(/range=24h/);
  await page.getByRole("link", { name: "Edit idle" }).click();
  await page.getByRole("dialog", { name: "Edit idle" }).getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect(page).toHaveURL(/event-triggers\?(q=IDL&range=24h|range=24h&q=IDL)$/);
  await page.getByRole("link", { name: "7d" }).click();
  await expect(page.getByRole("link", { name: "7d" })).toHaveAttribute("aria-current", "true");
  await expect(page.getByRole("row", { name: "healthy" })).toBeHidden();
  await page.getByLabel("Search triggers").fill("nowhere");
  await page.getByLabel("Search triggers").press("Enter");
  await page.getByRole("link", { name: "Show all" }).click();
  await expect(page).toHaveURL(/event-triggers\?range=7d$/);
  await expect(page.getByLabel("Search triggers")).toHaveValue("");
  await expect(page.getByRole("row", { name: "healthy" })).toBeVisible();
});

test.describe("a server that is away", () => {
  test.use({ foreseen: /status of 502/ });

  test("is told, and the page comes back with it", async ({ page, project, server }) => {
    await server.queue(project, { type: "first", data: {} });
    await page.goto(eventsPage(project));
    const live = page.getByRole("button", { name: "Live", exact: true });
    await expect(live).toBeVisible();
    const away = ["**/api/*", "**/events/live*"];
    // As a proxy without its server answers.
    for (const path of away) await page.route(path, (route) => route.fulfill({ status: 502, body: "" }));
    await live.click();
    await page.getByRole("button", { name: "Held still" }).click();
    await expect(page.getByRole("button", { name: "Connection lost" })).toBeVisible();
    await expect(page.getByTestId("events")).toContainText("first");
    await page.getByLabel("Status").selectOption("no-trigger");
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await expect(page.getByRole("heading", { name: "This page cannot be shown" })).toBeVisible();
    await expect(page.getByRole("link", { name: "Try again" })).toBeVisible();
    for (const path of away) await page.unroute(path);
    await expect(page.getByTestId("events")).toContainText("first", { timeout: 15_000 });
    await expect(live).toBeVisible();
    await expect(page).toHaveURL(/status=no-trigger/);
  });
});

test("a bulk job says which deliveries it means", async ({ page, project }) => {
  for (const [filter, meant] of [["", "Every ended delivery"], ["status=failed&", "Every failed delivery"]]) {
    await page.goto(`${eventsPage(project)}?${filter}bulk=redeliver`);
    await expect(page.getByTestId("bulk-count")).toContainText(meant);
  }
});

test("an event of a long type fits its page", async ({ page, project, server }) => {
  const { eventId } = await server.queue(project, { type: "t".repeat(255), data: {} });
  for (const path of [eventsPage(project), `${eventsPage(project)}/${eventId}`]) {
    await page.goto(path);
    const [wanted, there] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    expect(wanted, path).toBeLessThanOrEqual(there);
  }
});
