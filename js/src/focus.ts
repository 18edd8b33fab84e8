// Which control has the focus, so that a re-created view can give it back.

export interface FocusMemory {
  key: string;
  root: HTMLElement;
}

/** Controls carry their key in this attribute. */
export const FOCUS_KEY = "data-focus";

/** Remember the focused control of `root` in `memory`, and forget it when the user leaves. */
export function rememberFocus(
  root: HTMLElement,
  memory: { focus: FocusMemory | null },
  signal: AbortSignal,
): void {
  root.addEventListener(
    "focusin",
    (event) => {
      const key = event.target instanceof Element && event.target.getAttribute(FOCUS_KEY);
      memory.focus = key ? { key, root } : null;
    },
    { signal },
  );
  root.addEventListener(
    "focusout",
    () => {
      // A view that the host takes out of the page loses the focus too: that is not the user's doing.
      setTimeout(() => {
        // Of a shadow tree, as marimo's outputs are, the document knows only the host.
        const { activeElement } = root.getRootNode() as Document | ShadowRoot;
        const left = root.isConnected && !root.contains(activeElement);
        if (left && !signal.aborted && memory.focus?.root === root) memory.focus = null;
      });
    },
    { signal },
  );
}

/** Give `root` the focus that a view which is gone had. */
export function restoreFocus(root: HTMLElement, memory: { focus: FocusMemory | null }): void {
  const { focus } = memory;
  if (!focus || focus.root === root || focus.root.isConnected) return;
  const control = root.querySelector<HTMLElement>(`[${FOCUS_KEY}="${CSS.escape(focus.key)}"]`);
  if (!control) return;
  control.focus({ preventScroll: true });
  if (control instanceof HTMLInputElement) control.setSelectionRange?.(-1, -1);
}
