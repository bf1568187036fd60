import type { Form } from "./workload.ts";

/** What a victim is told on its command line. */
export interface VictimOptions {
  readonly database: string;
  readonly counterPort: number;
  readonly trial: string;
  readonly form: Form;
  /** `person` executes nothing: it decides for a `worker` in another process. */
  readonly role: "worker and person" | "worker" | "person";
  /** `skipping` leaves out idle time; `system` is production's. */
  readonly clock: "skipping" | "system";
  /** What earlier processes of the trial skipped. */
  readonly skippedMs: number;
  readonly thread: "always" | "never";
}

export const exitCodes = { ended: 0, died: 1, stuck: 3, drained: 143 } as const;
