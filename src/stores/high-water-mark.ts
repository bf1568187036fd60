import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { crcText } from "../core/hash.ts";

/** What the file beside a database says: how far the database had come, and which process wrote that. */
export interface HighWater {
  readonly count: number;
  readonly pid: number;
}

const LINE_BYTES = 48;

/**
 * The file `<db>.hwm`: one line with the number of batches that the database held at its last commit. It is written
 * after each commit and never flushed, so after a power cut it may be behind the database, but never ahead of it. A
 * database that is behind its mark is an older copy: a restored backup, a rolled-back file, a -wal file left behind.
 */
export class HighWaterMark {
  readonly #file: number;
  #count = -1;

  /** Creates the file when it is missing. */
  constructor(path: string) {
    this.#file = openFile(path);
  }

  /** null = none written yet, or unreadable: then it proves nothing. */
  read(): HighWater | null {
    const bytes = Buffer.alloc(LINE_BYTES);
    const length = readSync(this.#file, bytes, 0, LINE_BYTES, 0);
    const [, count, pid, crc] =
      /^pawl (\d{16}) (\d{10}) ([0-9a-f]{8})\n/.exec(bytes.toString("latin1", 0, length)) ?? [];
    if (count === undefined || pid === undefined || crc !== crcText(count + pid)) return null;
    return { count: Number(count), pid: Number(pid) };
  }

  write(count: number): void {
    if (count === this.#count) return;
    const text = String(count).padStart(16, "0");
    const pid = String(process.pid).padStart(10, "0");
    writeSync(this.#file, `pawl ${text} ${pid} ${crcText(text + pid)}\n`, 0);
    this.#count = count;
  }

  close(): void {
    closeSync(this.#file);
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, "r+");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return openSync(path, "w+", 0o600);
    throw error;
  }
}
