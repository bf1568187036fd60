import { CopyAs } from "../actions/copy-as.tsx";
import { argument, cliOf, curlOf, typescriptOf, type CopyTexts } from "../actions/copy-texts.ts";
import { useCheckModel } from "../api/models.ts";
import type { EndpointStatus, ModelCheckAnswer, Price } from "../api/types.ts";
import { countText, durationText, exactText, usdText } from "../format/figures.ts";
import { oneLine } from "../format/visible-text.ts";
import { Button } from "../ui/button.tsx";
import { Icon } from "../ui/icon.tsx";
import { problemText } from "../ui/problem.tsx";
import { Pill } from "../ui/status.tsx";
import { Figure, Figures } from "./figure.tsx";

const healths = {
  closed: { tone: "ok", text: "Well", about: "Calls go to it." },
  starting: { tone: "run", text: "Coming back", about: "It was ill: it takes few calls, and more with each success." },
  "half-open": { tone: "wait", text: "Being tried", about: "One call at a time is sent to see whether it is back." },
  open: { tone: "bad", text: "Resting", about: "Too many calls failed: nothing is sent to it for a while." },
} as const;

const unknown = {
  tone: "none",
  text: "No figures yet",
  about: "No call was counted since this process began. Calls are counted in a pool().",
} as const;
const failing = {
  tone: "wait",
  text: "Failing",
  about: "Many of its last calls failed; some more, and it rests.",
} as const;
const FAILING_FROM = 0.3;

export function lookOf({ problem, health, answered, errors, failureShare }: EndpointStatus) {
  if (problem !== null) return { tone: "bad", text: "Not usable", about: problem } as const;
  if (health === "closed" && answered === 0 && Object.keys(errors).length === 0) return unknown;
  return health === "closed" && failureShare >= FAILING_FROM ? failing : healths[health];
}

function checkTexts(route: string): CopyTexts {
  return {
    curl: curlOf("/models/check", { route }),
    typescript: typescriptOf(`checkModel(${argument({ route })})`),
    cli: cliOf("models", "check", route),
  };
}

/** One endpoint: how it is, what it carries, what it may, what it costs. */
export function EndpointRow({
  endpoint,
  usedBy,
  mayCheck,
}: {
  readonly endpoint: EndpointStatus;
  readonly usedBy: readonly string[];
  readonly mayCheck: boolean;
}) {
  const { name, provider, model, baseUrl, problem } = endpoint;
  const look = lookOf(endpoint);
  const check = useCheckModel();
  return (
    <li className="card px-4 py-3" data-endpoint={name}>
      <div className="flex flex-wrap items-start gap-x-3 gap-y-2">
        <div className="min-w-0 flex-1">
          <h3 className="flex flex-wrap items-center gap-2 font-medium">
            <span className="min-w-0 wrap-anywhere">{oneLine(name, 80)}</span>
            <Pill tone={look.tone} title={look.about}>
              {look.text}
            </Pill>
          </h3>
          <p className="truncate text-xs text-faint" title={baseUrl}>
            {provider}/{model}
            {baseUrl === "" ? "" : ` · ${baseUrl}`}
            {usedBy.length === 0 ? "" : ` · asked for by ${usedBy.join(", ")}`}
          </p>
        </div>
        {mayCheck ? (
          <div className="flex items-center gap-1">
            <CopyAs what={`check ${name}`} texts={() => checkTexts(name)} />
            <Button
              isBusy={check.isPending}
              needsServer
              title="Sends one small call, which costs what it costs"
              aria-label={`Check ${name}`}
              onClick={() => check.mutate(name)}
            >
              Check
            </Button>
          </div>
        ) : null}
      </div>
      {problem === null ? null : (
        <p className="mt-1.5 flex items-start gap-1.5 text-sm text-bad">
          <Icon name="warn" className="mt-0.5" />
          <span className="wrap-anywhere">{problem}</span>
        </p>
      )}
      <EndpointFigures endpoint={endpoint} />
      <div role="status">
        {check.data === undefined ? null : <CheckResult check={check.data} />}
        {check.error === null ? null : <p className="mt-2 text-sm text-bad">{problemText(check.error)}</p>}
      </div>
    </li>
  );
}

function EndpointFigures({ endpoint }: { readonly endpoint: EndpointStatus }) {
  const { inFlight, queued, p50Ms, p95Ms, answered, errors, failureShare, price } = endpoint;
  const hasFigures = lookOf(endpoint) !== unknown;
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
  return (
    <Figures>
      <Figure name="In flight" isLive={inFlight > 0}>
        {inFlight}
        {queued > 0 ? <span className="text-wait"> + {exactText(queued)} in line</span> : null}
      </Figure>
      <Figure name="First part, p50 / p95" title="Of the last 128 answers of this process">
        {p50Ms === null || p95Ms === null ? "none yet" : `${durationText(p50Ms)} / ${durationText(p95Ms)}`}
      </Figure>
      <Figure name="Answered" title="Since this process began">
        {hasFigures ? countText(answered) : "–"}
      </Figure>
      <Figure name="Failed" title={`${Math.round(failureShare * 100)} % of the last half minute`}>
        {failed === 0 ? hasFigures ? "0" : "–" : <span className="text-bad">{countText(failed)}</span>}
        {Object.entries(errors)
          .toSorted(([, a], [, b]) => b - a)
          .map(([code, count]) => (
            <span key={code} className="block font-mono text-2xs wrap-anywhere text-faint">
              {count} {code}
            </span>
          ))}
      </Figure>
      <Figure name="Limit a minute">{limitText(endpoint)}</Figure>
      <Figure name="Price per 1M tokens">{price === null ? <Unpriced /> : <PriceText price={price} />}</Figure>
    </Figures>
  );
}

function limitText({ requestsPerMinute, tokensPerMinute, isLimitLearnt }: EndpointStatus): string {
  const parts = [
    ...(requestsPerMinute === null ? [] : [`${countText(requestsPerMinute)} requests`]),
    ...(tokensPerMinute === null ? [] : [`${countText(tokensPerMinute)} tokens`]),
  ];
  if (parts.length === 0) return "none known";
  return `${parts.join(", ")}${isLimitLearnt ? " (told by the provider)" : ""}`;
}

function Unpriced() {
  return <span className="text-wait">unpriced: budgets count it at $100</span>;
}

function PriceText({ price }: { readonly price: Price }) {
  const cached = price.cachedInputUsd === undefined ? "" : `cached $${price.cachedInputUsd}; `;
  return (
    <>
      ${price.inputUsd} in, ${price.outputUsd} out
      <span className="block text-2xs wrap-anywhere text-faint">
        {cached}
        {oneLine(price.source, 80)}, {price.date}
      </span>
    </>
  );
}

function CheckResult({ check }: { readonly check: ModelCheckAnswer }) {
  const { error, model, ttftMs, totalMs, costNanoUsd, problems } = check;
  const isWell = error === null;
  return (
    <div className={`mt-2 rounded-md px-3 py-2 text-sm ${isWell ? "bg-ok-wash text-ok" : "bg-bad-wash text-bad"}`}>
      {isWell ? (
        <p className="flex items-start gap-1.5">
          <Icon name="check" className="mt-0.5" />
          <span>
            Answered{model === null ? "" : ` as ${oneLine(model, 60)}`}: first part after {durationText(ttftMs ?? 0)},{" "}
            {durationText(totalMs ?? 0)} in all, {usdText(costNanoUsd)}
          </span>
        </p>
      ) : null}
      {problems.map((problem) => (
        <p key={problem} className="wrap-anywhere">
          {problem}
        </p>
      ))}
    </div>
  );
}
