import type { ProviderDriver } from "./provider-driver.ts";

const THINKS = /gemini-(2\.5|[3-9])(?!.*(image|tts|audio|live))/;

/** Google's Gemini API. Summaries of its thoughts are asked for, so that a stream shows progress. */
export const googleDriver: ProviderDriver = {
  keyVariables: ["GOOGLE_GENERATIVE_AI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"],
  needsKey: true,
  baseUrlVariable: "GOOGLE_GENERATIVE_AI_BASE_URL",
  baseUrl: "https://generativelanguage.googleapis.com/v1beta",
  basePath: "/v1beta",
  traits: {},
  tokenFactor: 1.1,
  async load({ baseUrl, apiKey, settings }, model, fetch) {
    const { createGoogle } = await import("@ai-sdk/google");
    const headers = settings.headers === undefined ? {} : { headers: { ...settings.headers } };
    return createGoogle({ baseURL: baseUrl, apiKey: apiKey ?? "", fetch, ...headers })(model);
  },
  adapt(options, _request, { model, settings }) {
    const google = {
      ...(THINKS.test(model) ? { thinkingConfig: { includeThoughts: true } } : {}),
      ...settings.options,
    };
    return Object.keys(google).length === 0 ? options : { ...options, providerOptions: { google } };
  },
};
