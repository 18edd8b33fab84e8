// Bundles the front end into lrfinder_widget/widget/static: one ES module and one style sheet.
import { context } from "esbuild";
import { bundling } from "./bundling.mjs";

const watching = process.argv.includes("--watch");

const build = await context({
  ...bundling,
  entryPoints: { widget: "src/index.ts" },
  outdir: "../lrfinder_widget/widget/static",
  minify: true,
  legalComments: "none",
  banner: {
    js: "/*! Contains uPlot (c) Leon Sorokin and Preact (c) Jason Miller; MIT licence. */",
  },
  logLevel: watching ? "info" : "warning",
});

if (watching) {
  await build.watch();
} else {
  await build.rebuild();
  await build.dispose();
}
