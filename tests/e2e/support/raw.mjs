// An upstream that says exactly the bytes it is told to, for what no well-behaved server does; and
// configurations that lead there.
import net from "node:net";
import tls from "node:tls";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { masterKey } from "./processes.mjs";

// answer(socket, request, number): what to do once a whole request has come. `number` counts from 1.
export async function startRaw(t, answer, tlsOptions = null) {
  const state = { connections: 0, requests: [], sockets: new Set() };
  const onConnection = (socket) => {
    state.connections++;
    state.sockets.add(socket);
    let parts = [], size = 0, needed = 0;
    socket.on("error", () => {});
    socket.on("close", () => state.sockets.delete(socket));
    socket.on("data", (data) => {
      parts.push(data);
      size += data.length;
      if (size < needed) return;
      let bytes = Buffer.concat(parts);
      for (;;) {
        [parts, size, needed] = [[bytes], bytes.length, 0];
        const end = bytes.indexOf("\r\n\r\n");
        if (end < 0) return;
        const head = bytes.subarray(0, end).toString("latin1");
        const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
        needed = end + 4 + length;
        if (size < needed) return;
        const request = { head, body: bytes.subarray(end + 4, end + 4 + length).toString() };
        bytes = bytes.subarray(end + 4 + length);
        state.requests.push(request);
        answer(socket, request, state.requests.length);
      }
    });
  };
  const server = tlsOptions ? tls.createServer(tlsOptions, onConnection) : net.createServer(onConnection);
  server.on("tlsClientError", () => {});
  let accepted = 0;
  server.on("connection", () => accepted++);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => {
    server.close();
    for (const socket of state.sockets) socket.destroy();
  });
  return Object.assign(state, { port: server.address().port, server, accepted: () => accepted });
}

// A port on which nobody listens.
export async function deadPort() {
  const server = net.createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export const message = (text = "hello", usage = { input_tokens: 10, output_tokens: 2 }) => ({
  id: "msg_raw",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-5",
  content: [{ type: "text", text }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage,
});

export const whole = (body, { status = "200 OK", headers = "", type = "application/json" } = {}) => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\n${headers}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
};

// The events of a short answer, each [name, data].
export function events(text = "hello") {
  const start = message(text);
  return [
    ["message_start", { type: "message_start", message: { ...start, content: [], stop_reason: null, usage: { input_tokens: 10, output_tokens: 1 } } }],
    ["content_block_start", { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }],
    ["content_block_delta", { type: "content_block_delta", index: 0, delta: { type: "text_delta", text } }],
    ["content_block_stop", { type: "content_block_stop", index: 0 }],
    ["message_delta", { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 2 } }],
    ["message_stop", { type: "message_stop" }],
  ];
}
export const sse = (list, eol = "\n") =>
  list.map(([name, data]) => `event: ${name}${eol}data: ${JSON.stringify(data)}${eol}${eol}`).join("");
export const streamHead = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
export const chunk = (bytes) => `${Buffer.byteLength(bytes).toString(16)}\r\n${bytes}\r\n`;

// Deployments of one group "m" on Anthropic-like upstreams. rows: [{url, key, params}].
export function anthropicConfig(rows, settings = "", general = "") {
  const deployment = ({ url, key = "sk-ant-raw", params = "", name = "m" }) => `  - model_name: ${name}
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_base: ${url}
      api_key: ${key}
${params}`;
  return `model_list:
${rows.map(deployment).join("")}
${settings}
general_settings:
  master_key: ${masterKey}
${general}`;
}

export const body = (extra = {}) => ({ model: "m", max_tokens: 50, messages: [{ role: "user", content: "a question" }], ...extra });

export async function ask(gateway, extra = {}, headers = {}) {
  const answer = await gateway.post("/v1/messages", body(extra), headers);
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text };
}

// Certificates: an authority in `folder`, and what it (or nobody) signs.
export function authority(folder) {
  const run = (...args) => execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority");
  const path = (name) => join(folder, name);
  return {
    ca: path("ca.pem"),
    // days < 0: expired
    issue(name, { host = "localhost", days = 2, self = false } = {}) {
      const alt = /^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`;
      const subject = ["-newkey", "rsa:2048", "-nodes", "-keyout", `${name}.key`, "-subj", `/CN=${host}`, "-addext", `subjectAltName=${alt}`];
      if (self) {
        run("req", "-x509", ...subject, "-days", "2", "-out", `${name}.pem`);
      } else {
        run("req", "-new", ...subject, "-out", `${name}.csr`);
        const when = days < 0 ? ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"] : ["-days", `${days}`];
        try {
          run("x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy", ...when, "-out", `${name}.pem`);
        } catch {
          // OpenSSL before 3.2 cannot set dates here, but `ca` can.
          execFileSync("sh", ["-c", `rm -rf db && mkdir db && : > db/index && echo 01 > db/serial && printf '[ca]\\ndefault_ca=c\\n[c]\\ndatabase=db/index\\nserial=db/serial\\nnew_certs_dir=db\\ndefault_md=sha256\\npolicy=p\\ncopy_extensions=copy\\n[p]\\ncommonName=supplied\\n' > db/conf && openssl ca -batch -config db/conf -cert ca.pem -keyfile ca.key -startdate 20200101000000Z -enddate 20200201000000Z -in ${name}.csr -out ${name}.pem -notext`], { cwd: folder, stdio: "ignore" });
        }
      }
      return { cert: path(`${name}.pem`), key: path(`${name}.key`) };
    },
  };
}
