import { createInterface } from "node:readline/promises";

/** Asks one line of the person at the terminal; null when they leave with Ctrl-C or Ctrl-D. */
export async function question(prompt: string): Promise<string | null> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  const whenLeft = new Promise<null>((resolve) => {
    lines.once("SIGINT", () => resolve(null));
    lines.once("close", () => resolve(null));
  });
  try {
    const answer = await Promise.race([lines.question(prompt), whenLeft]);
    if (answer === null) process.stdout.write("\n");
    return answer;
  } finally {
    lines.close();
  }
}
