import type { SourceStatus } from "../core/model-contract.ts";
import type { ModelCheck } from "../models.ts";
import { connect } from "./connection.ts";
import { configPath, loadConfig } from "./load-config.ts";
import type { Place } from "./place.ts";

/** The models of this folder's config, or those of a gateway with their health as it sees them. */
export interface ModelDesk {
  status(): Promise<SourceStatus>;
  /** What agents here ask for. */
  inUse(): Promise<readonly string[]>;
  check(route: string): Promise<ModelCheck>;
}

export async function modelDesk(place: Place): Promise<ModelDesk> {
  if (place.server !== undefined) {
    const client = connect(place);
    const status = () => client.getModelStatus();
    const inUse = async (): Promise<readonly string[]> => {
      const { routes, endpoints } = await status();
      return (routes.length > 0 ? routes : endpoints).map(({ name }) => name);
    };
    return { status, inUse, check: (route) => client.checkModel({ route }) };
  }
  const { defaultRoute, modelCheck, modelSource, statusOfSource } = await import("../models.ts");
  const path = configPath(place.config);
  const config = path === null ? null : await loadConfig(path);
  const source = config?.deps.models ?? modelSource();
  const own = [...new Set(config?.registry.runnables.flatMap((one) => one.routes) ?? [])];
  const used = own.length > 0 ? own : [defaultRoute()];
  return {
    status: () => Promise.resolve(statusOfSource(source, used)),
    inUse: () => Promise.resolve(used),
    check: (route) => modelCheck(source, route),
  };
}
