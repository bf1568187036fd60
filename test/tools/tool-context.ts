import { hashText } from "../../src/core/hash.ts";
import type { ToolContext } from "../../src/core/tool-contract.ts";

/** What a tool is given, for tests that call its code directly. */
export function toolContext(over: Partial<ToolContext> = {}): ToolContext {
  const kept = new Map<string, Uint8Array>();
  return {
    putArtifact: (bytes) => {
      const name = hashText(Buffer.from(bytes).toString("base64"));
      kept.set(name, bytes);
      return Promise.resolve(name);
    },
    readArtifact: (name) => Promise.resolve(kept.get(name) ?? null),
    tenant: "default",
    principal: "tester",
    runId: "run-1",
    callId: "call-1",
    attempt: 1,
    idempotencyKey: "key-1",
    fence: 1,
    signal: new AbortController().signal,
    deadlineMs: 60_000,
    traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01`,
    secret: (name) => Promise.reject(new Error(`no secret "${name}" here`)),
    may: () => true,
    isTainted: false,
    ...over,
  };
}
