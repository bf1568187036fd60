import { checkNotify } from "./contract-rules.ts";

type Receive = (message: string) => void;

/** Told when a channel gets its first receiver, and when it has lost its last. */
export interface ChannelWatch {
  readonly onFirst: (channel: string) => void;
  readonly onLast: (channel: string) => void;
}

/** Hints within this process: who publishes reaches every receiver of the channel, soon, each by itself. */
export class NotifyHub {
  readonly #receivers = new Map<string, Set<Receive>>();
  readonly #watch: ChannelWatch | undefined;

  constructor(watch?: ChannelWatch) {
    this.#watch = watch;
  }

  get channels(): readonly string[] {
    return [...this.#receivers.keys()];
  }

  /** @throws OPTION_INVALID for more than a hint */
  publish(channel: string, message: string): void {
    checkNotify(channel, message);
    for (const receive of this.#receivers.get(channel) ?? []) queueMicrotask(() => receive(message));
  }

  /** @returns ends the subscription; harmless when repeated */
  subscribe(channel: string, receive: Receive): () => void {
    let isOpen = true;
    const receiveIfOpen = (message: string): void => {
      if (isOpen) receive(message);
    };
    const receivers = this.#receivers.get(channel) ?? new Set<Receive>();
    this.#receivers.set(channel, receivers.add(receiveIfOpen));
    if (receivers.size === 1) this.#watch?.onFirst(channel);
    return () => {
      isOpen = false;
      if (!receivers.delete(receiveIfOpen) || receivers.size > 0) return;
      this.#receivers.delete(channel);
      this.#watch?.onLast(channel);
    };
  }
}
