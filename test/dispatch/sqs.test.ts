import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { PawlError, type Dispatch } from "pawl";
import { sqs } from "pawl/sqs";
import { clientsMissing } from "../run/client-packages.ts";
import { skipBecause } from "../run/system-packages.ts";
import { checkLanes, checkQueue } from "./queue-checks.ts";

interface SqsServer {
  readonly address: string;
  createQueue(name: string): { readonly queueUrl: string };
  purgeAll(): void;
  reset(): void;
  stop(): Promise<void>;
}
type StartSqs = (options: {
  readonly port: number;
  readonly host: string;
  readonly logger: boolean;
}) => Promise<SqsServer>;

async function startSqs(): Promise<SqsServer> {
  const path = new URL("../clients/node_modules/fauxqs/dist/app.js", import.meta.url).href;
  const { startFauxqs } = (await import(path)) as { readonly startFauxqs: StartSqs };
  return startFauxqs({ port: 0, host: "127.0.0.1", logger: false });
}

suite("sqs", { skip: skipBecause(clientsMissing()) }, () => {
  let server: SqsServer;
  before(async () => {
    process.env["AWS_ACCESS_KEY_ID"] = "test";
    process.env["AWS_SECRET_ACCESS_KEY"] = "test";
    server = await startSqs();
  });
  after(() => server.stop());
  const queue = (name: string): Dispatch => {
    const { queueUrl } = server.createQueue(name);
    return sqs(queueUrl, { region: "us-east-1", endpoint: server.address });
  };

  test("every run ends once with three workers, also those whose messages were purged", () =>
    checkQueue(
      () => queue("runs"),
      () => Promise.resolve(server.reset()),
    ));

  test("a worker without a run's code leaves it for another", () => checkLanes(() => queue("lanes")));

  test("a queue that is not there is said, with what to check", async () => {
    const missing = sqs(`${server.address}/000000000000/missing`, { region: "us-east-1", endpoint: server.address });
    await assert.rejects(
      missing.open(),
      (error) => PawlError.is(error, "QUEUE_UNREACHABLE") && /sqs:SendMessage/.test(error.message),
    );
    await missing.close();
  });
});
