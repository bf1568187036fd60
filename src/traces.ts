export { traceIndex, type TraceIndexOptions } from "./traces/trace-index.ts";
