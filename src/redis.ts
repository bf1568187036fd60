export { redisStore, type RedisStoreOptions } from "./stores/redis-store.ts";
