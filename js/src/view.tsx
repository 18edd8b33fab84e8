// One view of a session: a card that is drawn at most once an animation frame.
import { render } from "preact";
import { ApplyRow } from "./apply.tsx";
import { Chart } from "./chart.ts";
import { ChartPanel } from "./chart-panel.tsx";
import { Chips } from "./chips.tsx";
import { CodeLines } from "./copy-code.tsx";
import { Findings } from "./findings.tsx";
import { rememberFocus, restoreFocus } from "./focus.ts";
import { Foot, Problems } from "./foot.tsx";
import { Head } from "./head.tsx";
import { keepKeys } from "./keys.ts";
import { CANVAS_HEIGHT, type Layout, LayoutMemory } from "./layout.ts";
import type { Session } from "./session.ts";
import { SettingsPanel } from "./settings.tsx";
import { type Colours, followTheme, readColours } from "./theme.ts";

let views = 0;

/** Draw `session` into `el` until the signal. */
export function mount(session: Session, el: HTMLElement, signal: AbortSignal): void {
  const root = document.createElement("section");
  root.className = "lrf-root";
  const id = `lrf-${++views}`;
  root.setAttribute("aria-labelledby", `${id}-title`);
  el.append(root);
  const view = new View(session, root, id);
  const later = () => view.later();
  session.subscribe(later, signal);
  keepKeys(root, signal);
  rememberFocus(root, session.view, signal);
  followTheme(root, () => view.recolour(), signal);
  root.addEventListener("keydown", (event) => view.escape(event), { signal });
  const observer = new ResizeObserver(later);
  observer.observe(root);
  signal.addEventListener("abort", () => {
    observer.disconnect();
    view.destroy();
    root.remove();
    // The view that takes over may have been drawn before this one went.
    session.changed();
  });
}

class View {
  #session: Session;
  #root: HTMLElement;
  #id: string;
  #layouts = new LayoutMemory();
  #chart: Chart | null = null;
  #colours: Colours | null = null;
  #drawn: [Layout, Colours, boolean] | null = null;
  #frame = 0;

  constructor(session: Session, root: HTMLElement, id: string) {
    this.#session = session;
    this.#root = root;
    this.#id = id;
  }

  later(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  recolour(): void {
    this.#colours = null;
    this.later();
  }

  escape(event: KeyboardEvent): void {
    const { view } = this.#session;
    if (event.key === "Escape" && (view.zoom || view.zooming)) {
      view.update({ zoom: null, zooming: false });
    }
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame);
    this.#chart?.destroy();
    render(null, this.#root);
  }

  #draw(): void {
    const width = this.#root.clientWidth;
    // Hosts attach views late and detach them while they are out of sight.
    if (width === 0) return;
    const layout = this.#layouts.of(this.#session, width);
    render(<Card session={this.#session} layout={layout} id={this.#id} />, this.#root);
    this.#drawChart(layout);
    restoreFocus(this.#root, this.#session.view);
  }

  #drawChart(layout: Layout): void {
    this.#colours ??= readColours(this.#root);
    const { curve, ended } = this.#session;
    const raw = !ended || curve.starts.length === 1;
    const drawing = [layout, this.#colours, raw] as const;
    if (this.#drawn?.every((part, at) => part === drawing[at])) return;
    this.#drawn = [...drawing];
    const host = this.#root.querySelector<HTMLElement>(".lrf-canvas");
    if (!host) return;
    this.#chart ??= new Chart(host);
    this.#chart.draw({ ...layout, height: CANVAS_HEIGHT, curve, raw, colours: this.#colours });
  }
}

function Card({ session, layout, id }: { session: Session; layout: Layout; id: string }) {
  return (
    <>
      <Head session={session} id={id} />
      <ChartPanel session={session} layout={layout} />
      <Chips session={session} />
      <Findings session={session} />
      <ApplyRow session={session} id={id} />
      <CodeLines session={session} />
      <Problems session={session} />
      <SettingsPanel session={session} id={id} />
      <Foot session={session} />
    </>
  );
}
