// Scripts of tests/e2e/python in the environment that the test runner made for them.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "./processes.mjs";

export const python = process.env.WARMPATH_TEST_PYTHON || join(root, "tests/e2e/python/.venv/bin/python");

// Resolves with the JSON of the last line on stdout; rejects with what the script said.
export function runPython(script, { env = {}, input = "" } = {}) {
  return new Promise((done, fail) => {
    const child = spawn(python, [join(root, "tests/e2e/python", script)], { env: { PATH: process.env.PATH, ...env } });
    let out = "", err = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    child.on("error", fail);
    child.on("close", (code) => {
      if (code !== 0) return fail(new Error(`${script} ended with ${code}:\n${out}${err}`));
      done(JSON.parse(out.trim().split("\n").at(-1)));
    });
    child.stdin.end(input);
  });
}
