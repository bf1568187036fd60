import { limits } from "../core/limits.ts";
import type { Frame } from "./sse-frame.ts";

/** Frames of neighbouring events of one run: those after `from`, without a gap. */
export interface FramePage {
  readonly from: number;
  readonly frames: Frame[];
  /** Takes it out of its run's pages. */
  readonly forget: () => void;
}

interface Chunk {
  readonly bytes: Buffer;
  /** Last seq in it. */
  readonly seq: number;
}

/** Frames of all runs that are followed, the longest unused forgotten first: bounded, and never needed (the journal has all). */
export class PageCache {
  /** In order of use, with their bytes. */
  readonly #pages = new Map<FramePage, number>();
  readonly #bytesMax: number;
  /** Readers of one run stand mostly at the same place: the newest chunk of each page is kept as one piece. */
  readonly #chunks = new WeakMap<FramePage, { readonly index: number; readonly chunk: Chunk }>();
  #bytes = 0;

  constructor(bytesMax: number = limits.streamCacheBytes) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Call it whenever a page was made, grew or was read. */
  touch(page: FramePage, grownBytes = 0): void {
    const bytes = (this.#pages.get(page) ?? 0) + grownBytes;
    this.#pages.delete(page);
    this.#pages.set(page, bytes);
    this.#bytes += grownBytes;
    for (const [oldest] of this.#pages) {
      if (this.#bytes <= this.#bytesMax || oldest === page) return;
      this.drop(oldest);
      oldest.forget();
    }
  }

  drop(page: FramePage): void {
    this.#bytes -= this.#pages.get(page) ?? 0;
    this.#pages.delete(page);
  }

  /** Frames of a page after `cursor` in one piece, at most limits.streamWriteBytes or one frame. */
  chunkOf(page: FramePage, cursor: number): Chunk | null {
    const index = cursor - page.from;
    const first = page.frames[index];
    if (first === undefined) return null;
    this.touch(page);
    const known = this.#chunks.get(page);
    const last = page.frames.at(-1)?.seq;
    if (known?.index === index && known.chunk.seq === last) return known.chunk;
    let to = index + 1;
    let bytes = first.bytes.length;
    for (let next = page.frames[to]; next !== undefined; next = page.frames[to]) {
      bytes += next.bytes.length;
      if (bytes > limits.streamWriteBytes) break;
      to++;
    }
    const parts = page.frames.slice(index, to);
    const chunk = {
      bytes: parts.length === 1 ? first.bytes : Buffer.concat(parts.map((frame) => frame.bytes)),
      seq: parts.at(-1)?.seq ?? cursor,
    };
    this.#chunks.set(page, { index, chunk });
    return chunk;
  }
}
