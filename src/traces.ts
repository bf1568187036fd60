export type { PriceAt, RepricedRow } from "./traces/cost.ts";
export { traceIndex, type PricedTraceIndex, type TraceIndexOptions } from "./traces/trace-index.ts";
export { otlpExporter, type OtlpExporter, type OtlpExportOptions } from "./traces/otlp-export.ts";
export type { ExportTally } from "./traces/export-state.ts";
export {
  personalRules,
  redactor,
  secretRules,
  type RedactionCounts,
  type RedactionHook,
  type RedactionRule,
  type Redactor,
} from "./core/redact.ts";
