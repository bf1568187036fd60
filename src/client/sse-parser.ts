/** One frame of `text/event-stream`; `data` "" for a comment. */
export interface SseFrame {
  readonly event: string;
  readonly data: string;
}

const FRAME_CHARS_MAX = 16_777_216;

/** Frames as the gateway writes them. @throws when a frame does not end within 16 Mi characters */
export async function* framesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<SseFrame> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const text = decoder.decode(value, { stream: true });
      length += text.length;
      if (length > FRAME_CHARS_MAX) throw new Error("a frame of the stream is too long.");
      parts.push(text);
      // the separator may be cut in two by the chunks
      if (!text.includes("\n")) continue;
      const blocks = parts.join("").split("\n\n");
      const rest = blocks.pop() ?? "";
      parts = [rest];
      length = rest.length;
      for (const block of blocks) yield frameOf(block);
    }
  } finally {
    // it may have failed already, which its read has told
    await reader.cancel().catch(() => undefined);
  }
}

function frameOf(block: string): SseFrame {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) event = line.slice(7);
    else if (line.startsWith("data: ")) data.push(line.slice(6));
  }
  return { event, data: data.join("\n") };
}
