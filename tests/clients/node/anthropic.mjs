// Anthropic's official client for Node, told of the gateway by ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY alone.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ maxRetries: 0 });
const model = "mock/echo";
const ask = { model, max_tokens: 50, messages: [{ role: "user", content: "Hello world" }] };
const weather = {
  name: "weather",
  description: "How the weather is in a city",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

const checks = {
  async whole() {
    const message = await client.messages.create({ ...ask, system: "Be brief." });
    assert.equal(message.content[0].text, "Hello world");
    assert.equal(message.stop_reason, "end_turn");
    assert.ok(message.usage.input_tokens > 0);
    assert.match(message._request_id, /^req_/);
  },

  async headers() {
    const { response, request_id } = await client.messages.create(ask).withResponse();
    assert.equal(response.headers.get("x-gateway-provider"), "mock");
    assert.equal(response.headers.get("request-id"), request_id);
    assert.equal(response.headers.get("x-request-id"), request_id);
  },

  async stream() {
    const kinds = [];
    for await (const event of await client.messages.create({ ...ask, stream: true })) kinds.push(event.type);
    assert.equal(kinds[0], "message_start");
    assert.deepEqual(kinds.slice(-2), ["message_delta", "message_stop"]);
  },

  async helper() {
    const stream = client.messages.stream(ask);
    let text = "";
    stream.on("text", (delta) => (text += delta));
    const message = await stream.finalMessage();
    assert.equal(text, "Hello world");
    assert.equal(message.content[0].text, "Hello world");
    assert.ok(message.usage.output_tokens > 0);
  },

  async tools() {
    const messages = [{ role: "user", content: "How is the weather?" }];
    const call = await client.messages.stream({ ...ask, model: "mock/tools", messages, tools: [weather] }).finalMessage();
    assert.equal(call.stop_reason, "tool_use");
    const wanted = call.content.find((block) => block.type === "tool_use");
    assert.equal(wanted.name, "weather");
    assert.deepEqual(wanted.input, { city: "Oslo" });
    messages.push({ role: "assistant", content: call.content });
    const result = { type: "tool_result", tool_use_id: wanted.id, content: "12 degrees" };
    messages.push({ role: "user", content: [result] });
    const message = await client.messages.create({ ...ask, model: "mock/tools", messages, tools: [weather] });
    assert.equal(message.content[0].text, "weather answered: 12 degrees");
  },

  async models() {
    const ids = [];
    for await (const entry of client.models.list({ limit: 3 })) ids.push(entry.id);
    assert.ok(ids.includes(model));
    assert.equal((await client.models.retrieve(model)).id, model);
  },

  async counting() {
    const { max_tokens: _, ...counted } = ask;
    assert.ok((await client.messages.countTokens(counted)).input_tokens > 0);
  },

  async errors() {
    const rejected = async (call, kind, type) => {
      const error = await call.then(() => assert.fail("no error"), (caught) => caught);
      assert.ok(error instanceof kind, `${error}`);
      assert.equal(error.error?.error?.type, type);
      return error;
    };
    const stranger = new Anthropic({ apiKey: "sk-wrong", maxRetries: 0 });
    await rejected(stranger.models.list(), Anthropic.AuthenticationError, "authentication_error");
    const unknown = client.messages.create({ ...ask, model: "mock/ecko" });
    const error = await rejected(unknown, Anthropic.NotFoundError, "not_found_error");
    assert.match(error.requestID, /^req_/);
    const limited = client.messages.create({ ...ask, model: "mock/limited" });
    await rejected(limited, Anthropic.RateLimitError, "rate_limit_error");
    for (const [name, type] of [["mock/cut", "api_error"], ["mock/broken", "overloaded_error"]]) {
      const broken = client.messages.stream({ ...ask, model: name });
      await rejected(broken.finalMessage(), Anthropic.APIError, type);
    }
  },

  // What comes of these upstream is looked at by who runs this.
  async leaving() {
    const stuck = { ...ask, model: "up/model" };
    const aborted = new AbortController();
    const whole = client.messages.create(stuck, { signal: aborted.signal });
    setTimeout(() => aborted.abort(), 100);
    await assert.rejects(whole, Anthropic.APIUserAbortError);
    await assert.rejects(client.messages.create(stuck, { timeout: 100 }), Anthropic.APIConnectionTimeoutError);
    for await (const event of await client.messages.create({ ...stuck, stream: true })) {
      if (event.type === "content_block_delta") break;
    }
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`${name}: ok`);
}
