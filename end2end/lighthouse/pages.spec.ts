import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "@playwright/test";
import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";

import { chromium } from "../chromium.ts";
import { Receiver } from "../support/receiver.ts";
import { Server } from "../support/server.ts";

/** Lighthouse's figures vary with the machine: the median of so many runs counts. */
const RUNS = 3;
const CATEGORIES = ["performance", "accessibility", "best-practices"] as const;
/** The least score of each category, of 100. */
const BARS = {
  desktop: { performance: 95, accessibility: 100, "best-practices": 95 },
  mobile: { performance: 90, accessibility: 100, "best-practices": 95 },
};

type Form = keyof typeof BARS;
type Row = { page: string; form: Form; scores: Record<string, number>; paint: number; blocked: number; shift: number };

const middle = (values: number[]): number => values.sort((one, other) => one - other)[values.length >> 1];

/** Pages with something on them: triggers that deliver and one that fails, and a log of several pages. */
async function pages(server: Server, answers: Receiver, fails: Receiver): Promise<Record<string, string>> {
  const project = "shop";
  await server.post(`/v1/config/projects/${project}`, { name: "The shop" });
  for (const type of ["order-paid", "order-sent", "sent-email"]) await server.trigger(project, type, type, answers.url);
  await server.trigger(project, "crm-sync", "customer-updated", fails.url, { retries: 1 });
  const types = ["order-paid", "order-sent", "sent-email", "customer-updated"];
  const events = Array.from({ length: 200 }, (_, n) => ({ type: types[n % types.length], data: { number: n } }));
  await server.queue(project, events);
  const { eventId } = await server.queue(project, { type: "customer-updated", data: { customer: 7 } });
  await expect.poll(() => fails.events.length, { timeout: 30_000 }).toBe(2 * 51);
  await expect.poll(() => answers.events.length, { timeout: 30_000 }).toBe(150);
  const path = `${server.url}/projects/${project}`;
  return {
    Projects: `${server.url}/projects`,
    "Event Triggers": `${path}/event-triggers`,
    Events: `${path}/events`,
    "An event": `${path}/events/${eventId}`,
    Settings: `${path}/settings`,
  };
}

async function audit(page: string, url: string, form: Form): Promise<Row> {
  const runs = [];
  for (let run = 0; run < RUNS; run++) {
    // A browser of its own, so that nothing is in its cache.
    const chrome = await launch({ chromePath: chromium.executablePath, chromeFlags: ["--headless=new", ...chromium.args] });
    try {
      const flags = { port: chrome.port, logLevel: "error", onlyCategories: [...CATEGORIES] } as const;
      const result = await lighthouse(url, flags, form === "desktop" ? desktopConfig : undefined);
      if (!result) throw new Error(`Lighthouse gave no result for ${url}`);
      runs.push(result.lhr);
    } finally {
      chrome.kill();
    }
  }
  const score = (name: string) => middle(runs.map((run) => Math.round(100 * (run.categories[name].score ?? 0))));
  const value = (name: string) => middle(runs.map((run) => run.audits[name].numericValue ?? Number.NaN));
  for (const audit of Object.values(runs[0].audits)) {
    const counts = audit.score !== null && audit.score < 0.9 && audit.scoreDisplayMode !== "informative";
    if (counts) console.log(`${page}, ${form}: ${audit.title} (${audit.displayValue ?? audit.score})`);
  }
  return {
    page,
    form,
    scores: Object.fromEntries(CATEGORIES.map((name) => [name, score(name)])),
    paint: value("largest-contentful-paint"),
    blocked: value("total-blocking-time"),
    shift: value("cumulative-layout-shift"),
  };
}

function document(rows: Row[]): string {
  const line = ({ page, form, scores, paint, blocked, shift }: Row) => {
    const cells = CATEGORIES.map((name) => `${scores[name]}${scores[name] < BARS[form][name] ? " **missed**" : ""}`);
    return `| ${page} | ${form} | ${cells.join(" | ")} | ${Math.round(paint)} ms | ${Math.round(blocked)} ms | ${shift.toFixed(3)} |`;
  };
  const bars = Object.entries(BARS).map(([form, bar]) => `| bar | ${form} | ${CATEGORIES.map((name) => `≥ ${bar[name]}`).join(" | ")} | | | |`);
  return `# Lighthouse

Scores of the release build's pages, each the median of ${RUNS} runs of \`cargo xtask lighthouse\` with Lighthouse's own presets: desktop, and
the mobile one, which slows network and processor down. Paint is the largest contentful paint, blocked the total blocking
time, shift the cumulative layout shift.

| page | preset | performance | accessibility | best practices | paint | blocked | shift |
|---|---|---:|---:|---:|---:|---:|---:|
${[...rows.map(line), ...bars].join("\n")}
`;
}

test("the pages are fast and accessible", async () => {
  const server = await Server.start();
  const answers = await Receiver.start();
  const fails = await Receiver.start(() => ({ status: 503, body: "down for maintenance" }));
  const rows: Row[] = [];
  try {
    for (const [page, url] of Object.entries(await pages(server, answers, fails))) {
      for (const form of ["desktop", "mobile"] as const) rows.push(await audit(page, url, form));
    }
  } finally {
    await Promise.all([server.stop(), answers.stop(), fails.stop()]);
  }
  const written = document(rows);
  console.log(written);
  if (process.env.MC_DOCS) writeFileSync(join(process.env.MC_DOCS, "lighthouse.md"), written);
  const missed = rows.flatMap(({ page, form, scores }) =>
    CATEGORIES.filter((name) => scores[name] < BARS[form][name]).map((name) => `${page}, ${form}: ${name} ${scores[name]}`),
  );
  expect(missed).toEqual([]);
});
