import { lazy, Suspense } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { useSession } from "./api/session.ts";
import { LoginPage } from "./pages/login.tsx";
import { NotFoundPage } from "./pages/not-found.tsx";
import { RunsPage } from "./pages/runs.tsx";
import { loadPage } from "./shell/load-page.ts";
import { PageBoundary } from "./shell/page-boundary.tsx";
import { Shell } from "./shell/shell.tsx";
import { Unreachable } from "./shell/unreachable.tsx";

const RunPage = lazy(async () => ({ default: (await loadPage(() => import("./pages/run.tsx"))).RunPage }));
const StartPage = lazy(async () => ({ default: (await loadPage(() => import("./pages/start.tsx"))).StartPage }));
const ReviewsPage = lazy(async () => ({ default: (await loadPage(() => import("./pages/reviews.tsx"))).ReviewsPage }));
const EffectsPage = lazy(async () => ({ default: (await loadPage(() => import("./pages/effects.tsx"))).EffectsPage }));
const ModelsPage = lazy(async () => ({ default: (await loadPage(() => import("./pages/models.tsx"))).ModelsPage }));
const ToolsPage = lazy(async () => ({ default: (await loadPage(() => import("./pages/tools.tsx"))).ToolsPage }));
const UsagePage = lazy(async () => ({ default: (await loadPage(() => import("./pages/usage.tsx"))).UsagePage }));

/** The router leaves %3A and the like as they are; a broken escape is text. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function App() {
  const session = useSession();
  const [place] = useLocation();
  if (session.isError) return <Unreachable onRetry={() => void session.refetch()} />;
  if (session.data === undefined) return null;
  if (session.data === null) return <LoginPage />;
  return (
    <Shell session={session.data}>
      <PageBoundary place={place}>
        <Suspense>
          <Switch>
            <Route path="/">
              <Redirect to="/runs" replace />
            </Route>
            <Route path="/runs" component={RunsPage} />
            <Route path="/runs/:runId/:tab?">
              {({ runId, tab }) => <RunPage key={runId} runId={runId} tab={tab ?? "conversation"} />}
            </Route>
            <Route path="/start/:agent?">{({ agent }) => <StartPage agent={agent ?? null} />}</Route>
            <Route path="/reviews/:id?">{({ id }) => <ReviewsPage id={id === undefined ? null : decoded(id)} />}</Route>
            <Route path="/effects" component={EffectsPage} />
            <Route path="/models" component={ModelsPage} />
            <Route path="/tools/:id?">{({ id }) => <ToolsPage id={id === undefined ? null : decoded(id)} />}</Route>
            <Route path="/usage/:tab?">{({ tab }) => <UsagePage tab={tab ?? "spending"} />}</Route>
            <Route component={NotFoundPage} />
          </Switch>
        </Suspense>
      </PageBoundary>
    </Shell>
  );
}
