import { chatOver } from "./direct-chat.ts";
import { isStrictSchema } from "./wire-prompt.ts";
import type { ProviderDriver } from "./provider-driver.ts";

/**
 * Anything that speaks OpenAI's chat completions: Ollama, vLLM, llama.cpp, LM Studio, hosted open models, proxies. Chat
 * completions, because it is the one interface that all of them have. The key is optional: local servers need none.
 */
export const openaiCompatibleDriver: ProviderDriver = {
  keyVariables: ["OPENAI_COMPATIBLE_API_KEY"],
  needsKey: false,
  baseUrlVariable: "OPENAI_COMPATIBLE_BASE_URL",
  baseUrl: null,
  basePath: "/v1",
  traits: {},
  // Tokenizers of open models differ from OpenAI's in both directions.
  tokenFactor: 1.1,
  chat: (connection, model) => chatOver(connection, model, "max_tokens"),
  async load({ baseUrl, apiKey, settings }, model, fetch) {
    const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
    const provider = createOpenAICompatible({
      name: "openaiCompatible",
      baseURL: baseUrl,
      fetch,
      includeUsage: true,
      supportsStructuredOutputs: true,
      ...(apiKey === null ? {} : { apiKey }),
      ...(settings.headers === undefined ? {} : { headers: { ...settings.headers } }),
    });
    return provider.chatModel(model);
  },
  adapt(options, request, { settings }) {
    const schema = request.params.outputSchema;
    const openaiCompatible = {
      ...(schema === undefined ? {} : { strictJsonSchema: isStrictSchema(schema) }),
      ...settings.options,
    };
    return Object.keys(openaiCompatible).length === 0 ? options : { ...options, providerOptions: { openaiCompatible } };
  },
};
