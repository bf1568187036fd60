import { errorRecord, PawlError } from "../core/errors.ts";
import { note, plain } from "./terminal.ts";

/** One message with its code: what was got, what is allowed, the next step. The stack only for who asks for it. */
export function complain(error: unknown): void {
  const { code, message } = errorRecord(error, "INTERNAL");
  note(`${code}: ${plain(message)}`);
  if (process.env["PAWL_DEBUG"] === "1") note(error instanceof Error ? (error.stack ?? String(error)) : String(error));
  else if (!PawlError.is(error)) note("Set PAWL_DEBUG=1 to see where it comes from.");
}
