import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";
import { skipBecause } from "../run/system-packages.ts";

/** Path of a Chromium in PATH; null where there is none. */
export function chromiumPath(): string | null {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const name of ["chromium", "chromium-browser", "google-chrome"])
    for (const folder of folders) if (existsSync(join(folder, name))) return join(folder, name);
  return null;
}

/** For the `skip` option of a test. */
export const skipWithoutChromium: false | string = skipBecause(
  chromiumPath() === null ? "needs chromium, which is not installed" : false,
);

export interface Look {
  readonly width?: number;
  readonly scheme?: "light" | "dark";
}

/** A page with everything that it asked for, and everything that it complained about. */
export interface WatchedPage {
  readonly page: Page;
  readonly requests: string[];
  /** Errors of scripts, of the console, of the content security policy. */
  readonly complaints: string[];
}

/** One browser for the tests of a file; each page has cookies and storage of its own. */
export class Chromium {
  #browser: Browser | null = null;

  async open(url: string, { width = 1280, scheme = "light" }: Look = {}): Promise<WatchedPage> {
    this.#browser ??= await chromium.launch({ executablePath: chromiumPath() ?? "", args: ["--no-sandbox"] });
    const context = await this.#browser.newContext({
      viewport: { width, height: width < 500 ? 844 : 800 },
      colorScheme: scheme,
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const watched: WatchedPage = { page, requests: [], complaints: [] };
    page.on("request", (request) => watched.requests.push(request.url()));
    page.on("pageerror", (error) => watched.complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") watched.complaints.push(message.text());
    });
    await page.goto(url);
    return watched;
  }

  async close(): Promise<void> {
    await this.#browser?.close();
  }
}
