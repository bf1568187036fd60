import { otlpExporter } from "../../src/traces/otlp-export.ts";
import { answerQuestions } from "../peer.ts";

export interface ExportQuestion {
  readonly indexPath: string;
  readonly statePath: string;
  readonly url: string;
}

export interface ExportAnswer {
  readonly sent: number;
  readonly cpuMs: number;
  readonly lastError: string | null;
}

/** An exporter in a process of its own: neither the journals in memory nor the receiver weigh on what it takes. */
answerQuestions(async (question: ExportQuestion): Promise<ExportAnswer> => {
  const exporter = otlpExporter(question);
  const before = process.cpuUsage();
  await exporter.flush();
  const { user, system } = process.cpuUsage(before);
  const { sent, lastError } = exporter.tally();
  exporter.close();
  return { sent, cpuMs: (user + system) / 1_000, lastError };
});
