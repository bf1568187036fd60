import { seededRandom, sleep, type Clock } from "../core/clock.ts";
import type { ErrorCode } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";
import { crcText } from "../core/hash.ts";
import type { GenerateOptions, ModelEndpoint, ModelPart, ModelRequest, ModelSource } from "../core/model-contract.ts";
import { equalCallsOf, pick, repeatingLast, withFault } from "./answer-faults.ts";
import {
  faultProfiles,
  stormRates,
  type FaultProfile,
  type FaultProfileName,
  type ModelFault,
} from "./fault-profiles.ts";
import { stormClock } from "./storms.ts";

export type InjectedFault = ModelFault | "loop";

export interface FaultyModelOptions {
  readonly profile: FaultProfileName | FaultProfile;
  /** Same seed, same clock, same requests: same faults. */
  readonly seed: number;
  /** Drives the storms and the time-outs. */
  readonly clock: Clock;
  /** How long a request without a first byte hangs before it fails. Default 120 s. */
  readonly firstByteMs?: number;
}

/** What was injected so far. */
export interface FaultCounts {
  readonly requests: number;
  readonly injected: { readonly [fault in InjectedFault]: number };
  /** Faults that were due and found nothing to spoil, e.g. a malformed call in an answer without calls. */
  readonly missed: number;
}

export interface FaultyModel extends ModelSource {
  counts(): FaultCounts;
}

const faults: readonly InjectedFault[] = [
  "rateLimited",
  "serverError",
  "noFirstByte",
  "cutStream",
  "notAnAnswer",
  "unknownTool",
  "malformedJson",
  "schemaBreach",
  "wrongValue",
  "repeatsLastCall",
  "emptyAnswer",
  "cutInsideCall",
  "loop",
];

/**
 * A source whose models fail as providers and models do: errors in storms, streams that break, answers that are none,
 * calls of tools that do not exist, wrong arguments, loops. The errors are those that the adapters make of the same
 * fault on the wire.
 */
export function faultyModel(model: ModelSource, options: FaultyModelOptions): FaultyModel {
  const injector = injectorOf(options);
  const wrapped = new WeakMap<ModelEndpoint, ModelEndpoint>();
  return {
    check: (route) => model.check(route),
    priceOf: (route) => model.priceOf?.(route) ?? null,
    counts: () => injector.counts(),
    next(route, failed, random, hint) {
      const next = model.next(route, failed, random, hint);
      if (next.type === "give-up") return next;
      const endpoint = wrapped.get(next.endpoint) ?? faultyEndpoint(next.endpoint, injector);
      wrapped.set(next.endpoint, endpoint);
      return { ...next, endpoint };
    },
  };
}

interface Injector {
  readonly options: FaultyModelOptions;
  readonly random: () => number;
  /** The fault of this request, if it has one. */
  draw(): ModelFault | null;
  /** Whether a conversation is one that loops: the same for all its requests. */
  loops(request: ModelRequest): boolean;
  count(fault: InjectedFault): void;
  miss(): void;
  counts(): FaultCounts;
}

function injectorOf(options: FaultyModelOptions): Injector {
  const profile = typeof options.profile === "string" ? faultProfiles[options.profile] : options.profile;
  const random = seededRandom(options.seed);
  const storms = stormClock(profile.stormShare, seededRandom(options.seed ^ 0x5707_0000));
  const rates = stormRates(profile);
  const injected = Object.fromEntries(faults.map((fault) => [fault, 0])) as { [fault in InjectedFault]: number };
  let requests = 0;
  let missed = 0;
  return {
    options,
    random,
    draw() {
      requests++;
      const rate = storms(options.clock.monotonicMs()) ? rates.storm : rates.calm;
      return drawFault(profile, rate, random);
    },
    loops: (request) => seededRandom(options.seed ^ Number.parseInt(crcText(openingOf(request)), 16))() < profile.loop,
    count: (fault) => void injected[fault]++,
    miss: () => void missed++,
    counts: () => ({ requests, injected: { ...injected }, missed }),
  };
}

