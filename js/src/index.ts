// The anywidget module: `initialize` makes what belongs to the model, `render` draws it.
import "./theme.css";
import type { Model } from "./protocol.ts";
import { Session } from "./session.ts";
import { mount } from "./view.tsx";

// Hosts that wrap the model anew for each call evaluate this module once per widget; hosts that
// share the module hand over the same model. So either the model or the last session is the key.
const sessions = new WeakMap<object, Session>();
let latest: Session | undefined;

interface Call {
  model: Model;
  signal?: AbortSignal;
}

function sessionOf(model: Model): Session {
  const session = sessions.get(model) ?? latest;
  if (!session) throw new Error("lrfinder-widget: render was called before initialize");
  return session;
}

function initialize({ model, signal }: Call): () => void {
  const controller = new AbortController();
  signal?.addEventListener("abort", () => controller.abort(), { signal: controller.signal });
  latest = new Session(model, controller.signal);
  sessions.set(model, latest);
  latest.start();
  return () => controller.abort();
}

function render({ model, el, signal }: Call & { el: HTMLElement }): () => void {
  const controller = new AbortController();
  signal?.addEventListener("abort", () => controller.abort(), { signal: controller.signal });
  mount(sessionOf(model), el, controller.signal);
  return () => controller.abort();
}

export default { initialize, render };
