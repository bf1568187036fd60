import type { Span } from "../../api/types.ts";
import { exactText, usdExact } from "../../format/figures.ts";

/** Tokens by bucket, and what they cost with the price's source. Cached and reasoning tokens are parts of input and output. */
export function BillTable({ bill }: { readonly bill: NonNullable<Span["bill"]> }) {
  const { usage } = bill;
  const plain = usage.inputTokens - usage.cachedInputTokens - usage.cacheWriteTokens;
  const rows: readonly (readonly [string, number])[] = [
    ["Input, full price", plain],
    ["Input, from cache", usage.cachedInputTokens],
    ["Input, into cache", usage.cacheWriteTokens],
    ["Output, reasoning", usage.reasoningTokens],
    ["Output, answer", usage.outputTokens - usage.reasoningTokens],
  ];
  const total = usage.inputTokens + usage.outputTokens;
  return (
    <table className="w-full text-xs tabular">
      <thead className="sr-only">
        <tr>
          <th>bucket</th>
          <th>tokens</th>
          <th>share</th>
        </tr>
      </thead>
      <tbody>
        {rows
          .filter(([, tokens]) => tokens > 0)
          .map(([name, tokens]) => (
            <tr key={name} className="h-6">
              <th scope="row" className="text-left font-normal text-soft">
                {name}
              </th>
              <td className="text-right">{exactText(tokens)}</td>
              <td className="w-24 pl-3">
                <span className="block h-1 rounded-full bg-line" aria-hidden="true">
                  <span
                    className="block h-1 rounded-full bg-accent"
                    style={{ width: `${(tokens / Math.max(1, total)) * 100}%` }}
                  />
                </span>
              </td>
            </tr>
          ))}
        <tr className="h-7 border-t border-line font-medium">
          <th scope="row" className="text-left font-medium">
            {bill.costNanoUsd === null ? "No price is known" : "Cost"}
          </th>
          <td className="text-right">{usdExact(bill.costNanoUsd)}</td>
          <td className="truncate pl-3 text-2xs font-normal text-faint" title={bill.priceSource ?? ""}>
            {bill.priceSource ?? ""}
          </td>
        </tr>
      </tbody>
    </table>
  );
}
