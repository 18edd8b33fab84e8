import { afterEach, describe, expect, test } from "vitest";
import { contrast, shownColour } from "../test/colours.ts";
import "./theme.css";

const HOSTS = {
  light: {
    "no host": {},
    JupyterLab: {
      "--jp-layout-color1": "white",
      "--jp-ui-font-color1": "rgba(0, 0, 0, .87)",
      "--jp-brand-color1": "#1976d2",
    },
    "VS Code": {
      "--vscode-editor-background": "#ffffff",
      "--vscode-foreground": "#3b3b3b",
      "--vscode-textLink-foreground": "#005fb8",
    },
  },
  dark: {
    "no host": {},
    JupyterLab: {
      "--jp-layout-color1": "#212121",
      "--jp-ui-font-color1": "rgba(255, 255, 255, .87)",
      "--jp-brand-color1": "#2196f3",
    },
    "VS Code": {
      "--vscode-editor-background": "#1f1f1f",
      "--vscode-foreground": "#cccccc",
      "--vscode-textLink-foreground": "#4daafc",
    },
  },
};

const TEXT_ON = [
  ["text", "surface"],
  ["text", "chip"],
  ["soft", "surface"],
  ["soft", "chip"],
  ["link", "surface"],
  ["ink", "accent"],
  ["ok", "surface"],
  ["bad", "surface"],
  ["bad", "alarm"],
  ["text", "alarm"],
] as const;

function card(theme: string, host: Record<string, string>): HTMLElement {
  const root = document.createElement("div");
  root.className = "lrf-root";
  root.dataset.theme = theme;
  for (const [name, value] of Object.entries(host)) root.style.setProperty(name, value);
  document.body.append(root);
  return root;
}

afterEach(() => document.body.replaceChildren());

describe.each(["light", "dark"] as const)("in the %s theme", (theme) => {
  describe.each(Object.entries(HOSTS[theme]))("of %s", (_name, host) => {
    test.each(TEXT_ON)("%s is readable on %s", (text, ground) => {
      const root = card(theme, host);
      const ratio = contrast(shownColour(root, text, ground), shownColour(root, ground));
      expect(ratio).toBeGreaterThanOrEqual(4.5);
    });

    test("the curve stands out from the surface", () => {
      const root = card(theme, host);
      const ratio = contrast(shownColour(root, "curve"), shownColour(root, "surface"));
      expect(ratio).toBeGreaterThanOrEqual(3);
    });
  });
});

test("the two themes differ", () => {
  const [light, dark] = [card("light", {}), card("dark", {})];
  expect(contrast(shownColour(light, "surface"), shownColour(dark, "surface"))).toBeGreaterThan(10);
});
