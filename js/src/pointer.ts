// Pointers on the chart: a plain drag or click moves the marker, a Shift-drag zooms, else hover.
import { rateAt } from "./choice.ts";
import type { Layout } from "./layout.ts";
import type { Selection } from "./protocol.ts";
import { decadeAt, xOf } from "./scales.ts";
import type { Session } from "./session.ts";

export interface Span {
  from: number;
  to: number;
}

/** What the pointer does besides dragging the marker. */
export interface Pointing {
  hover: number | null;
  span: Span | null;
}

export interface PointerEvents {
  /** The latest layout. */
  layout(): Layout;
  /** Where the pointer hovers, and the stretch that it marks. */
  point(pointing: Partial<Pointing>): void;
}

/** A shorter drag is a click that slipped. */
const LEAST_ZOOM = 6;

/** Closer ends would have the same labels. */
const LEAST_DECADES = 0.02;

type Drag = { kind: "marker"; offset: number; before: Selection } | { kind: "zoom"; from: number };

/** Listen on the overlay until the signal. */
export function followPointers(
  overlay: HTMLElement,
  session: Session,
  events: PointerEvents,
  signal: AbortSignal,
): void {
  let drag: (Drag & { pointer: number }) | null = null;
  const xIn = (event: PointerEvent) => event.clientX - overlay.getBoundingClientRect().left;

  const moveMarker = (x: number) => {
    const layout = events.layout();
    const axis = session.axis ?? { low: 10 ** layout.axis.low, high: 10 ** layout.axis.high };
    session.choose({ lr: rateAt(decadeAt(x, layout.x, layout.frame), axis) });
  };

  const zoomTo = (from: number, to: number) => {
    if (Math.abs(to - from) < LEAST_ZOOM) return;
    const layout = events.layout();
    const ends = [from, to].map((x) => decadeAt(x, layout.x, layout.frame)).sort((a, b) => a - b);
    const [low = layout.x.low, high = layout.x.high] = ends;
    if (high - low > LEAST_DECADES) session.view.update({ zoom: { low, high }, zooming: false });
  };

  const down = (event: PointerEvent) => {
    if (event.button !== 0 || drag) return;
    const x = xIn(event);
    const marker = overlay.querySelector<HTMLElement>("[role=slider]");
    overlay.setPointerCapture(event.pointerId);
    session.pointerDown(event.pointerId);
    events.point({ hover: null });
    if (event.shiftKey || session.view.zooming) {
      drag = { kind: "zoom", from: x, pointer: event.pointerId };
      // Else a Shift-drag also selects the text around the chart.
      event.preventDefault();
      return;
    }
    const layout = events.layout();
    const grabbed = event.target instanceof Node && marker?.contains(event.target);
    const offset = grabbed ? xOf(Math.log10(session.rate), layout.x, layout.frame) - x : 0;
    drag = { kind: "marker", offset, before: session.selection.value, pointer: event.pointerId };
    session.selection.hold();
    if (!grabbed) moveMarker(x);
    event.preventDefault();
    marker?.focus({ preventScroll: true });
  };

  const move = (event: PointerEvent) => {
    const x = xIn(event);
    if (!drag) {
      if (event.pointerType === "mouse") events.point({ hover: x });
    } else if (event.pointerId === drag.pointer) {
      if (drag.kind === "marker") moveMarker(x + drag.offset);
      else events.point({ span: { from: drag.from, to: x } });
    }
  };

  const end = (event: PointerEvent) => {
    if (!drag || event.pointerId !== drag.pointer) return;
    const ended = drag;
    drag = null;
    if (ended.kind === "marker") {
      // The finger was not choosing, but about to scroll the page.
      if (event.type === "pointercancel") session.choose(ended.before);
      session.selection.release();
    } else {
      events.point({ span: null });
      if (event.type === "pointerup") zoomTo(ended.from, xIn(event));
    }
    session.pointerUp(event.pointerId);
  };

  overlay.addEventListener("pointerdown", down, { signal });
  overlay.addEventListener("pointermove", move, { signal });
  overlay.addEventListener("pointerup", end, { signal });
  overlay.addEventListener("pointercancel", end, { signal });
  overlay.addEventListener("pointerleave", () => events.point({ hover: null }), { signal });
  overlay.addEventListener("dblclick", () => session.view.update({ zoom: null }), { signal });
  signal.addEventListener("abort", () => {
    if (!drag) return;
    if (drag.kind === "marker") session.selection.release();
    session.pointerUp(drag.pointer);
  });
}
