import type { Dispatch } from "../core/dispatch-contract.ts";
import { PawlError } from "../core/errors.ts";
import type { Store } from "../core/store-contract.ts";

const STORES = "redis://, rediss://, redis+cluster:// or postgres://";
const QUEUES = "redis://, rediss://, postgres:// (BullMQ), or the https:// address of an SQS queue";

/** What a deployment sets in place of a database file; null = nothing. */
export function storeUrl(): string | null {
  return given("PAWL_STORE");
}

/** @throws OPTION_INVALID  an unknown scheme, or a driver that is not installed */
export async function storeAt(url: string): Promise<Store> {
  const scheme = schemeOf(url);
  if (/^rediss?(\+cluster)?:$/.test(scheme)) {
    const { redisStore } = await driver(() => import("../redis.ts"), "ioredis", url);
    return redisStore(url);
  }
  if (/^postgres(ql)?:$/.test(scheme)) {
    const { postgres } = await driver(() => import("../postgres.ts"), "pg", url);
    return postgres(url);
  }
  throw unknown("PAWL_STORE", scheme, `${STORES}; a file is named with --db or PAWL_DB`);
}

/** The queue that PAWL_QUEUE names; null = workers poll the store. @throws OPTION_INVALID */
export async function queueHere(onError: (error: unknown) => void): Promise<Dispatch | null> {
  const url = given("PAWL_QUEUE");
  if (url === null) return null;
  const scheme = schemeOf(url);
  if (/^(rediss?|postgres(ql)?):$/.test(scheme)) {
    const { bullmq } = await driver(() => import("../bullmq.ts"), "bullmq", url);
    return bullmq(url, { onError });
  }
  if (/^https?:$/.test(scheme)) {
    const { sqs } = await driver(() => import("../sqs.ts"), "@aws-sdk/client-sqs", url);
    const { AWS_ENDPOINT_URL_SQS: endpoint } = process.env;
    return sqs(url, { onError, ...(endpoint !== undefined && { endpoint }) });
  }
  throw unknown("PAWL_QUEUE", scheme, QUEUES);
}

function given(name: string): string | null {
  const value = process.env[name];
  return value === undefined || value === "" ? null : value;
}

/** Never more of it: an address may hold a password. */
function schemeOf(url: string): string {
  return /^[a-z][a-z0-9+.-]*:(?=\/\/)/i.exec(url)?.[0].toLowerCase() ?? "";
}

function unknown(name: string, scheme: string, allowed: string): PawlError {
  const got = scheme === "" ? "no address" : `"${scheme}//…"`;
  return new PawlError("OPTION_INVALID", `${name} is ${got}. Give ${allowed}.`);
}

async function driver<T>(load: () => Promise<T>, packageName: string, url: string): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new PawlError(
      "OPTION_INVALID",
      `"${schemeOf(url)}//…" needs the package ${packageName}, which is not installed. Install it: npm install ${packageName}.`,
      { cause: error },
    );
  }
}
