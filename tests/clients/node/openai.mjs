// The official client for Node, told of the gateway by OPENAI_BASE_URL and OPENAI_API_KEY alone.
import assert from "node:assert/strict";
import { once } from "node:events";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const client = new OpenAI({ maxRetries: 0 });
const model = "mock/echo";
const messages = [{ role: "user", content: "Hello world" }];
const weather = {
  type: "function",
  function: {
    name: "weather",
    description: "How the weather is in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

async function collect(stream) {
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
  return text;
}

const checks = {
  async whole() {
    const answer = await client.chat.completions.create({ model, messages });
    assert.equal(answer.choices[0].message.content, "Hello world");
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    assert.match(answer._request_id, /^req_/);
  },

  async headers() {
    const { data, response, request_id } = await client.chat.completions.create({ model, messages }).withResponse();
    assert.equal(data.choices[0].message.content, "Hello world");
    assert.equal(response.headers.get("x-gateway-provider"), "mock");
    assert.equal(response.headers.get("x-gateway-model"), "echo");
    assert.equal(response.headers.get("x-request-id"), request_id);
  },

  async stream() {
    const stream = await client.chat.completions.create({
      model, messages, stream: true, stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.equal(chunks[0].choices[0].delta.role, "assistant");
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "Hello world");
    assert.deepEqual(chunks.at(-1).choices, []);
    assert.ok(chunks.at(-1).usage.total_tokens > 0);
    assert.equal(chunks.at(-2).choices[0].finish_reason, "stop");
  },

  async manyStreams() {
    const texts = Array.from({ length: 50 }, (_, number) => `caller ${number}`);
    const answers = texts.map(async (content) =>
      collect(await client.chat.completions.create({ model, messages: [{ role: "user", content }], stream: true })),
    );
    assert.deepEqual(await Promise.all(answers), texts);
  },

  async helper() {
    const stream = client.chat.completions.stream({ model, messages });
    let text = "";
    stream.on("content", (delta) => (text += delta));
    const answer = await stream.finalChatCompletion();
    assert.equal(text, "Hello world");
    assert.equal(answer.choices[0].message.content, "Hello world");
  },

  async tools() {
    const ask = { role: "user", content: "How is the weather?" };
    const call = await client.chat.completions.create({ model: "mock/tools", messages: [ask], tools: [weather] });
    assert.equal(call.choices[0].finish_reason, "tool_calls");
    const [wanted] = call.choices[0].message.tool_calls;
    assert.equal(wanted.function.name, "weather");
    assert.deepEqual(JSON.parse(wanted.function.arguments), { city: "Oslo" });
    const result = { role: "tool", tool_call_id: wanted.id, content: "12 degrees" };
    const answer = await client.chat.completions.create({
      model: "mock/tools", messages: [ask, call.choices[0].message, result], tools: [weather],
    });
    assert.equal(answer.choices[0].message.content, "weather answered: 12 degrees");
  },

  async runTools() {
    const asked = [];
    const run = async (city) => (asked.push(city), "12 degrees");
    const runner = client.chat.completions.runTools({
      model: "mock/tools",
      messages: [{ role: "user", content: "How is the weather?" }],
      stream: true,
      tools: [{ ...weather, function: { ...weather.function, function: ({ city }) => run(city), parse: JSON.parse } }],
    });
    assert.equal(await runner.finalContent(), "weather answered: 12 degrees");
    assert.deepEqual(asked, ["Oslo"]);
  },

  async parse() {
    const Report = z.object({ title: z.string(), moods: z.array(z.enum(["good", "bad"])), note: z.string().nullable() });
    const response_format = zodResponseFormat(Report, "report");
    const answer = await client.chat.completions.parse({ model, messages, response_format });
    assert.ok(Report.safeParse(answer.choices[0].message.parsed).success);
  },

  async models() {
    const ids = [];
    for await (const entry of client.models.list()) ids.push(entry.id);
    assert.ok(ids.includes(model));
    assert.equal((await client.models.retrieve(model)).id, model);
  },

  async errors() {
    const rejected = async (call, kind, wanted) => {
      const error = await call.then(() => assert.fail("no error"), (caught) => caught);
      assert.ok(error instanceof kind, `${error}`);
      for (const [name, value] of Object.entries(wanted)) assert.equal(error[name], value);
      return error;
    };
    const stranger = new OpenAI({ apiKey: "sk-wrong", maxRetries: 0 });
    await rejected(stranger.models.list(), OpenAI.AuthenticationError, { status: 401, code: "invalid_api_key" });
    const unknown = client.chat.completions.create({ model: "mock/ecko", messages });
    const error = await rejected(unknown, OpenAI.NotFoundError, { code: "model_not_found", param: "model" });
    assert.match(error.requestID, /^req_/);
    const wrong = client.chat.completions.create({ model, messages, temperature: 9 });
    await rejected(wrong, OpenAI.BadRequestError, { type: "invalid_request_error", param: "temperature" });
    const limited = client.chat.completions.create({ model: "mock/limited", messages });
    await rejected(limited, OpenAI.RateLimitError, { status: 429, code: "rate_limit_exceeded" });
    for (const name of ["mock/cut", "mock/broken"]) {
      const broken = client.chat.completions.create({ model: name, messages, stream: true });
      await rejected(broken.then(collect), OpenAI.APIError, {});
    }
  },

  async embeddings() {
    const { data, usage } = await client.embeddings.create({ model: "mock/embed", input: ["Hello", "world"] });
    assert.deepEqual(data.map((item) => item.index), [0, 1]);
    assert.ok(Math.abs(Math.hypot(...data[0].embedding) - 1) < 1e-5);
    assert.ok(usage.total_tokens > 0);
    const floats = await client.embeddings.create({ model: "mock/embed", input: "Hello", encoding_format: "float" });
    assert.deepEqual([...data[0].embedding], floats.data[0].embedding);
  },

  async completions() {
    const answer = await client.completions.create({ model, prompt: "Hello world" });
    assert.equal(answer.choices[0].text, "Hello world");
    const stream = await client.completions.create({ model, prompt: "Hello world", stream: true });
    let text = "";
    for await (const event of stream) text += event.choices[0].text;
    assert.equal(text, "Hello world");
  },

  async moderations() {
    const { results } = await client.moderations.create({ input: ["I will kill you", "Good morning"] });
    assert.deepEqual(results.map((result) => result.flagged), [true, false]);
  },

  async retries() {
    const answer = await client.chat.completions.create({ model: "mock/flaky", messages }, { maxRetries: 1 });
    assert.equal(answer.choices[0].message.content, "Hello world");
  },

  async timeout() {
    const stuck = client.chat.completions.create({ model: "mock/stuck", messages }, { timeout: 300 });
    await assert.rejects(stuck, OpenAI.APIConnectionTimeoutError);
  },

  async abort() {
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const stuck = client.chat.completions.create({ model: "up/model", messages }, options);
    controller.abort();
    await assert.rejects(stuck, OpenAI.APIUserAbortError);
  },

  async abortStream() {
    const stream = await client.chat.completions.create({ model: "up/model", messages, stream: true });
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
    assert.ok(stream.controller.signal.aborted);
  },

  async abortHelper() {
    const stream = client.chat.completions.stream({ model: "up/model", messages });
    const ended = once(stream, "abort");
    stream.on("content", () => stream.abort());
    await ended;
    assert.ok(stream.aborted);
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`${name}: ok`);
}
