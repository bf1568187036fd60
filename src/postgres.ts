export { postgres, type PostgresOptions } from "./stores/postgres-store.ts";
