export { calculate } from "./tools/builtin/calculate.ts";
export { checkCitations, collectReads, noReads } from "./tools/builtin/citations.ts";
export type { CheckedCitation, CitationReport, LineRange, ReadMemo } from "./tools/builtin/citations.ts";
export type { SkippedFile } from "./tools/builtin/document-folder.ts";
export { documentTools } from "./tools/builtin/documents.ts";
export type { DocumentOptions, DocumentSet } from "./tools/builtin/documents.ts";
export { isReportName, saveReport } from "./tools/builtin/save-report.ts";
export { tool } from "./tools/tool.ts";
export type { ApprovalAnswer, ApprovalRule, Tool, ToolInput, ToolOptions, ToolOutput } from "./tools/tool.ts";
