// Streaming and accounting: who is charged what when something breaks. Numbers are those of the
// fault table (docs/reliability.md).
import test from "node:test";
import assert from "node:assert/strict";
import net from "node:net";
import { execFileSync } from "node:child_process";
import { sleep, startGateway, startPair, until, model, masterKey } from "./support/processes.mjs";
import { anthropicConfig, ask, chunk, events, message, sse, startRaw, streamHead, whole } from "./support/raw.mjs";

const at = (port, extra = {}) => ({ url: `http://127.0.0.1:${port}`, ...extra });
async function gatewayFor(t, rows, settings = "") {
  const gateway = await startGateway({ config: anthropicConfig(rows, settings) });
  t.after(async () => {
    await gateway.stop();
    gateway.remove();
  });
  return gateway;
}

// A raw client: sends a stream request, and leaves when `when` says so.
function leave(gateway, content, when) {
  return new Promise((done) => {
    const socket = net.connect(gateway.port, "127.0.0.1");
    const text = JSON.stringify({ model: "m", max_tokens: 50, stream: true, messages: [{ role: "user", content }] });
    let seen = "";
    socket.on("error", () => {});
    socket.on("data", (data) => {
      seen += data;
      if (when(seen)) socket.destroy();
    });
    socket.on("close", () => done(seen));
    socket.write(
      `POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: ${masterKey}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
    if (when("")) setTimeout(() => socket.destroy(), 150);
  });
}

test("D53 the client leaves before, in and after the answer: the upstream is let go within 100 ms, one row each", async (t) => {
  const closed = {};
  const upstream = await startRaw(t, (socket, request) => {
    const content = JSON.parse(request.body).messages[0].content;
    socket.on("close", () => (closed[content] = Date.now()));
    if (content === "before") return;
    socket.write(streamHead + chunk(sse(events("many words ".repeat(50)).slice(0, 3))));
    if (content === "after") socket.write(chunk(sse(events().slice(3))) + "0\r\n\r\n");
  });
  const gateway = await gatewayFor(t, [at(upstream.port)]);
  for (const [content, when] of [
    ["before", () => true],
    ["in", (seen) => seen.includes("content_block_delta")],
    ["after", (seen) => seen.includes("message_stop")],
  ]) {
    await leave(gateway, content, when);
    const left = Date.now();
    if (content === "after") continue;
    await until(`the upstream of "${content}" to be let go`, () => closed[content], 5000);
    assert.ok(closed[content] - left < 100, `${closed[content] - left} ms`);
  }
  const rows = await gateway.rows(3);
  assert.equal(rows.length, 3);
  const [before, inside, after] = rows;
  assert.equal(before.status, "failure");
  assert.equal(before.spend, 0);
  assert.equal(inside.status, "failure");
  assert.ok(inside.completion_tokens >= (50 * 11) / 8, `${inside.completion_tokens} tokens for 550 bytes`);
  assert.ok(inside.spend > 0);
  assert.equal(after.status, "success");
});

test("D54 the usage would have come last, the stream is cut: estimated, and flagged", async (t) => {
  const upstream = await startRaw(t, (socket) => {
    socket.write(streamHead + chunk(sse(events("word ".repeat(200)).slice(0, 3))));
    setTimeout(() => socket.destroy(), 50);
  });
  const gateway = await gatewayFor(t, [at(upstream.port)]);
  const answer = await ask(gateway, { stream: true });
  assert.match(answer.text, /event: error/);
  const [row] = await gateway.rows(1);
  const detail = await gateway.get(`/spend/logs/ui/${row.request_id}`);
  assert.ok(detail.completion_tokens >= 150, `${detail.completion_tokens}`);
  assert.equal(detail.estimated ?? detail.metadata?.estimated, true, JSON.stringify(detail).slice(0, 600));
});

test("D56 usage in several message_delta is cumulative: the last counts", async (t) => {
  const list = events();
  const delta = (output) => ["message_delta", { type: "message_delta", delta: { stop_reason: output === 30 ? "end_turn" : null }, usage: { output_tokens: output } }];
  list.splice(4, 1, delta(10), delta(20), delta(30));
  const upstream = await startRaw(t, (socket) => socket.write(streamHead + chunk(sse(list)) + "0\r\n\r\n"));
  const gateway = await gatewayFor(t, [at(upstream.port)]);
  await ask(gateway, { stream: true });
  const [row] = await gateway.rows(1);
  assert.equal(row.completion_tokens, 30);
});

test("D57 cache writes of five minutes and an hour, cache reads and output are priced apart", async (t) => {
  const usage = {
    input_tokens: 1000, output_tokens: 100, cache_read_input_tokens: 10000, cache_creation_input_tokens: 3000,
    cache_creation: { ephemeral_5m_input_tokens: 1000, ephemeral_1h_input_tokens: 2000 },
  };
  const upstream = await startRaw(t, (socket) => socket.write(whole(message("x", usage))));
  const prices = { input: 1e-6, output: 2e-5, read: 3e-7, five: 4e-6, hour: 5e-5 };
  const params = `      input_cost_per_token: ${prices.input}\n      output_cost_per_token: ${prices.output}\n      cache_read_input_token_cost: ${prices.read}\n      cache_creation_input_token_cost: ${prices.five}\n      cache_creation_input_token_cost_above_1hr: ${prices.hour}\n`;
  const gateway = await gatewayFor(t, [at(upstream.port, { params })]);
  await ask(gateway);
  const [row] = await gateway.rows(1);
  const expected = 1000 * prices.input + 100 * prices.output + 10000 * prices.read + 1000 * prices.five + 2000 * prices.hour;
  assert.ok(Math.abs(row.spend - expected) < 1e-9, `${row.spend} instead of ${expected}`);
});

test("D58 a model without a known price: a conservative one, warned of once, never free", async (t) => {
  const upstream = await startRaw(t, (socket) => socket.write(whole(message("x", { input_tokens: 1000, output_tokens: 1000 }))));
  const config = anthropicConfig([at(upstream.port)]).replace("anthropic/claude-sonnet-4-5", "anthropic/claude-unheard-of-9");
  const gateway = await startGateway({ config });
  t.after(() => gateway.stop().then(() => gateway.remove()));
  for (let i = 0; i < 3; i++) assert.equal((await ask(gateway)).status, 200);
  const rows = await gateway.rows(3);
  assert.ok(rows.every((row) => row.spend > 0.01), `${rows[0].spend}`);
  assert.equal(gateway.output.match(/no price is known/g)?.length, 1);
});

test("D59 retries and failovers: every attempt is recorded, only the billed one is summed", async (t) => {
  const failing = await startRaw(t, (socket) => socket.write(whole({ type: "error", error: { type: "api_error", message: "no" } }, { status: "500 Internal Server Error" })));
  const good = await startRaw(t, (socket) => socket.write(whole(message("x", { input_tokens: 1000, output_tokens: 100 }))));
  const gateway = await gatewayFor(t, [at(failing.port, { params: "      order: 1\n" }), at(good.port, { params: "      order: 2\n" })]);
  await ask(gateway);
  const [row] = await gateway.rows(1);
  const { attempts } = await gateway.get(`/spend/logs/ui/${row.request_id}`);
  assert.deepEqual(attempts.map((attempt) => attempt.status), [500, 200]);
  assert.equal(row.prompt_tokens, 1000);
  const alone = await gatewayFor(t, [at(good.port)]);
  await ask(alone);
  assert.equal((await alone.rows(1))[0].spend, row.spend);
});

test("D60 many streams and one reader that has stopped: the others do not notice", async (t) => {
  const { gateway } = await startPair(t, { provider: { eventMs: 2 } });
  // 10,000 where the system gives a process the descriptors: two per stream, and workers get uneven shares.
  const most = Number(execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" })) || Infinity;
  const streams = Math.min(10_000, Math.floor((most - 200) / 2.4));
  const content = "[[sim: long 60]]";
  const request = (extra = "") => {
    const text = JSON.stringify({ model, max_tokens: 4000, stream: true, messages: [{ role: "user", content: extra || content }] });
    return `POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: ${masterKey}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
  };
  const run = (count) =>
    Promise.all(
      Array.from(
        { length: count },
        () =>
          new Promise((done, fail) => {
            const begun = Date.now();
            const socket = net.connect(gateway.port, "127.0.0.1");
            let tail = "", first = 0;
            socket.on("error", fail);
            socket.on("data", (data) => {
              first ||= Date.now() - begun;
              tail = (tail + data.toString("latin1")).slice(-400);
            });
            socket.on("close", () => (tail.includes("message_stop") ? done({ first, all: Date.now() - begun }) : fail(new Error(`cut: ${tail}`))));
            socket.write(request());
          }),
      ),
    );
  const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
  const quiet = median((await run(streams)).map(({ all }) => all));
  const stalled = net.connect(gateway.port, "127.0.0.1");
  t.after(() => stalled.destroy());
  stalled.on("error", () => {});
  stalled.write(request("[[sim: long 20000]]"));
  stalled.pause();
  await sleep(300);
  const beside = median((await run(streams)).map(({ all }) => all));
  stalled.destroy();
  console.log(`measured: ${streams} streams at once, median ${quiet} ms alone, ${beside} ms beside a stalled reader`);
  assert.ok(beside < quiet * 2 + 500, `${beside} ms against ${quiet} ms`);
});
