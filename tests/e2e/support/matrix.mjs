// A table of docs/platforms.md that a test run fills: UPDATE_DOCS=1 writes it, otherwise it must be
// the same. Each test file owns the section between two markers.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./processes.mjs";

const file = join(root, "docs/platforms.md");

// `features`: the rows in their order, for tests that run side by side; others come as they pass.
export function matrix(section, columns, features = []) {
  const rows = new Map(features.map((feature) => [feature, new Map()])); // feature → column → "yes"
  const passed = (feature, column, how = "yes") => {
    assert.ok(columns.includes(column), column);
    if (!rows.has(feature)) rows.set(feature, new Map());
    rows.get(feature).set(column, how);
  };
  const table = () => {
    const line = (cells) => `| ${cells.join(" | ")} |`;
    return [
      line(["", ...columns]),
      line(["---", ...columns.map(() => "---")]),
      ...[...rows].map(([feature, row]) => line([feature, ...columns.map((name) => row.get(name) ?? "no")])),
    ].join("\n");
  };
  // After all the tests that fill it.
  const check = () => {
    console.log(table().replace(/^/gm, "matrix "));
    const text = readFileSync(file, "utf8");
    const begin = `<!-- begin ${section} -->\n`, end = `<!-- end ${section} -->\n`;
    const from = text.indexOf(begin), to = text.indexOf(end);
    assert.ok(from >= 0 && to > from, `docs/platforms.md has no section ${section}`);
    const wanted = text.slice(0, from + begin.length) + table() + "\n" + text.slice(to);
    if (process.env.UPDATE_DOCS) writeFileSync(file, wanted);
    else assert.equal(text, wanted);
  };
  return { passed, check };
}
