// The geometry of one view at one moment: what the canvas and all that lies over it agree on.
import { lossRange } from "./loss-range.ts";
import {
  type Frame,
  frameOf,
  lossTicks,
  minorRates,
  type Range,
  rateTicks,
  type Tick,
} from "./scales.ts";
import type { Session } from "./session.ts";

/** Height of the canvas; with the tools below it the chart is 292 px high at every width. */
export const CANVAS_HEIGHT = 264;

export interface Layout {
  width: number;
  frame: Frame;
  /** The whole axis, in decades, and the part that is visible. */
  axis: Range;
  x: Range;
  y: Range;
  rateTicks: Tick[];
  minorRates: number[];
  lossTicks: Tick[];
}

/** Computes the layout, anew only when something it rests on has changed. */
export class LayoutMemory {
  #key = "";
  #layout: Layout | null = null;

  of(session: Session, width: number): Layout {
    const { curve, axis: rates, view } = session;
    const low = rates?.low ?? 1e-7;
    const high = rates?.high ?? 10;
    const key = [curve.version, width, low, high, view.zoom?.low, view.zoom?.high].join();
    if (!this.#layout || key !== this.#key) {
      this.#key = key;
      this.#layout = layoutOf(session, width, { low: Math.log10(low), high: Math.log10(high) });
    }
    return this.#layout;
  }
}

function layoutOf({ curve, view }: Session, width: number, axis: Range): Layout {
  const frame = frameOf(width, CANVAS_HEIGHT);
  const x = view.zoom ?? axis;
  const y = lossRange(curve.sweeps);
  // Without a loss the axis has lines, but no numbers to put beside them.
  const ticks = lossTicks(y, frame.height);
  return {
    width,
    frame,
    axis,
    x,
    y,
    rateTicks: rateTicks(x, frame.width),
    minorRates: minorRates(x),
    lossTicks: curve.length > 0 ? ticks : ticks.map(({ at }) => ({ at, label: "" })),
  };
}
