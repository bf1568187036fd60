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

/** Where tokens are kept between processes: a vault, a file that only its owner reads. Pawl keeps them nowhere else. */
export interface TokenShelf {
  read(): Promise<string | null>;
  write(text: string): Promise<void>;
}

export interface McpOAuthOptions {
  readonly tokens: TokenShelf;
  /** Where the authorization server sends people back to. */
  readonly redirectUrl: string;
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

/** An OAuth client for one MCP server: authorization code with PKCE, refresh, registration as the server offers it. */
export class McpOAuth implements OAuthClientProvider {
  readonly #options: McpOAuthOptions;
  #kept: Kept | null = null;
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
    return this.#options.redirectUrl;
  }

  get clientMetadata(): OAuthClientMetadata {
    const { redirectUrl, clientName = "Pawl", scope } = this.#options;
    return {
      client_name: clientName,
      redirect_uris: [redirectUrl],
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
    return (await this.#read()).tokens;
  }

  async saveTokens(tokens: StoredOAuthTokens): Promise<void> {
    await this.#write({ ...(await this.#read()), tokens });
  }

  async redirectToAuthorization(url: URL): Promise<void> {
    const { authorize } = this.#options;
    if (authorize === undefined)
      throw new PawlError(
        "AUTH_INVALID",
        "the MCP server wants a person to authorize Pawl. Give mcpOAuth({ authorize }).",
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
    if (scope === "tokens") await this.#write({ ...(client && { client }) });
  }

  async #read(): Promise<Kept> {
    if (this.#kept !== null) return this.#kept;
    const text = await this.#options.tokens.read();
    const parsed = text === null ? null : parseJson(text);
    // the cast: only `#write` writes there
    this.#kept = parsed?.ok === true && isJsonObject(parsed.value) ? (parsed.value as unknown as Kept) : {};
    return this.#kept;
  }

  async #write(kept: Kept): Promise<void> {
    this.#kept = kept;
    await this.#options.tokens.write(JSON.stringify(kept));
  }
}
