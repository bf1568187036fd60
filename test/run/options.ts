import { parseArgs, type ParseArgsConfig } from "node:util";

/**
 * The options of a repository command. `--help` prints the usage and ends with 0; what cannot be read is said, with the
 * usage, and ends with 2.
 */
export function optionsOf<T extends ParseArgsConfig>(usage: string, config: T): ReturnType<typeof parseArgs<T>> {
  if (process.argv.includes("--help") || process.argv.includes("-h")) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exit(2);
  }
}
