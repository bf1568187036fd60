import type { Socket } from "node:net";
import { PawlError } from "../core/errors.ts";
import { isJsonObject, parseJson, type JsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";

/** One message on the socket: JSON, and bytes that travel beside it as they are. */
export interface Frame {
  readonly message: JsonObject;
  readonly bytes: Uint8Array | null;
}

const HEADER_BYTES = 8;

/**
 * Length of what follows the header, length of its JSON (4 bytes each, big-endian), JSON, bytes.
 * @throws EVENT_TOO_LARGE over limits.storeFrameBytes
 */
export function sendFrame(socket: Socket, message: object, bytes: Uint8Array | null = null): void {
  const json = Buffer.from(JSON.stringify(bytes === null ? message : { ...message, hasBytes: true }));
  const length = json.byteLength + (bytes?.byteLength ?? 0);
  if (length > limits.storeFrameBytes) {
    throw new PawlError("EVENT_TOO_LARGE", `a message of ${length} bytes is over ${limits.storeFrameBytes}.`);
  }
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(length, 0);
  header.writeUInt32BE(json.byteLength, 4);
  socket.cork();
  socket.write(header);
  socket.write(json);
  if (bytes !== null) socket.write(bytes);
  socket.uncork();
}

/** Puts the pieces that a socket gives together again. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #length = 0;

  /**
   * @returns the frames that are complete now
   * @throws STORE_UNREACHABLE for what is no frame: the other side is not a Pawl of this kind
   */
  push(piece: Buffer): readonly Frame[] {
    this.#pieces.push(piece);
    this.#length += piece.byteLength;
    const frames: Frame[] = [];
    for (;;) {
      const frame = this.#next();
      if (frame === null) return frames;
      frames.push(frame);
    }
  }

  #next(): Frame | null {
    if (this.#length < HEADER_BYTES) return null;
    const header = this.#join(HEADER_BYTES);
    const [length, jsonLength] = [header.readUInt32BE(0), header.readUInt32BE(4)];
    if (length > limits.storeFrameBytes || jsonLength > length) throw notAFrame();
    if (this.#length < HEADER_BYTES + length) return null;
    const whole = this.#join(HEADER_BYTES + length);
    const end = HEADER_BYTES + length;
    const json = whole.toString("utf8", HEADER_BYTES, HEADER_BYTES + jsonLength);
    const bytes = new Uint8Array(whole.subarray(HEADER_BYTES + jsonLength, end));
    this.#pieces = whole.byteLength > end ? [whole.subarray(end)] : [];
    this.#length -= end;
    return frameOf(json, bytes);
  }

  /** The first piece, made to have at least `length` bytes. Joins all pieces only when it must. */
  #join(length: number): Buffer {
    const first = this.#pieces[0];
    if (first !== undefined && first.byteLength >= length) return first;
    const whole = Buffer.concat(this.#pieces, this.#length);
    this.#pieces = [whole];
    return whole;
  }
}

function frameOf(json: string, bytes: Uint8Array): Frame {
  const parsed = parseJson(json);
  if (!parsed.ok || !isJsonObject(parsed.value)) throw notAFrame();
  const message = parsed.value;
  return { message, bytes: message["hasBytes"] === true ? bytes : null };
}

function notAFrame(): PawlError {
  return new PawlError("STORE_UNREACHABLE", "what came over the socket of a database is not a message of Pawl.");
}

export function textIn(message: JsonObject, member: string): string {
  const value = message[member];
  if (typeof value !== "string") throw notAFrame();
  return value;
}

export function numberIn(message: JsonObject, member: string): number {
  const value = message[member];
  if (typeof value !== "number") throw notAFrame();
  return value;
}

export function listIn(message: JsonObject, member: string): readonly JsonValue[] {
  const value = message[member];
  if (!Array.isArray(value)) throw notAFrame();
  return value as readonly JsonValue[];
}
