// The anywidget module: a function that hosts call once for each widget. What it returns makes what
// belongs to the model (`initialize`) and draws it (`render`).
import "./theme.css";
import type { Model } from "./protocol.ts";
import { Session } from "./session.ts";
import { mount } from "./view.tsx";

interface Call {
  model: Model;
  signal?: AbortSignal;
}

// The session is found by this call, by nothing else: hosts wrap the model anew for each of theirs,
// and some (marimo) evaluate the module once for all widgets of the page.
export default function widget() {
  let session: Session | undefined;

  function initialize({ model, signal }: Call): () => void {
    const controller = new AbortController();
    signal?.addEventListener("abort", () => controller.abort(), { signal: controller.signal });
    session = new Session(model, controller.signal);
    session.start();
    return () => controller.abort();
  }

  function render({ el, signal }: Call & { el: HTMLElement }): () => void {
    if (!session) throw new Error("lrfinder-widget: render was called before initialize");
    const controller = new AbortController();
    signal?.addEventListener("abort", () => controller.abort(), { signal: controller.signal });
    mount(session, el, controller);
    return () => controller.abort();
  }

  return { initialize, render };
}
