export type {
  FailedAttempt,
  GenerateOptions,
  ModelEndpoint,
  ModelPart,
  ModelRequest,
  ModelSource,
} from "./core/model-contract.ts";
export type { Price, Rates, Usage } from "./core/usage.ts";
export { withDeadlines, type Deadlines } from "./models/deadlines.ts";
export { modelCheck, type ModelCheck, type ModelCheckOptions } from "./models/model-check.ts";
export { defaultRoute, modelSource, type ModelSourceOptions } from "./models/model-source.ts";
export { pool, type Pool } from "./models/pool.ts";
export type {
  EndpointAddress,
  EndpointOptions,
  KeyReference,
  PoolBounds,
  PoolEnvironment,
  PoolOptions,
  RouteOptions,
} from "./models/pool-options.ts";
export type { ConfiguredRates, RateLimiter, RateNews } from "./models/rate-limit.ts";
export { statusOfSource } from "./models/source-status.ts";
export { sharedRates } from "./models/shared-rates.ts";
export { offlineEndpoint } from "./models/offline.ts";
export { knownModel, priceLookup, type PriceBookOptions, type PriceLookup } from "./models/price-book.ts";
export { knownRoutes, type KnownModel } from "./models/price-table.ts";
export type { Environment } from "./models/provider-endpoint.ts";
export type { ProviderSettings } from "./models/provider-driver.ts";
export type { RetryBounds } from "./models/retry.ts";
