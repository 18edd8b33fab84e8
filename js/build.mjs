// Bundles the front end into lrfinder_widget/widget/static: one ES module and one style sheet.
import { context } from "esbuild";

const watching = process.argv.includes("--watch");

const build = await context({
  absWorkingDir: import.meta.dirname,
  entryPoints: { widget: "src/index.ts" },
  outdir: "../lrfinder_widget/widget/static",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  logLevel: watching ? "info" : "warning",
});

if (watching) {
  await build.watch();
} else {
  await build.rebuild();
  await build.dispose();
}
