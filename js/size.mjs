// Fails when the bundle is heavier than a notebook should carry: it is copied into every saved one.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const LIMIT = { minified: 100_000, gzipped: 40_000 };

const folder = join(import.meta.dirname, "../lrfinder_widget/widget/static");
const parts = ["widget.js", "widget.css"].map((name) => readFileSync(join(folder, name)));
const size = {
  minified: parts.reduce((sum, part) => sum + part.length, 0),
  gzipped: parts.reduce((sum, part) => sum + gzipSync(part).length, 0),
};

for (const [kind, limit] of Object.entries(LIMIT)) {
  const verdict = size[kind] <= limit ? "ok" : "TOO BIG";
  console.log(`${kind}: ${size[kind]} of ${limit} bytes, ${verdict}`);
  if (size[kind] > limit) process.exitCode = 1;
}
