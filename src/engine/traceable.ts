import { PawlError } from "../core/errors.ts";
import { checkId } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import { codeHere, type CodeSpan } from "./code-scope.ts";

/** An app, as far as code outside of its runs needs it. */
export interface TracingApp {
  traced<T>(span: CodeSpan, args: readonly unknown[], code: () => T, tenant: string): Promise<Awaited<T>>;
}

export interface TraceableOptions {
  /** How a trace names it: 1 to 120 characters. */
  readonly name: string;
  readonly tags?: readonly string[];
  /** Record arguments and result; default true. Each is cut to its beginning above 64 KiB of JSON. */
  readonly content?: boolean;
  /** Where a call outside of every run is recorded; default the app that was opened last in this process. */
  readonly app?: TracingApp;
  /**
   * Of such a call; default `default`, as everywhere in the library, and never taken from what was last called here. A
   * server with several tenants gives each its own traceable, or calls inside runs: there the run's tenant counts.
   */
  readonly tenant?: string;
}

const NAME_CHARS = 120;

/**
 * Makes a function whose calls are seen in traces. Called in a tool's `execute`, in a step or in a durable function, a call
 * is a span of that run, below the one around it. Called outside of every run, it is a light run of `pawl.trace@1` with a
 * journal of its own; where there is no open app, it is not traced. The function behaves as without: same result, same
 * errors; but it always answers with a promise.
 */
export function traceable<A extends readonly unknown[], R>(
  options: TraceableOptions,
  fn: (...args: A) => R,
): (...args: A) => Promise<Awaited<R>> {
  const { name, tags = [], content = true, tenant = "default" } = options;
  if (name === "" || name.length > NAME_CHARS)
    throw new PawlError("OPTION_INVALID", `a traceable is named by 1 to ${NAME_CHARS} characters, not ${name.length}.`);
  if (tags.length > limits.tags || tags.some((tag) => tag.length > limits.tagChars))
    throw new PawlError(
      "OPTION_INVALID",
      `"${name}" has more than ${limits.tags} tags of ${limits.tagChars} characters.`,
    );
  checkId("tenant", tenant);
  const span = { name, tags, content };
  return async (...args): Promise<Awaited<R>> => {
    const code = (): R => fn(...args);
    const here = codeHere();
    if (here !== null) return here.scope.traced(span, args, here.parentSpanId, code);
    const app = options.app ?? openApps.at(-1);
    return app === undefined ? await code() : app.traced(span, args, code, tenant);
  };
}

/** Apps of this process that are open, the last opened last. */
const openApps: TracingApp[] = [];

export function appOpened(app: TracingApp): void {
  appClosed(app);
  openApps.push(app);
}

export function appClosed(app: TracingApp): void {
  const at = openApps.indexOf(app);
  if (at >= 0) openApps.splice(at, 1);
}
