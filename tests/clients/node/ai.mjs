// Vercel's AI SDK, with its provider for OpenAI-compatible servers.
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, cosineSimilarity, embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const gateway = createOpenAICompatible({
  name: "gateway",
  baseURL: process.env.OPENAI_BASE_URL,
  apiKey: process.env.OPENAI_API_KEY,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const prompt = "Hello world";
const asked = [];
const weather = tool({
  description: "How the weather is in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => (asked.push(city), "12 degrees"),
});

const checks = {
  async whole() {
    const answer = await generateText({ model: gateway("mock/echo"), prompt });
    assert.equal(answer.text, "Hello world");
    assert.equal(answer.finishReason, "stop");
    assert.ok(answer.usage.totalTokens > 0);
  },

  async stream() {
    const answer = streamText({ model: gateway("mock/echo"), prompt });
    let text = "";
    for await (const delta of answer.textStream) text += delta;
    assert.equal(text, "Hello world");
    assert.ok((await answer.usage).totalTokens > 0);
  },

  async tools() {
    const ask = { model: gateway("mock/tools"), prompt: "How is the weather?", tools: { weather }, stopWhen: stepCountIs(3) };
    assert.match((await generateText(ask)).text, /^weather answered: .*12 degrees/);
    assert.match(await streamText(ask).text, /^weather answered: .*12 degrees/);
    assert.deepEqual(asked, ["Oslo", "Oslo"]);
  },

  async object() {
    const schema = z.object({ title: z.string(), moods: z.array(z.enum(["good", "bad"])) });
    const { output } = await generateText({ model: gateway("mock/echo"), prompt, output: Output.object({ schema }) });
    assert.ok(schema.safeParse(output).success);
  },

  async errors() {
    const unknown = generateText({ model: gateway("mock/ecko"), prompt });
    const error = await unknown.then(() => assert.fail("no error"), (caught) => caught);
    assert.ok(APICallError.isInstance(error), `${error}`);
    assert.equal(error.statusCode, 404);
    for (const name of ["mock/cut", "mock/broken"]) {
      const kinds = [];
      const broken = streamText({ model: gateway(name), prompt, onError: () => {} });
      for await (const part of broken.fullStream) kinds.push(part.type);
      assert.ok(kinds.includes("error"), `${name}: ${kinds}`);
    }
  },

  async embeddings() {
    const model = gateway.textEmbeddingModel("mock/embed");
    const { embeddings, usage } = await embedMany({ model, values: ["Hello", "Hello!", "Good morning"] });
    assert.ok(cosineSimilarity(embeddings[0], embeddings[1]) > cosineSimilarity(embeddings[0], embeddings[2]));
    assert.ok(usage.tokens > 0);
  },

  async completions() {
    const model = gateway.completionModel("mock/echo");
    assert.match((await generateText({ model, prompt })).text, /Hello world/);
    assert.match(await streamText({ model, prompt }).text, /Hello world/);
  },

  async retries() {
    const answer = await generateText({ model: gateway("mock/flaky"), prompt, maxRetries: 1 });
    assert.equal(answer.text, "Hello world");
  },

  async abort() {
    const controller = new AbortController();
    const answer = streamText({ model: gateway("up/model"), prompt, abortSignal: controller.signal });
    const kinds = [];
    for await (const part of answer.fullStream) {
      kinds.push(part.type);
      if (part.type === "text-delta") controller.abort();
    }
    assert.equal(kinds.at(-1), "abort");
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`${name}: ok`);
}
