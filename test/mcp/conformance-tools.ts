/** The tools that the conformance suite asks of a server: tools of Pawl, offered by the gateway. */
import { setTimeout as wait } from "node:timers/promises";
import { tool } from "pawl";
import { z } from "zod";
import type { JsonObject } from "../../src/core/json.ts";
import type { ToolDefinition } from "../../src/core/tool-contract.ts";

// one red pixel; a WAV file without a sample
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const silence = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
const image = { type: "image", data: pixel, mimeType: "image/png" };

function fixture(name: string, execute: () => unknown, jsonSchema?: JsonObject): ToolDefinition {
  return tool({
    name,
    version: "1",
    description: `What the suite asks of ${name}.`,
    inputSchema: z.looseObject({}),
    ...(jsonSchema && { jsonSchema }),
    effect: "pure",
    attempts: 1,
    execute,
  });
}

const resource = (uri: string, mimeType: string, text: string) => ({
  type: "resource",
  resource: { uri, mimeType, text },
});

export const fixtureTools: readonly ToolDefinition[] = [
  fixture("test_simple_text", () => "This is a simple text response for testing."),
  fixture("test_error_handling", () => {
    throw new Error("This tool intentionally returns an error for testing");
  }),
  fixture("test_image_content", () => ({ content: [image] })),
  fixture("test_audio_content", () => ({ content: [{ type: "audio", data: silence, mimeType: "audio/wav" }] })),
  fixture("test_embedded_resource", () => ({
    content: [resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")],
  })),
  fixture("test_multiple_content_types", () => ({
    content: [
      { type: "text", text: "Multiple content types test:" },
      image,
      resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ],
  })),
  fixture("test_tool_with_progress", async () => {
    await wait(800);
    return "It was worked on.";
  }),
  fixture("json_schema_2020_12_tool", () => "It fits.", {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    $defs: {
      address: { type: "object", properties: { street: { type: "string" }, city: { type: "string" } } },
    },
    properties: { name: { type: "string" }, address: { $ref: "#/$defs/address" } },
    additionalProperties: false,
  }),
];
