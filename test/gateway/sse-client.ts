import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";

/** One frame of a stream, as it came. */
export interface SeenFrame {
  readonly id: string | null;
  readonly event: string;
  readonly data: unknown;
}

/** A raw reader of a stream: it shows what is on the wire, and can stop reading. */
export class SseClient {
  readonly frames: SeenFrame[] = [];
  readonly response: IncomingMessage;
  readonly #bell = new EventTarget();
  comments = 0;
  isClosed = false;
  #rest = "";

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding("utf8");
    response.on("data", (text: string) => this.#take(text));
    response.on("close", () => {
      this.isClosed = true;
      this.#bell.dispatchEvent(new Event("news"));
    });
    response.on("error", () => undefined);
  }

  static open(url: string, key: string, headers: { readonly [name: string]: string } = {}): Promise<SseClient> {
    return new Promise((resolve, reject) => {
      const asked = request(url, {
        agent: false,
        headers: { accept: "text/event-stream", authorization: `Bearer ${key}`, ...headers },
      });
      asked.on("error", reject);
      asked.on("response", (response) => resolve(new SseClient(response)));
      asked.end();
    });
  }

  get seqs(): readonly number[] {
    return this.frames.flatMap(({ id }) => (id === null || id.endsWith("-end") ? [] : [Number(id)]));
  }

  /** Resolves once `isSo`, or when the stream has closed. */
  async until(isSo: (client: SseClient) => boolean): Promise<this> {
    while (!isSo(this) && !this.isClosed) {
      await once(this.#bell, "news");
    }
    return this;
  }

  closed(): Promise<this> {
    return this.until(() => false);
  }

  leave(): void {
    this.response.destroy();
  }

  #take(text: string): void {
    this.#rest += text;
    for (let cut = this.#rest.indexOf("\n\n"); cut >= 0; cut = this.#rest.indexOf("\n\n")) {
      this.#frame(this.#rest.slice(0, cut).split("\n"));
      this.#rest = this.#rest.slice(cut + 2);
    }
    this.#bell.dispatchEvent(new Event("news"));
  }

  #frame(lines: readonly string[]): void {
    const field = (name: string): string | null =>
      lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null;
    if (lines.every((line) => line.startsWith(":"))) this.comments++;
    const data = field("data");
    if (data === null) return;
    this.frames.push({ id: field("id"), event: field("event") ?? "message", data: JSON.parse(data) as unknown });
  }
}
