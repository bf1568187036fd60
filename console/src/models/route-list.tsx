import type { EndpointStatus, RouteStatus } from "../api/types.ts";
import { oneLine } from "../format/visible-text.ts";
import { Icon } from "../ui/icon.tsx";
import { Pill, toneClass } from "../ui/status.tsx";
import { lookOf } from "./endpoint-row.tsx";

/** What agents ask for, and where their calls go: side by side the better of two, behind an arrow one after another. */
export function RouteList({
  routes,
  endpoints,
  usedBy,
}: {
  readonly routes: readonly RouteStatus[];
  readonly endpoints: readonly EndpointStatus[];
  readonly usedBy: ReadonlyMap<string, readonly string[]>;
}) {
  const chip = (name: string) => (
    <EndpointChip key={name} name={name} endpoint={endpoints.find((one) => one.name === name)} />
  );
  return (
    <ul className="card divide-y divide-line">
      {routes.map((route) => (
        <li key={route.name} className="flex flex-wrap items-center gap-x-3 gap-y-1.5 px-4 py-2.5">
          <span className="w-full font-medium wrap-anywhere md:w-28">{oneLine(route.name, 60)}</span>
          <span className="flex min-w-0 flex-wrap md:flex-1 items-center gap-1.5">
            {route.endpoints.map((name) => chip(name))}
            {route.fallbacks.flatMap((name) => [
              <span key={`then ${name}`} className="inline-flex items-center text-2xs text-faint">
                <Icon name="right" className="size-3!" /> then
              </span>,
              chip(name),
            ])}
            {route.isHedged ? (
              <Pill title="A second endpoint is asked where the first stays silent">hedged</Pill>
            ) : null}
          </span>
          <span className="text-xs text-faint">
            {(usedBy.get(route.name) ?? []).join(", ") || "no agent asks for it"}
          </span>
        </li>
      ))}
    </ul>
  );
}

function EndpointChip({ name, endpoint }: { readonly name: string; readonly endpoint: EndpointStatus | undefined }) {
  const look = endpoint === undefined ? null : lookOf(endpoint);
  return (
    <span
      title={look?.about}
      className={`inline-flex h-6 items-center gap-1.5 rounded-md border border-line px-2 text-xs ${look === null ? "" : toneClass(look.tone)}`}
    >
      <span className="size-1.5 rounded-full bg-tone" />
      {oneLine(name, 40)}
      <span className="sr-only">({look?.text})</span>
    </span>
  );
}
