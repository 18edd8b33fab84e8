// How the sources are bundled, for the widget and for the page that shows its states.
import { esbuildPlugin } from "./lean-uplot.mjs";

export const bundling = {
  absWorkingDir: import.meta.dirname,
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  plugins: [esbuildPlugin],
};
