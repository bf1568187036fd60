export { gateway, type GatewayOptions, type GatewayServer } from "./gateway/app.ts";
export { ApiKeys, type ApiKey, type IssuedKey, type KeyOptions } from "./gateway/api-keys.ts";
export type { Caller } from "./gateway/caller.ts";
export type { Problem } from "./gateway/error-response.ts";
export type { GatewayLog, GatewayLogLine } from "./gateway/gateway-log.ts";
export type { JwtOptions } from "./gateway/jwt.ts";
export { roles, type Role } from "./gateway/roles.ts";
