import { ClientError, PawlClient } from "../../../src/client.ts";
import { watchedFetch } from "./reach.ts";

/** The gateway that served this page; who asks, a cookie says that no script reads. */
export const client: PawlClient = new PawlClient({ url: "", fetch: watchedFetch });

export { ClientError };

/** A client of its own for a stream, so that one knows when its connection stands. */
export function streamClient(onOpen: () => void): PawlClient {
  return new PawlClient({
    url: "",
    fetch: async (address, init) => {
      const response = await watchedFetch(address, { ...init, cache: "no-store" });
      if (response.ok) onOpen();
      return response;
    },
  });
}
