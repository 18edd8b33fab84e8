import { expect, test } from "vitest";
import { keepKeys } from "./keys.ts";

/** As JupyterLab and Notebook 7 look for a shortcut: upwards, to the first element that has it. */
function isHeard(event: KeyboardEvent): boolean {
  const selector = event.ctrlKey ? "body" : "button"; // of the page, or of what has the focus
  let element = event.target as Element | null;
  while (element && !element.hasAttribute("data-lm-suppress-shortcuts")) {
    if (element.matches(selector)) return true;
    element = element.parentElement;
  }
  return false;
}

test.each(["down", "up"])(
  "a host that listens while a key is on its way %s saves with Ctrl+S and leaves us the rest",
  (way) => {
    const controller = new AbortController();
    const { signal } = controller;
    const heard: string[] = [];
    document.addEventListener("keydown", (event) => isHeard(event) && heard.push(event.key), {
      capture: way === "down",
      signal,
    });
    const root = document.body.appendChild(document.createElement("div"));
    const marker = root.appendChild(document.createElement("button"));
    keepKeys(root, signal);
    for (const init of [{ key: "ArrowUp" }, { key: "s", ctrlKey: true }, { key: "b" }]) {
      marker.dispatchEvent(new KeyboardEvent("keydown", { ...init, bubbles: true }));
    }
    expect(heard).toEqual(["s"]);
    controller.abort();
    root.remove();
  },
);
