import { randomUUID } from "node:crypto";
import type {
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from "@modelcontextprotocol/client";
import { PawlError } from "../core/errors.ts";
import { isJsonObject, parseJson } from "../core/json.ts";

/**
 * Where tokens are kept between processes: `sealedFile`, or a vault. Pawl keeps them nowhere else, and reads them there for
 * each request: another process may have got newer ones.
 */
export interface TokenShelf {
  read(): Promise<string | null>;
  write(text: string): Promise<void>;
}

export interface McpOAuthOptions {
  readonly tokens: TokenShelf;
  /** Where the authorization server sends people back to; default `http://127.0.0.1:7297/callback`, for `pawl mcp login`. */
  readonly redirectUrl?: string;
  /** A client that is registered already; else it registers itself, or is known by `clientMetadataUrl`. */
  readonly client?: { readonly client_id: string; readonly client_secret?: string };
  readonly clientMetadataUrl?: string;
  readonly clientName?: string;
  readonly scope?: string;
  /** Sends a person to `url`; resolves with the address at which they came back. Absent: only tokens that are kept are used. */
  readonly authorize?: (url: URL) => Promise<URL>;
}

interface Kept {
  readonly client?: StoredOAuthClientInformation;
  readonly tokens?: StoredOAuthTokens;
}

const LOOPBACK = "http://127.0.0.1:7297/callback";

/** An OAuth client for one MCP server: authorization code with PKCE, refresh, registration as the server offers it. */
export class McpOAuth implements OAuthClientProvider {
  readonly #options: McpOAuthOptions;
  /** Sends a person, in place of `authorize`; what is kept is not used until they came back. */
  #send: McpOAuthOptions["authorize"];
  /** The tokens that were given out last. */
  #used = "";
  #state = "";
  #verifier = "";
  #discovered: OAuthDiscoveryState | undefined;
  #back: URLSearchParams | null = null;
  readonly clientMetadataUrl?: string;

  constructor(options: McpOAuthOptions) {
    this.#options = options;
    if (options.clientMetadataUrl !== undefined) this.clientMetadataUrl = options.clientMetadataUrl;
  }

  get redirectUrl(): string {
    return this.#options.redirectUrl ?? LOOPBACK;
  }

  get clientMetadata(): OAuthClientMetadata {
    const { clientName = "Pawl", scope } = this.#options;
    return {
      client_name: clientName,
      redirect_uris: [this.redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      ...(scope !== undefined && { scope }),
    };
  }

  /** With what a person came back, once. */
  takeReturn(): URLSearchParams | null {
    const back = this.#back;
    this.#back = null;
    return back;
  }

  state(): string {
    this.#state = randomUUID();
    return this.#state;
  }

  async clientInformation(): Promise<StoredOAuthClientInformation | undefined> {
    return this.#options.client ?? (await this.#read()).client;
  }

  async saveClientInformation(client: StoredOAuthClientInformation): Promise<void> {
    await this.#write({ ...(await this.#read()), client });
  }

  async tokens(): Promise<StoredOAuthTokens | undefined> {
    if (this.#send !== undefined) return undefined;
    const { tokens } = await this.#read();
    this.#used = JSON.stringify(tokens);
    return tokens;
  }

  async saveTokens(tokens: StoredOAuthTokens): Promise<void> {
    this.#send = undefined;
    await this.#write({ ...(await this.#read()), tokens });
  }

  /** A person is sent the next time that the server wants to know who asks, whatever is kept. */
  askAnew(send: NonNullable<McpOAuthOptions["authorize"]>): void {
    this.#send = send;
  }

  async redirectToAuthorization(url: URL): Promise<void> {
    const authorize = this.#send ?? this.#options.authorize;
    if (authorize === undefined)
      throw new PawlError(
        "AUTH_INVALID",
        'the MCP server wants a person to let Pawl in. Run "pawl mcp login" with its name.',
      );
    const { searchParams } = await authorize(url);
    if (this.#state === "" || searchParams.get("state") !== this.#state)
      throw new PawlError(
        "AUTH_INVALID",
        "a person came back from another authorization than was asked for. Try again.",
      );
    this.#state = "";
    this.#back = searchParams;
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  codeVerifier(): string {
    return this.#verifier;
  }

  saveDiscoveryState(found: OAuthDiscoveryState): void {
    this.#discovered = found;
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.#discovered;
  }

  async invalidateCredentials(scope: "all" | "client" | "tokens" | "verifier" | "discovery"): Promise<void> {
    const { client, tokens } = await this.#read();
    if (scope === "all" || scope === "discovery") this.#discovered = undefined;
    if (scope === "all") await this.#write({});
    if (scope === "client") await this.#write({ ...(tokens && { tokens }) });
    // what another process has got meanwhile is good
    if (scope === "tokens" && JSON.stringify(tokens) === this.#used) await this.#write({ ...(client && { client }) });
  }

  async #read(): Promise<Kept> {
    const text = await this.#options.tokens.read();
    const parsed = text === null ? null : parseJson(text);
    // the cast: only `#write` writes there
    return parsed?.ok === true && isJsonObject(parsed.value) ? (parsed.value as unknown as Kept) : {};
  }

  async #write(kept: Kept): Promise<void> {
    await this.#options.tokens.write(JSON.stringify(kept));
  }
}
