// A provider of the Anthropic API that answers as it is told, one step per request: what the real
// provider does when things go wrong. The last step repeats.
import http from "node:http";

const frame = (type, more = {}) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;

const usage = { input_tokens: 10, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 1 };

const started = (model) =>
  frame("message_start", {
    message: { id: "msg_scripted", type: "message", role: "assistant", model, content: [], stop_reason: null, stop_sequence: null, usage },
  });

const opened = (index, block) => frame("content_block_start", { index, content_block: block });
const closed = (index) => frame("content_block_stop", { index });

function textBlock(index, text) {
  return [opened(index, { type: "text", text: "" }), frame("content_block_delta", { index, delta: { type: "text_delta", text } }), closed(index)];
}

function toolBlock(index, name, input, id) {
  return [
    opened(index, { type: "tool_use", id, name, input: {} }),
    frame("content_block_delta", { index, delta: { type: "input_json_delta", partial_json: JSON.stringify(input) } }),
    closed(index),
  ];
}

const ended = (reason) =>
  frame("message_delta", { delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: 5 } }) + frame("message_stop");

const errorEvent = (type, message) => frame("error", { error: { type, message } });
const envelope = (type, message) => JSON.stringify({ type: "error", error: { type, message }, request_id: "req_scripted" });

// Steps.
export const text = (words = "done") => ({ blocks: (model) => [textBlock(0, words)], whole: [{ type: "text", text: words }], reason: "end_turn" });
export const tool = (name, input, more = {}) => ({
  blocks: () => [toolBlock(0, name, input, "toolu_scripted_1"), ...(more.words ? [textBlock(1, more.words)] : [])],
  whole: [{ type: "tool_use", id: "toolu_scripted_1", name, input }],
  reason: "tool_use",
});
export const thinkingThen = (name, input) => ({
  blocks: () => [
    [
      opened(0, { type: "thinking", thinking: "", signature: "" }),
      frame("content_block_delta", { index: 0, delta: { type: "thinking_delta", thinking: "hm" } }),
      frame("content_block_delta", { index: 0, delta: { type: "signature_delta", signature: "c2NyaXB0ZWQ=" } }),
      closed(0),
    ],
    toolBlock(1, name, input, "toolu_scripted_2"),
  ],
  whole: [],
  reason: "tool_use",
});
export const status = (code, type, message, headers = {}) => ({ status: code, body: envelope(type, message), headers });
export const raw = (code, body, headers = {}) => ({ status: code, body, headers });
export const reset = () => ({ reset: true });
// A stream that ends badly: after `events` of its frames, by "rst", "eof", or an error event of that type.
export const broken = (step, events, how) => ({ ...step, cut: events, how });

function pieces(step, model) {
  return [started(model), ...step.blocks(model).flat(), ended(step.reason)];
}

function serveStream(response, step, model) {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "request-id": "req_scripted" });
  const all = pieces(step, model);
  if (step.cut === undefined) return response.end(all.join(""));
  const sent = all.slice(0, step.cut).join("");
  const finish = () => {
    if (step.how === "rst") response.socket.resetAndDestroy();
    else if (step.how === "eof") response.end();
    else response.end(errorEvent(step.how, "the stream went wrong"));
  };
  response.flushHeaders();
  // What was sent must arrive before the connection is torn down.
  response.write(sent || ": \n\n", () => setTimeout(finish, 150));
}

function serve(response, step, body) {
  if (step.reset) return response.socket.resetAndDestroy();
  if (step.status) {
    response.writeHead(step.status, { "content-type": "application/json", "request-id": "req_scripted", ...step.headers });
    return response.end(step.body);
  }
  if (body.stream) return serveStream(response, step, body.model);
  response.writeHead(200, { "content-type": "application/json", "request-id": "req_scripted" });
  const message = { id: "msg_scripted", type: "message", role: "assistant", model: body.model, content: step.whole, stop_reason: step.reason, stop_sequence: null, usage };
  response.end(JSON.stringify(message));
}

export async function startScripted(steps) {
  const requests = [];
  const counts = [];
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on("data", (chunk) => parts.push(chunk));
    request.on("end", () => {
      const path = request.url.split("?")[0];
      if (request.method !== "POST") return response.writeHead(request.method === "HEAD" ? 200 : 404).end();
      const bytes = Buffer.concat(parts);
      const body = JSON.parse(bytes.toString());
      if (path.endsWith("/count_tokens")) {
        counts.push(body);
        response.writeHead(200, { "content-type": "application/json" });
        return response.end('{"input_tokens":7}');
      }
      const step = steps[Math.min(requests.length, steps.length - 1)];
      requests.push({ url: request.url, headers: request.headers, rawHeaders: request.rawHeaders, body, bytes, at: Date.now() });
      serve(response, step, body);
    });
  });
  server.keepAliveTimeout = 60000;
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    requests,
    counts,
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
