// The host's theme: whether it is dark, and the colours that the canvas needs as plain values.

export interface Colours {
  soft: string;
  grid: string;
  curve: string;
  raw: string;
  band: string;
}

const NAMES = ["soft", "grid", "curve", "raw", "band"] as const;
const THEME_ATTRIBUTES = [
  "class",
  "style",
  "theme",
  "data-theme",
  "data-jp-theme-light",
  "data-jp-theme-name",
  "data-vscode-theme-kind",
];

/** Whether the host shows a dark theme, by its own sign or else by what the system prefers. */
export function isDark(): boolean {
  const { body, documentElement: html } = document;
  const lab = body.dataset.jpThemeLight;
  if (lab) return lab === "false";
  const kind = body.dataset.vscodeThemeKind ?? body.className;
  if (/vscode-(dark|high-contrast(?!-light))/.test(kind)) return true;
  if (/vscode-(light|high-contrast-light)/.test(kind)) return false;
  const named = html.getAttribute("theme") ?? html.dataset.theme ?? body.dataset.theme;
  if (named === "dark" || named === "light") return named === "dark";
  if (html.classList.contains("dark") || body.classList.contains("dark")) return true;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Read the canvas colours where `root` stands, resolved by the browser. */
export function readColours(root: HTMLElement): Colours {
  const probe = document.createElement("span");
  probe.hidden = true;
  root.append(probe);
  const entries = NAMES.map((name) => {
    probe.style.color = `var(--lrf-${name})`;
    return [name, getComputedStyle(probe).color] as const;
  });
  probe.remove();
  return Object.fromEntries(entries) as unknown as Colours;
}

/** Keep `root` in the host's theme and tell of each change, until the signal. */
export function followTheme(root: HTMLElement, changed: () => void, signal: AbortSignal): void {
  const apply = () => {
    root.dataset.theme = isDark() ? "dark" : "light";
    changed();
  };
  apply();
  const observer = new MutationObserver(apply);
  for (const element of [document.documentElement, document.body]) {
    observer.observe(element, { attributes: true, attributeFilter: THEME_ATTRIBUTES });
  }
  signal.addEventListener("abort", () => observer.disconnect());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply, { signal });
  // A host may name the theme before its style sheet is there.
  document.addEventListener(
    "load",
    (event) => {
      if (event.target instanceof HTMLLinkElement) apply();
    },
    { capture: true, signal },
  );
}
