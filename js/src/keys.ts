// Keys that the widget uses must not reach the host, which moves and inserts cells with them.

const USED = new Set([
  "ArrowLeft",
  "ArrowRight",
  "ArrowUp",
  "ArrowDown",
  "Home",
  "End",
  "PageUp",
  "PageDown",
  "Enter",
  "Escape",
  "Backspace",
  "Delete",
]);

/** Whether a key is for the widget: one it acts on, or a character (Space too) without a modifier. */
export function isOurs(
  event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey">,
): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  return USED.has(event.key) || event.key.length === 1;
}

/**
 * Keeps those keys from the host, and lets it have the others: Ctrl+S saves the notebook.
 *
 * JupyterLab ≥ 4.1 listens while the event is on its way up: stopping it is enough. Notebook 7 and
 * older JupyterLabs listen on the document while it is on its way down, and go from the focused
 * element upwards until one matches a shortcut or carries the attribute. Shortcuts name `:focus`,
 * so it has to be on that very element, and before the document hears of the key.
 */
export function keepKeys(root: HTMLElement, signal: AbortSignal): void {
  const mark = (event: KeyboardEvent) => {
    const [target] = event.composedPath();
    if (target instanceof Element && root.contains(target)) {
      target.toggleAttribute("data-lm-suppress-shortcuts", isOurs(event));
    }
  };
  window.addEventListener("keydown", mark, { capture: true, signal });
  const stop = (event: KeyboardEvent) => {
    if (isOurs(event)) event.stopPropagation();
  };
  for (const kind of ["keydown", "keypress", "keyup"] as const) {
    root.addEventListener(kind, stop, { signal });
  }
}
