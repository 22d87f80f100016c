import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";

/** What a webhook answers to the request of the given number, from 0. */
export type Behaviour = (number: number) => { status?: number; body?: string; headers?: Record<string, string>; delay?: number };

/** A webhook that answers as told and keeps what it got. */
export class Receiver {
  readonly events: { type: string; data: unknown; id: string }[] = [];

  private constructor(
    private readonly server: HttpServer,
    readonly url: string,
  ) {}

  static async start(behave: Behaviour = () => ({})): Promise<Receiver> {
    let receiver: Receiver;
    const server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8");
      request.on("data", (chunk: string) => (body += chunk));
      request.on("end", () => {
        const answer = behave(receiver.events.length);
        receiver.events.push(JSON.parse(body));
        setTimeout(() => {
          response.writeHead(answer.status ?? 200, { "content-type": "application/json", ...answer.headers });
          response.end(answer.body ?? "");
        }, answer.delay ?? 0);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    receiver = new Receiver(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`);
    return receiver;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
