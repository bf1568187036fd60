export { tool } from "./tools/tool.ts";
export type { ApprovalAnswer, ApprovalRule, Tool, ToolInput, ToolOptions, ToolOutput } from "./tools/tool.ts";
