export { bubblewrap } from "./sandbox/bubblewrap.ts";
export type { BoxEngine, BoxOptions, BoxRun } from "./sandbox/engine.ts";
export { justBash, quickJs } from "./sandbox/interpreted.ts";
export { sandbox, sandboxSurvey } from "./sandbox/sandbox.ts";
export type { SandboxOptions } from "./sandbox/sandbox.ts";
