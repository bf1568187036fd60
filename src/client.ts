export { PawlClient, type CreateKeyRequest, type Session } from "./client/client.ts";
export { ClientError } from "./client/client-error.ts";
export type { FollowOptions, StreamItem } from "./client/follow-events.ts";
export type { CallOptions, ClientOptions, WriteOptions } from "./client/http.ts";