/** One draw for all faults, so that at most one happens; refusals and server errors share the rate of the hour. */
function drawFault(profile: FaultProfile, stormRate: number, random: () => number): ModelFault | null {
  const { rateLimited, serverError, ...rest } = profile.model;
  const both = rateLimited + serverError;
  let left = random();
  if (both > 0) {
    const share = rateLimited / both;
    if (left < stormRate * share) return "rateLimited";
    if (left < stormRate) return "serverError";
  }
  left = random();
  for (const [fault, probability] of Object.entries(rest) as readonly (readonly [ModelFault, number])[]) {
    if (left < probability) return fault;
    left -= probability;
  }
  return null;
}

/** What a run is told apart by: how its conversation begins. */
function openingOf(request: ModelRequest): string {
  return JSON.stringify([request.system, request.messages[0] ?? null]);
}

/** An endpoint with the same faults; `faultyModel` is the usual way to get one. */
function faultyEndpoint(endpoint: ModelEndpoint, injector: Injector): ModelEndpoint {
  return {
    name: endpoint.name,
    provider: endpoint.provider,
    model: endpoint.model,
    price: endpoint.price,
    contextTokens: endpoint.contextTokens,
    ...(endpoint.notice === undefined ? {} : { notice: endpoint.notice }),
    countTokens: (request) => endpoint.countTokens(request),
    generate: (request, options) => spoiled({ endpoint, injector }, request, options),
  };
}

interface Scene {
  readonly endpoint: ModelEndpoint;
  readonly injector: Injector;
}

async function* spoiled(scene: Scene, request: ModelRequest, options: GenerateOptions): AsyncGenerator<ModelPart> {
  const { endpoint, injector } = scene;
  const fault = injector.draw();
  if (fault !== null) await failAtOnce(fault, scene, options);
  const cutAfter = fault === "cutStream" ? Math.floor(injector.random() * 4) : Infinity;
  let deltas = 0;
  for await (const part of endpoint.generate(request, options)) {
    if (deltas >= cutAfter || (fault === "cutStream" && part.type === "finish")) {
      injector.count("cutStream");
      throw new PawlError("MODEL_BROKEN_STREAM", `"${endpoint.name}" broke off its answer: terminated`);
    }
    deltas++;
    yield part.type === "finish" ? spoiledFinish(fault, part, request, injector) : part;
  }
}

/** Faults without any answer. */
async function failAtOnce(fault: ModelFault, { endpoint, injector }: Scene, options: GenerateOptions): Promise<void> {
  const { name } = endpoint;
  const { random } = injector;
  const fail = (code: ErrorCode, message: string, details: Readonly<Record<string, number | null>>): never => {
    injector.count(fault);
    throw new PawlError(code, `"${name}" ${message}`, { details: { endpoint: name, ...details } });
  };
  switch (fault) {
    case "rateLimited": {
      const retryAfterMs = random() < 0.5 ? Math.ceil(random() * 20) * 1_000 : null;
      return fail("MODEL_RATE_LIMITED", "refused the call for its rate limit (HTTP 429)", {
        status: 429,
        retryAfterMs,
      });
    }
    case "serverError": {
      const status = pick([500, 502, 503, 529], random);
      return fail("MODEL_UNAVAILABLE", `failed (HTTP ${status})`, { status, retryAfterMs: null });
    }
    case "noFirstByte":
      await sleep(injector.options.clock, injector.options.firstByteMs ?? 120_000, options.signal);
      return fail("MODEL_TIMED_OUT", "passed the deadline for its first token", {});
    case "notAnAnswer":
      return fail("MODEL_BAD_RESPONSE", pick(["answered with HTML", "answered with an empty body"], random), {
        status: 200,
      });
    default:
      return undefined;
  }
}

/** Faults in the answer itself. A run that loops makes its first call again until it was made four times in a row. */
function spoiledFinish(
  fault: ModelFault | null,
  finish: Extract<ModelPart, { readonly type: "finish" }>,
  request: ModelRequest,
  injector: Injector,
): ModelPart {
  // Drawn for every run, so that its later requests find the same.
  if (injector.loops(request) && equalCallsOf(request) < LOOP_CALLS) {
    const looped = repeatingLast(finish, request);
    if (looped !== null) {
      injector.count("loop");
      return looped;
    }
  }
  if (fault === null || fault === "cutStream") return finish;
  const changed = withFault(fault, finish, request, injector.random);
  if (changed === null) {
    injector.miss();
    return finish;
  }
  injector.count(fault);
  return changed;
}

/** Equal calls of a run that loops, then it goes on. */
const LOOP_CALLS = 4;
