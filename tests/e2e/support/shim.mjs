// What tests/support/shim.c does to the gateway: full disks, wrong clocks, bad names.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, scratch } from "./processes.mjs";

// `env` for the gateway; set({disk: "full"}) puts a bad day in force, set({}) ends it.
export function shim(t) {
  const folder = scratch();
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "shim");
  const set = (values) => writeFileSync(file, Object.entries(values).map(([key, value]) => `${key}=${value}\n`).join(""));
  set({});
  return { env: { LD_PRELOAD: join(root, "build/tests/libwarmpath_shim.so"), WARMPATH_SHIM: file }, set };
}
