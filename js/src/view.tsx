// One view of a session: a card that is drawn at most once an animation frame.
import { render } from "preact";
import { ApplyRow } from "./apply.tsx";
import { Chart, type Picture } from "./chart.ts";
import { ChartPanel } from "./chart-panel.tsx";
import { Chips } from "./chips.tsx";
import { CodeLines } from "./copy-code.tsx";
import { Findings } from "./findings.tsx";
import { rememberFocus, restoreFocus } from "./focus.ts";
import { Foot, Problems } from "./foot.tsx";
import { Head } from "./head.tsx";
import { keepKeys } from "./keys.ts";
import { type Layout, LayoutMemory } from "./layout.ts";
import { Overlay } from "./overlay.tsx";
import { lossPicture, normPicture } from "./pictures.ts";
import { followPointers, type Pointing } from "./pointer.ts";
import type { Session } from "./session.ts";
import { SettingsPanel } from "./settings.tsx";
import { type Colours, followTheme, readColours } from "./theme.ts";

let views = 0;

/** Draw `session` into `el` until the end, which the view brings about where the host does not. */
export function mount(session: Session, el: HTMLElement, end: AbortController): void {
  const { signal } = end;
  const root = document.createElement("section");
  root.className = "lrf-root";
  const id = `lrf-${++views}`;
  root.setAttribute("aria-labelledby", `${id}-title`);
  el.append(root);
  const view = new View(session, root, id, end);
  session.subscribe((change) => view.later(change), signal);
  keepKeys(root, signal);
  rememberFocus(root, session.view, signal);
  followTheme(root, () => view.recolour(), signal);
  root.addEventListener("keydown", (event) => view.escape(event), { signal });
  const observer = new ResizeObserver(() => view.later("all"));
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
  #end: AbortController;
  #inOutput = false;
  #layouts = new LayoutMemory();
  #charts = new Map<string, Chart>();
  #colours: Colours | null = null;
  #drawn: [Layout, Colours, boolean] | null = null;
  #overlay: HTMLElement | null = null;
  #pointing: Pointing = { hover: null, span: null };
  #frame = 0;
  /** Whether the next frame draws the whole card, or only what lies over the canvases. */
  #whole = true;

  constructor(session: Session, root: HTMLElement, id: string, end: AbortController) {
    this.#session = session;
    this.#root = root;
    this.#id = id;
    this.#end = end;
  }

  later(change: "all" | "marker"): void {
    this.#whole ||= change === "all";
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  recolour(): void {
    this.#colours = null;
    this.later("all");
  }

  escape(event: KeyboardEvent): void {
    const { view } = this.#session;
    if (event.key === "Escape" && (view.zoom || view.zooming)) {
      view.update({ zoom: null, zooming: false });
    }
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame);
    for (const chart of this.#charts.values()) chart.destroy();
    if (this.#overlay) render(null, this.#overlay);
    render(null, this.#root);
  }

  #draw(): void {
    if (this.#forgotten()) this.#end.abort();
    if (this.#end.signal.aborted) return;
    const layout = this.#whole ? this.#layout() : this.#drawn?.[0];
    if (!layout) return;
    if (this.#whole) {
      this.#whole = false;
      render(<Card session={this.#session} layout={layout} id={this.#id} />, this.#root);
      this.#drawCharts(layout);
    }
    this.#drawOverlay(layout);
    restoreFocus(this.#root, this.#session.view);
  }

  // JupyterLab draws an output anew without ending the views in it. One that is only out of sight,
  // in a folded cell or one scrolled away, is still in its output.
  #forgotten(): boolean {
    const inside = this.#root.closest(".jp-OutputArea-output") !== null;
    this.#inOutput ||= inside;
    return this.#inOutput && !inside && !this.#root.isConnected;
  }

  // Hosts attach views late and detach them while they are out of sight.
  #layout(): Layout | null {
    const width = this.#root.clientWidth;
    return width > 0 ? this.#layouts.of(this.#session, width) : null;
  }

  #drawOverlay(layout: Layout): void {
    if (!this.#overlay) {
      this.#overlay = this.#root.querySelector<HTMLElement>(".lrf-overlay");
      if (!this.#overlay) return;
      const events = {
        layout: () => this.#drawn?.[0] ?? layout,
        point: (pointing: Partial<Pointing>) => {
          this.#pointing = { ...this.#pointing, ...pointing };
          this.later("marker");
        },
      };
      followPointers(this.#overlay, this.#session, events, this.#end.signal);
    }
    const overlay = <Overlay session={this.#session} layout={layout} pointing={this.#pointing} />;
    render(overlay, this.#overlay);
  }

  #drawCharts(layout: Layout): void {
    this.#colours ??= readColours(this.#root);
    const { curve, ended } = this.#session;
    const raw = !ended || curve.starts.length === 1;
    const drawing = [layout, this.#colours, raw] as const;
    if (this.#drawn?.every((part, at) => part === drawing[at])) return;
    this.#drawn = [...drawing];
    this.#drawChart("canvas", lossPicture(layout, curve, raw, this.#colours));
    this.#drawChart("norms", normPicture(layout, curve, this.#colours));
  }

  #drawChart(name: string, picture: Picture | null): void {
    const host = this.#root.querySelector<HTMLElement>(`.lrf-${name}`);
    const chart = this.#charts.get(name) ?? (host && new Chart(host));
    if (chart && picture) {
      this.#charts.set(name, chart);
      chart.draw(picture);
    } else if (chart) {
      // Its element is gone already.
      this.#charts.delete(name);
      chart.destroy();
    }
  }
}

function Card({ session, layout, id }: { session: Session; layout: Layout; id: string }) {
  return (
    <>
      <Head session={session} id={id} />
      <SettingsPanel session={session} id={id} />
      <ChartPanel session={session} layout={layout} />
      <Chips session={session} />
      <Findings session={session} />
      <ApplyRow session={session} id={id} />
      <CodeLines session={session} />
      <Problems session={session} />
      <Foot session={session} />
    </>
  );
}
