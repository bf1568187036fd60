import { Button } from "../ui/button.tsx";
import { Empty } from "../ui/empty.tsx";

/** The server does not answer: what to do, and a way to try again. */
export function Unreachable({ onRetry }: { readonly onRetry: () => void }) {
  return (
    <main className="flex h-full items-center">
      <Empty isPage icon="warn" title="The server does not answer">
        <p>
          Start it with <code className="font-mono text-ink">pawl up</code>, or look at its terminal. Runs are safe:
          they go on when it is back.
        </p>
        <Button onClick={onRetry}>Try again</Button>
      </Empty>
    </main>
  );
}
