import { Link } from "wouter";
import { Empty } from "../ui/empty.tsx";

export function NotFoundPage() {
  return (
    <Empty isPage icon="help" title="There is no such page">
      <p>The address may be old or cut.</p>
      <Link href="/runs" className="linkish">
        To the runs
      </Link>
    </Empty>
  );
}
