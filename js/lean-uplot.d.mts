import type { Plugin as EsbuildPlugin } from "esbuild";
import type { Plugin } from "vitest/config";

export function leanUplot(source: string): string;
export const esbuildPlugin: EsbuildPlugin;
export const vitePlugin: Plugin;
