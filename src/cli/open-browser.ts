import { spawn } from "node:child_process";
import { isTerminal } from "./terminal.ts";

/** Opens an address in the person's browser, where there is a person and a screen. Whether it worked is nobody's concern. */
export function openBrowser(url: string): void {
  if (!isTerminal() || process.env["CI"] !== undefined) return;
  const [command, ...args] = opener(url);
  if (command === undefined) return;
  const child = spawn(command, args, { stdio: "ignore", detached: true });
  child.on("error", () => undefined);
  child.unref();
}

function opener(url: string): readonly string[] {
  if (process.platform === "darwin") return ["open", url];
  if (process.platform === "win32") return ["cmd", "/c", "start", "", url];
  const hasScreen = process.env["DISPLAY"] !== undefined || process.env["WAYLAND_DISPLAY"] !== undefined;
  return hasScreen ? ["xdg-open", url] : [];
}
