// A client that reads a kilobyte a second of a large answer: the upstream is paused, the gateway's
// memory stays where it was, and a client that reads on gets the whole answer.
import test from "node:test";
import assert from "node:assert/strict";
import net from "node:net";
import { readFileSync } from "node:fs";
import { startGateway, masterKey, sleep, until } from "./support/processes.mjs";
import { startRaw, events, sse, streamHead, chunk, anthropicConfig } from "./support/raw.mjs";

const PIECE = "x".repeat(16000);
const PIECES = 4000; // 64 MB
const SLOW = 4; // clients
const MB = 1 << 20;

// IEEE 802.3, as AWS frames carry it.
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

// An AWS event-stream frame with one event.
function frame(data) {
  const payload = Buffer.from(JSON.stringify({ bytes: Buffer.from(JSON.stringify(data)).toString("base64"), p: "ab" }));
  const header = (name, value) => Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([7, 0, value.length]), Buffer.from(value)]);
  const headers = Buffer.concat([header(":event-type", "chunk"), header(":message-type", "event")]);
  const total = 16 + headers.length + payload.length;
  const out = Buffer.alloc(total);
  out.writeUInt32BE(total, 0);
  out.writeUInt32BE(headers.length, 4);
  out.writeUInt32BE(crc32(out.subarray(0, 8)), 8);
  headers.copy(out, 12);
  payload.copy(out, 12 + headers.length);
  out.writeUInt32BE(crc32(out.subarray(0, total - 4)), total - 4);
  return out;
}

const forms = {
  sse: { head: streamHead, bytes: (event) => Buffer.from(chunk(sse([event]))) },
  frames: {
    head: "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n",
    bytes: ([, data]) => {
      const one = frame(data);
      return Buffer.concat([Buffer.from(`${one.length.toString(16)}\r\n`), one, Buffer.from("\r\n")]);
    },
  },
};

// Sends the answer as fast as it is taken; counts what the connection took.
function answering(form, sent) {
  const [start, open, , close, delta, stop] = events();
  const piece = form.bytes(["content_block_delta", { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: PIECE } }]);
  return (socket, request, number) => {
    const state = (sent[number - 1] = { bytes: 0, closed: false });
    socket.on("close", () => (state.closed = true));
    socket.write(form.head);
    socket.write(Buffer.concat([form.bytes(start), form.bytes(open)]));
    let left = PIECES;
    const more = () => {
      while (left > 0 && !state.closed) {
        left--;
        const goes = socket.write(piece);
        state.bytes += piece.length;
        if (!goes) return socket.once("drain", more);
      }
      if (!state.closed) socket.write(Buffer.concat([form.bytes(close), form.bytes(delta), form.bytes(stop), Buffer.from("0\r\n\r\n")]));
    };
    more();
  };
}

// Takes `step` bytes each time it is told to.
function openSlow(port, path, body) {
  const socket = net.connect({ port, host: "127.0.0.1", highWaterMark: 1024 });
  const text = JSON.stringify(body);
  socket.on("error", () => {});
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${masterKey}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
  socket.pause();
  return socket;
}

const resident = (pid) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;

const bedrock = (url) => `model_list:
  - model_name: m
    litellm_params: {model: bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0, api_key: k, aws_region_name: us-west-2, aws_bedrock_runtime_endpoint: "${url}"}
general_settings:
  master_key: ${masterKey}
`;

for (const [name, form, configure, path] of [
  ["SSE to a Messages client", "sse", (url) => anthropicConfig([{ url }]), "/v1/messages"],
  ["Bedrock's frames to a Messages client", "frames", bedrock, "/v1/messages"],
  ["SSE to a client in Bedrock's dialect", "sse", (url) => anthropicConfig([{ url }]), "/model/m/invoke-with-response-stream"],
])
  test(`1 KB/s: ${name}`, async (t) => {
    const sent = [];
    const upstream = await startRaw(t, answering(forms[form], sent));
    const gateway = await startGateway({ config: configure(`http://127.0.0.1:${upstream.port}`) });
    t.after(async () => {
      await gateway.stop();
      gateway.remove();
    });
    const body = { max_tokens: 50, messages: [{ role: "user", content: "a question" }], ...(path === "/v1/messages" ? { model: "m", stream: true } : {}) };
    const before = resident(gateway.child.pid);
    const clients = Array.from({ length: SLOW }, () => openSlow(gateway.port, path, body));
    t.after(() => clients.forEach((socket) => socket.destroy()));
    await until("the streams to begin", () => sent.filter(Boolean).length === SLOW);
    let largest = 0, taken = 0;
    for (let second = 0; second < 8; second++) {
      await sleep(1000);
      for (const socket of clients) taken += socket.read(1024)?.length ?? socket.read()?.length ?? 0;
      largest = Math.max(largest, resident(gateway.child.pid));
    }
    const accepted = sent.map((one) => one.bytes);
    const grown = (largest - before) / MB;
    console.log(`measured ${name}: ${SLOW} clients, ${(taken / 1024).toFixed(0)} KB taken, upstreams' connections took ${accepted.map((n) => (n / MB).toFixed(1))} of 64 MB, memory +${grown.toFixed(1)} MB`);
    for (const bytes of accepted) assert.ok(bytes < 20 * MB, `${bytes} were taken from an upstream`); // what both kernels hold
    assert.ok(grown < 8, `${grown} MB more`);
    // One reads on and gets everything; the others leave, and their upstreams are closed.
    const [reader, ...others] = clients;
    let got = 0, tail = Buffer.alloc(0);
    reader.on("data", (data) => {
      got += data.length;
      tail = Buffer.concat([tail, data]).subarray(-2000);
    });
    reader.resume();
    await until("the whole answer", () => tail.includes("0\r\n\r\n") && got > PIECES * PIECE.length, 60000);
    if (path === "/v1/messages") assert.match(tail.toString(), /event: message_stop/);
    for (const socket of others) socket.destroy();
    await until("the upstreams of those who left to be closed", () => sent.filter((one) => one.closed).length >= SLOW - 1, 2000);
    assert.ok((resident(gateway.child.pid) - before) / MB < 8);
    const rows = await gateway.rows(SLOW);
    assert.equal(rows.filter((row) => row.status === "success").length, 1);
    assert.equal(rows.filter((row) => row.http_status === 499 || row.error_code === "CLIENT_GONE").length, SLOW - 1);
  });
