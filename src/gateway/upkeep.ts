import { errorText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Backlog } from "./admission.ts";
import { isStillValid, type Authentication } from "./authenticate.ts";
import type { Gateway } from "./gateway.ts";
import type { GatewayLog } from "./gateway-log.ts";

interface UpkeepParts {
  readonly gateway: Gateway;
  readonly how: Authentication;
  readonly backlog: Backlog;
  readonly log: GatewayLog;
}

/** What a gateway does by itself: ends streams whose credential ended in any process. */
export class Upkeep {
  readonly #parts: UpkeepParts;
  #cancel: () => void = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#parts.backlog.watch();
    this.#next();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    this.#parts.backlog.stop();
    await this.#round;
  }

  #next(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#parts.gateway.clock.setTimer(limits.credentialCacheMs, () => {
      this.#round = this.#work().then(
        () => this.#next(),
        (error: unknown) => {
          this.#parts.log({ level: "warn", event: "upkeep.failed", text: errorText(error) });
          this.#next();
        },
      );
    });
  }

  async #work(): Promise<void> {
    const { gateway, how } = this.#parts;
    for (const caller of gateway.streams.callers) {
      if (await isStillValid(how, caller, gateway.clock.nowMs())) continue;
      const { credential, expiresAt } = caller;
      gateway.streams.closeWhere(
        (one) => one.credential === credential && one.expiresAt === expiresAt,
        "the credential has ended",
      );
    }
  }
}
