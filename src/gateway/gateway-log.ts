/** One line of the gateway's log. Its texts may come from callers: write them as JSON, never raw to a terminal. */
export interface GatewayLogLine {
  readonly level: "info" | "warn" | "error";
  readonly event: string;
  readonly requestId?: string;
  readonly text?: string;
  readonly error?: unknown;
}

export type GatewayLog = (line: GatewayLogLine) => void;
