import { Link } from "wouter";
import { useModels, useModelStatus } from "../api/models.ts";
import { may, useSession } from "../api/session.ts";
import { exactText } from "../format/figures.ts";
import { EndpointRow } from "../models/endpoint-row.tsx";
import { RouteList } from "../models/route-list.tsx";
import { Empty } from "../ui/empty.tsx";
import { usePageTitle } from "../ui/page-title.ts";
import { Problem } from "../ui/problem.tsx";
import { Pill } from "../ui/status.tsx";

/** Endpoints as this process sees them, and the routes over them. */
export function ModelsPage() {
  const session = useSession().data;
  const mayOperate = may(session, "operate");
  usePageTitle("Models");
  return (
    <div className="flex h-full flex-col">
      <header className="border-b border-line px-5 py-3">
        <h1 className="text-lg font-semibold tracking-tight">Models</h1>
        <p className="text-soft">Where calls of models go, and how it is there now.</p>
      </header>
      <div className="min-h-0 flex-1 overflow-auto px-5 py-4" tabIndex={0} role="region" aria-label="Models">
        <div className="flex max-w-6xl flex-col gap-6">
          {mayOperate ? <Status mayCheck={may(session, "admin")} /> : <PlainModels />}
        </div>
      </div>
    </div>
  );
}

function Status({ mayCheck }: { readonly mayCheck: boolean }) {
  const status = useModelStatus(true);
  const models = useModels();
  const usedBy = new Map((models.data?.items ?? []).map((one) => [one.route, one.usedBy]));
  if (status.data === undefined) return status.error === null ? null : <Problem error={status.error} />;
  const { endpoints, routes } = status.data;
  if (endpoints.length === 0) return <NoModels />;
  const inFlight = endpoints.reduce((sum, one) => sum + one.inFlight, 0);
  return (
    <>
      {status.error === null ? null : <Problem error={status.error} />}
      {routes.length === 0 ? null : (
        <section aria-labelledby="routes" className="flex flex-col gap-2">
          <h2 id="routes" className="font-medium">
            Routes
          </h2>
          <RouteList routes={routes} endpoints={endpoints} usedBy={usedBy} />
        </section>
      )}
      <section aria-labelledby="endpoints" className="flex flex-col gap-2">
        <div className="flex items-baseline justify-between gap-3">
          <h2 id="endpoints" className="font-medium">
            Endpoints
          </h2>
          <span className="text-xs text-faint tabular">
            {inFlight === 0 ? "nothing under way" : `${exactText(inFlight)} under way`}
          </span>
        </div>
        <ul className="flex flex-col gap-2">
          {endpoints.map((endpoint) => (
            <EndpointRow
              key={endpoint.name}
              endpoint={endpoint}
              usedBy={usedBy.get(endpoint.name) ?? []}
              mayCheck={mayCheck}
            />
          ))}
        </ul>
        <p className="text-xs text-faint">
          Figures are of the process that answers this page, since it began.
          {routes.length > 0
            ? ""
            : " Calls are counted in a pool: with pool() in pawl.config.ts, routes have several endpoints, fallbacks and limits."}
        </p>
      </section>
    </>
  );
}

/** For who may not see the load of others: which models there are, and whether they work. */
function PlainModels() {
  const models = useModels();
  if (models.data === undefined) return models.error === null ? null : <Problem error={models.error} />;
  if (models.data.items.length === 0) return <NoModels />;
  return (
    <>
      <ul className="card divide-y divide-line">
        {models.data.items.map(({ route, problem, usedBy }) => (
          <li key={route} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5">
            <span className="font-medium wrap-anywhere">{route}</span>
            <Pill tone={problem === null ? "ok" : "bad"}>{problem === null ? "Usable" : "Not usable"}</Pill>
            <span className="flex-1 text-xs text-faint">{usedBy.join(", ")}</span>
            {problem === null ? null : <p className="w-full text-sm wrap-anywhere text-bad">{problem}</p>}
          </li>
        ))}
      </ul>
      <p className="text-xs text-faint">Load, health and limits are shown to who has the role operate.</p>
    </>
  );
}

function NoModels() {
  return (
    <Empty icon="model" title="No agent calls a model">
      <p>
        An agent names a route with <code className="font-mono text-ink">model</code>; where it leads,{" "}
        <code className="font-mono text-ink">models</code> of pawl.config.ts says.
      </p>
      <Link href="/start" className="linkish">
        See which agents there are
      </Link>
    </Empty>
  );
}
