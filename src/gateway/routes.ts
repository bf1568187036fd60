import type { Gateway, GatewayApp } from "./gateway.ts";

/** Every module of routes under /api/v1. */
export const routeModules: readonly ((app: GatewayApp, gateway: Gateway) => void)[] = [];
