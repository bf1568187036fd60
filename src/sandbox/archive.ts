import { PawlError } from "../core/errors.ts";
import type { SandboxFile } from "../core/sandbox-contract.ts";

const BLOCK = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

/** @throws SANDBOX_INPUT_INVALID a name that could leave the folder, or stands twice */
export function checkFiles(files: readonly SandboxFile[], bytesMax: number): void {
  const seen = new Set<string>();
  let bytes = 0;
  for (const { path, bytes: content } of files) {
    if (!isInside(path) || splitName(path) === null)
      refuse(
        `file ${JSON.stringify(path.slice(0, 120))} is no relative path of at most 255 bytes. Use names like "data/in.csv".`,
      );
    if (seen.has(path)) refuse(`file ${JSON.stringify(path)} is given twice.`);
    seen.add(path);
    bytes += content.byteLength;
  }
  if (bytes > bytesMax) refuse(`the files are ${bytes} bytes together; allowed are ${bytesMax}.`);
}

function refuse(text: string): never {
  throw new PawlError("SANDBOX_INPUT_INVALID", text);
}

/** A relative name that stays in its folder. */
export function isInside(path: string): boolean {
  // oxlint-disable-next-line no-control-regex -- no name of a file holds them
  if (path === "" || path.startsWith("/") || /[\u0000-\u001F\u007F\\]/.test(path)) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

function splitName(path: string): { readonly name: string; readonly prefix: string } | null {
  if (Buffer.byteLength(path) <= NAME_BYTES) return { name: path, prefix: "" };
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (Buffer.byteLength(prefix) <= PREFIX_BYTES && Buffer.byteLength(name) <= NAME_BYTES) return { name, prefix };
  }
  return null;
}

/** Regular files as a ustar archive. */
export function packed(files: readonly SandboxFile[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { path, bytes } of files) {
    const { name, prefix } = splitName(path) ?? refuse(`file ${JSON.stringify(path)} has too long a name.`);
    const head = Buffer.alloc(BLOCK);
    head.write(name, 0);
    head.write("0000644\0" + "0000000\0" + "0000000\0", NAME_BYTES);
    head.write(`${bytes.byteLength.toString(8).padStart(11, "0")}\0` + "00000000000\0", 124);
    head.write("        0", 148);
    head.write("ustar\u000000", 257);
    head.write(prefix, 345);
    head.write(
      `${head
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
    );
    parts.push(head, bytes, Buffer.alloc((BLOCK - (bytes.byteLength % BLOCK)) % BLOCK));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

/**
 * The regular files of an archive that code in the box made, so everything in it may lie: links, devices and names that
 * leave the folder are passed over and said. What is cut off in the middle ends it.
 */
export function unpacked(archive: Buffer): {
  readonly files: readonly SandboxFile[];
  readonly skipped: readonly string[];
} {
  const files = new Map<string, SandboxFile>();
  const skipped: string[] = [];
  let longName: string | null = null;
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0;) {
    const head = archive.subarray(at, at + BLOCK);
    const size = Number.parseInt(textAt(head, 124, 12).trim() || "0", 8);
    const start = at + BLOCK;
    if (!Number.isSafeInteger(size) || size < 0 || start + size > archive.length) {
      skipped.push("the rest: the archive is cut or broken");
      break;
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK;
    const type = textAt(head, 156, 1);
    const content = archive.subarray(start, start + size);
    if (type === "L") {
      longName = content.toString("utf8").replace(/\0.*$/s, "");
      continue;
    }
    const prefix = textAt(head, 345, PREFIX_BYTES);
    const name: string = longName ?? (prefix === "" ? "" : `${prefix}/`) + textAt(head, 0, NAME_BYTES);
    longName = null;
    const path = name.replace(/^(?:\.\/)+/, "");
    if (type === "5") continue;
    if ((type === "0" || type === "") && isInside(path)) files.set(path, { path, bytes: Uint8Array.from(content) });
    else
      skipped.push(
        `${JSON.stringify(path.slice(0, 120))}: ${type === "0" ? "a name that leaves the folder" : "no regular file"}`,
      );
  }
  return { files: [...files.values()], skipped };
}

function textAt(head: Buffer, at: number, bytes: number): string {
  return head.toString("utf8", at, at + bytes).replace(/\0.*$/s, "");
}

/** What the code left or changed. */
export function changed(files: readonly SandboxFile[], given: readonly SandboxFile[]): readonly SandboxFile[] {
  const before = new Map(given.map(({ path, bytes }) => [path, bytes]));
  return files.filter(({ path, bytes }) => {
    const known = before.get(path);
    return known === undefined || !Buffer.from(known).equals(bytes);
  });
}
