import { defaultTenant, type RunRef } from "../../core/id.ts";

/** Where a run is, among those of all tenants: its id alone in the tenant of who has no other. */
export function placeOf({ tenant, runId }: RunRef): string {
  return tenant === defaultTenant ? runId : `${tenant}/${runId}`;
}

/** Where a call is, among those of all tenants. */
export function callPlaceOf(call: RunRef & { readonly callId: string }): string {
  return `${placeOf(call)}/${call.callId}`;
}

/** What is a tenant's carries it, so that it is known where it does not belong. */
export function markOf(tenant: string): string {
  return tenant === defaultTenant ? "" : `@${tenant}`;
}

/** Each tenant has people of its own. */
export function personOf({ tenant }: RunRef, name: string): string {
  return `${name}${markOf(tenant)}`;
}
