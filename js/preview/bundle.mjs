// The preview, bundled in memory and served to this machine.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { build } from "esbuild";
import { bundling } from "../bundling.mjs";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/** Serve the preview on a local port; each request sees the sources as they were at the start. */
export async function servePreview(port = 0) {
  const { outputFiles } = await build({
    ...bundling,
    entryPoints: [join(import.meta.dirname, "index.ts")],
    outdir: "/",
    write: false,
  });
  const files = new Map(outputFiles.map((file) => [file.path, file.contents]));
  files.set("/index.html", readFileSync(join(import.meta.dirname, "index.html")));
  const server = createServer((request, response) => {
    const path = new URL(request.url, "http://localhost").pathname.replace(/\/$/, "/index.html");
    const file = files.get(path);
    response.writeHead(file ? 200 : 404, {
      "content-type": TYPES[path.match(/\.\w+$/)?.[0]] ?? "text/plain",
    });
    response.end(file ?? "not here");
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { server, address: `http://127.0.0.1:${server.address().port}/` };
}
