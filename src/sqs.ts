export { sqs, type SqsOptions } from "./dispatch/sqs.ts";
