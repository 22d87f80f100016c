import { test as base, expect } from "@playwright/test";
import { Receiver, type Behaviour } from "./receiver.ts";
import { Server } from "./server.ts";

let counter = 0;

type TestFixtures = {
  /** A project of this test's own. */
  project: string;
  /** Starts a webhook that ends with the test. */
  webhook: (behave?: Behaviour) => Promise<Receiver>;
  /** What the browser may complain of, since the test makes it happen. */
  foreseen: RegExp | undefined;
  /** Fails the test where the browser complained: errors, warnings of the hydration, exceptions. */
  quietConsole: void;
};

export const test = base.extend<TestFixtures, { server: Server }>({
  server: [
    async ({}, use) => {
      const server = await Server.start();
      await use(server);
      await server.stop();
    },
    { scope: "worker" },
  ],
  baseURL: async ({ server }, use) => use(server.url),
  project: async ({ server }, use) => {
    const name = `project-${++counter}`;
    await server.post(`/v1/config/projects/${name}`, { name: `Project ${counter}` });
    await use(name);
  },
  webhook: async ({}, use) => {
    const started: Receiver[] = [];
    await use(async (behave) => {
      const receiver = await Receiver.start(behave);
      started.push(receiver);
      return receiver;
    });
    for (const receiver of started) await receiver.stop();
  },
  foreseen: [undefined, { option: true }],
  quietConsole: [
    async ({ page, foreseen }, use, info) => {
      const complaints: string[] = [];
      page.on("console", (message) => {
        if (!["error", "warning"].includes(message.type())) return;
        // Without JavaScript a refused form is a document with the status 4xx, and nobody runs the wasm.
        if (info.project.name === "no-javascript" && /status of 4|preloaded/.test(message.text())) return;
        if (foreseen?.test(message.text())) return;
        complaints.push(`${message.type()}: ${message.text()}`);
      });
      page.on("pageerror", (error) => complaints.push(`exception: ${error.message}`));
      await use();
      expect(complaints, "the browser complained").toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

/** Where a project's events are. */
export const eventsPage = (project: string) => `/projects/${project}/events`;

/** Where a project's triggers are. */
export const triggersPage = (project: string) => `/projects/${project}/event-triggers`;
