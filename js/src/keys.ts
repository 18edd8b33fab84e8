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

export function keepKeys(root: HTMLElement, signal: AbortSignal): void {
  // JupyterLab listens while the event is on its way down, and looks for this attribute.
  root.dataset.lmSuppressShortcuts = "true";
  const stop = (event: KeyboardEvent) => {
    if (isOurs(event)) event.stopPropagation();
  };
  for (const kind of ["keydown", "keypress", "keyup"] as const) {
    root.addEventListener(kind, stop, { signal });
  }
}
