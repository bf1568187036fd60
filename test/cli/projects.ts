import { Folder } from "./terminal.ts";

const head = `
import { appendFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { agent, durable, pawl, tool } from "pawl";
import { sqlite } from "pawl/sqlite";
import { scriptedModel } from "pawl/testing";
import { z } from "zod";
const log = (line) => appendFileSync("world.log", line + "\\n");
`;

/** A folder with a configuration that exports these agents over `pawl.db`. */
export function project(body: string, options = "agents"): Folder {
  const folder = new Folder().link();
  folder.write("pawl.config.ts", `${head}${body}\nexport default pawl({ store: sqlite("pawl.db"), ${options} });\n`);
  return folder;
}

/** Three steps of some tenths of a second, each of which leaves a line in world.log. */
export const slowSteps = `
const slow = durable({
  name: "slow",
  run: async (ctx) => {
    for (const i of [1, 2, 3]) {
      await ctx.step("step " + i, { effect: "idempotent" }, async () => {
        log(String(i));
        await wait(400);
        return i;
      });
    }
    return "all three";
  },
});
const agents = [slow];
`;
