import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "@playwright/test";
import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";

import { chromium } from "../chromium.ts";
import { Receiver } from "../support/receiver.ts";
import { Server } from "../support/server.ts";

/** Lighthouse's figures vary with the machine: the median of so many runs counts. */
const RUNS = 5;
const CATEGORIES = ["performance", "accessibility", "best-practices"] as const;
/** The least score of each category, of 100. */
const BARS = {
  desktop: { performance: 95, accessibility: 100, "best-practices": 95 },
  mobile: { performance: 90, accessibility: 100, "best-practices": 95 },
};

/** Until the page begins to arrive, in milliseconds. */
const FIRST_BYTE = 20;
/** WebAssembly that a page loads, in kB as it is transferred: the main module, and the file of those that the page needs. */
const WASM = 250;

type Form = keyof typeof BARS;
type Row = {
  page: string;
  form: Form;
  scores: Record<string, number>;
  firstByte: number;
  wasm: number;
  paint: number;
  blocked: number;
  shift: number;
};

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
  const requests = runs[0].audits["network-requests"].details as { items: { url: string; transferSize: number }[] };
  const wasm = requests.items.filter(({ url }) => /\.(wasm|bin)$/.test(url));
  for (const audit of Object.values(runs[0].audits)) {
    const counts = audit.score !== null && audit.score < 0.9 && audit.scoreDisplayMode !== "informative";
    if (counts) console.log(`${page}, ${form}: ${audit.title} (${audit.displayValue ?? audit.score})`);
  }
  return {
    page,
    form,
    scores: Object.fromEntries(CATEGORIES.map((name) => [name, score(name)])),
    firstByte: value("server-response-time"),
    wasm: wasm.reduce((sum, { transferSize }) => sum + transferSize, 0) / 1000,
    paint: value("largest-contentful-paint"),
    blocked: value("total-blocking-time"),
    shift: value("cumulative-layout-shift"),
  };
}

/** What a row misses. */
function missed({ page, form, scores, firstByte, wasm }: Row): string[] {
  const low = CATEGORIES.filter((name) => scores[name] < BARS[form][name]).map((name) => `${name} ${scores[name]}`);
  if (firstByte > FIRST_BYTE) low.push(`first byte ${firstByte} ms`);
  if (wasm > WASM) low.push(`wasm ${wasm} kB`);
  return low.map((what) => `${page}, ${form}: ${what}`);
}

function document(rows: Row[]): string {
  const cell = (text: string | number, holds: boolean) => `${text}${holds ? "" : " **missed**"}`;
  const line = ({ page, form, scores, firstByte, wasm, paint, blocked, shift }: Row) => {
    const cells = CATEGORIES.map((name) => cell(scores[name], scores[name] >= BARS[form][name]));
    cells.push(cell(`${Math.round(firstByte)} ms`, firstByte <= FIRST_BYTE), cell(`${Math.round(wasm)} kB`, wasm <= WASM));
    return `| ${page} | ${form} | ${cells.join(" | ")} | ${Math.round(paint)} ms | ${Math.round(blocked)} ms | ${shift.toFixed(3)} |`;
  };
  const bars = Object.entries(BARS).map(([form, bar]) => {
    const cells = CATEGORIES.map((name) => `≥ ${bar[name]}`);
    return `| bar | ${form} | ${cells.join(" | ")} | ≤ ${FIRST_BYTE} ms | ≤ ${WASM} kB | | | |`;
  });
  return `# Lighthouse

Scores of the release build's pages, each the median of ${RUNS} runs of \`cargo xtask lighthouse\` with Lighthouse's own presets: desktop, and
the mobile one, which slows network and processor down. First byte is the server's answer as the browser saw it, wasm what
the page loads of it as it is transferred, paint the largest contentful paint, blocked the total blocking time, shift the
cumulative layout shift.

| page | preset | performance | accessibility | best practices | first byte | wasm | paint | blocked | shift |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|
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
  expect(rows.flatMap(missed)).toEqual([]);
});
