import type { ToolLine } from "../api/types.ts";

interface Standing {
  readonly tone: "ok" | "wait" | "bad" | "none";
  readonly text: string;
  readonly about: string;
}

/** How a tool stands, in a word and a sentence. */
export function standingOf({ state, reason, missing, health }: ToolLine): Standing {
  if (state === "quarantined") return { tone: "bad", text: "Quarantined", about: reason ?? "No call of it starts." };
  if (health.isResting)
    return { tone: "wait", text: "Resting", about: "It failed too often and is not called for now." };
  if (missing.length > 0)
    return { tone: "wait", text: "Not granted", about: `Nobody was granted ${missing.join(", ")}.` };
  if (state === "changed")
    return { tone: "wait", text: "Changed", about: "It is not as it was first seen. Nobody has to look; you may." };
  if (state === "new") return { tone: "none", text: "New", about: "No run has been given it yet." };
  return { tone: "ok", text: "Accepted", about: "Runs may call it." };
}
