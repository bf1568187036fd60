export { integrityOf, sqlite, type SqliteOptions, type SqliteReport } from "./stores/sqlite-store.ts";
