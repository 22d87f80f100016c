import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A `mission-control serve` with an embedded PostgreSQL in a folder of its own. */
export class Server {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly url: string,
  ) {}

  static async start(): Promise<Server> {
    const binary = process.env.MC_BINARY;
    if (!binary) throw new Error("MC_BINARY names the mission-control to test; `cargo xtask test` sets it");
    const folder = mkdtempSync(join(tmpdir(), "mission-control-end2end-"));
    // PostgreSQL runs as another user where this is root.
    chmodSync(folder, 0o755);
    const child = spawn(
      binary,
      ["serve", "--listen", "127.0.0.1:0", "--data-dir", join(folder, "data"), "--backoff-first", "0.05", "--backoff-factor", "1"],
      { env: { ...process.env, DATABASE_URL: undefined, MC_LOG: "warn" }, stdio: ["ignore", "pipe", "inherit"] },
    );
    for await (const line of createInterface({ input: child.stdout! })) {
      const url = /http:\/\/\S+/.exec(line)?.[0];
      if (url) return new Server(child, folder, url);
    }
    throw new Error("the server ended before it said where it listens");
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGTERM");
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Registers a trigger over the admin API. */
  async trigger(project: string, name: string, type: string, url: string, more: object = {}): Promise<void> {
    await this.post(`/v1/config/projects/${project}/eventing/triggers/${name}`, { type, url, ...more });
  }

  /** Queues an event, or an array of them. */
  async queue(project: string, events: unknown): Promise<{ eventId: string }> {
    return (await this.post(`/v1/api/${project}/eventing/queue`, events)) as { eventId: string };
  }

  async post(path: string, body: unknown): Promise<unknown> {
    const answer = await fetch(this.url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  }
}
