export { bullmq, type BullmqOptions } from "./dispatch/bullmq.ts";
