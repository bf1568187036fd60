import { chatOver } from "./direct-chat.ts";
import { isStrictSchema } from "./wire-prompt.ts";
import type { ProviderDriver } from "./provider-driver.ts";

/**
 * OpenAI. The Responses interface, because only it returns a reasoning model's thinking (encrypted), so that the next
 * turn of an agent can go on from it. Nothing is stored at OpenAI (`store: false`): the journal holds the conversation,
 * and a run must not depend on how long a provider keeps one.
 */
export const openaiDriver: ProviderDriver = {
  keyVariables: ["OPENAI_API_KEY"],
  needsKey: true,
  baseUrlVariable: "OPENAI_BASE_URL",
  baseUrl: "https://api.openai.com/v1",
  basePath: "/v1",
  traits: { marksStrictTools: true, bindsToAccount: true },
  tokenFactor: 1,
  chat: (connection, model) =>
    connection.settings.api === "chat" && connection.apiKey !== null
      ? chatOver(connection, model, "max_completion_tokens")
      : null,
  async load({ baseUrl, apiKey, settings }, model, fetch) {
    const { createOpenAI } = await import("@ai-sdk/openai");
    const headers = settings.headers === undefined ? {} : { headers: { ...settings.headers } };
    const provider = createOpenAI({ baseURL: baseUrl, apiKey: apiKey ?? "", fetch, ...headers });
    return settings.api === "chat" ? provider.chat(model) : provider.responses(model);
  },
  adapt(options, request, { settings }) {
    const schema = request.params.outputSchema;
    const openai = {
      store: false,
      // Summaries of reasoning need a verified organization; without one a request that asks for them is refused.
      reasoningSummary: null,
      ...(schema === undefined ? {} : { strictJsonSchema: isStrictSchema(schema) }),
      ...settings.options,
    };
    return { ...options, providerOptions: { openai } };
  },
};
