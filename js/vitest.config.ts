import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { launchOptions } from "./chromium.mjs";
import { vitePlugin as leanUplot } from "./lean-uplot.mjs";

const oxc = { jsx: { runtime: "automatic", importSource: "preact" } } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: { name: "pure", environment: "node", include: ["src/**/*.test.ts"] },
      },
      {
        plugins: [leanUplot],
        oxc,
        esbuild: { jsx: "automatic", jsxImportSource: "preact" },
        optimizeDeps: { exclude: ["uplot"], include: ["preact", "preact/hooks", "axe-core"] },
        test: {
          name: "browser",
          include: ["src/**/*.test.tsx"],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions }),
            instances: [{ browser: "chromium", viewport: { width: 800, height: 700 } }],
          },
        },
      },
    ],
  },
});
