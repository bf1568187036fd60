import { Component, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { Empty } from "../ui/empty.tsx";

interface Props {
  /** Address of the page: another one is tried afresh. */
  readonly place: string;
  readonly children: ReactNode;
}
interface State {
  readonly failedAt: string | null;
  readonly message: string;
}

/** A page that cannot be shown says so within the shell: never a blank page. */
export class PageBoundary extends Component<Props, State> {
  override state: State = { failedAt: null, message: "" };

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { failedAt: "", message: error instanceof Error ? error.message : String(error) };
  }

  /** The place where it failed is kept with the failure, so that going elsewhere ends it. */
  static getDerivedStateFromProps({ place }: Props, { failedAt }: State): Partial<State> | null {
    if (failedAt === null || failedAt === place) return null;
    return failedAt === "" ? { failedAt: place } : { failedAt: null, message: "" };
  }

  override render(): ReactNode {
    if (this.state.failedAt === null) return this.props.children;
    return (
      <div role="alert">
        <Empty isPage icon="warn" title="This page could not be shown">
          <p>
            The server may have been upgraded while this tab was open, or it does not answer. Runs are safe: nothing
            here is lost by a reload.
          </p>
          <p className="font-mono text-xs wrap-anywhere text-faint">{this.state.message.slice(0, 300)}</p>
          <Button look="main" needsServer={false} onClick={() => location.reload()}>
            Reload
          </Button>
        </Empty>
      </div>
    );
  }
}
