// The geometry of one view at one moment: what the canvases and all that lies over them agree on.
import { lossRange, lossRangeWithin } from "./loss-range.ts";
import { type NormAxis, normAxis } from "./norm-axis.ts";
import {
  type Frame,
  frameOf,
  lossTicks,
  MARGIN,
  minorRates,
  type Range,
  rateTicks,
  type Tick,
} from "./scales.ts";
import type { Session } from "./session.ts";

/** Height of the canvas; with the tools below it the chart is 292 px high at every width. */
export const CANVAS_HEIGHT = 264;
/** The canvas below it shows gradient norms and then has the rates' labels. */
export const NORM_HEIGHT = 78;
/** Room for half a label above its plot. */
export const NORM_TOP = 6;

export interface Layout {
  width: number;
  /** Of the canvases together. */
  height: number;
  frame: Frame;
  /** The whole axis, in decades, and the part that is visible. */
  axis: Range;
  x: Range;
  y: Range;
  rateTicks: Tick[];
  minorRates: number[];
  lossTicks: Tick[];
  /** The chart of gradient norms, in runs that measure them. */
  norms: NormAxis | null;
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
  const { sweeps, latest, normed } = curve;
  const within = view.zoom && lossRangeWithin(view.zoom, sweeps);
  const y = within ?? lossRange(sweeps, latest.validation);
  // Without a loss the axis has lines, but no numbers to put beside them.
  const ticks = lossTicks(y, frame.height);
  const measured = curve.measured.includes("grad_norms");
  return {
    width,
    height: CANVAS_HEIGHT + (measured ? NORM_HEIGHT : 0),
    frame,
    axis,
    x,
    y,
    rateTicks: rateTicks(x, frame.width),
    minorRates: minorRates(x),
    lossTicks: curve.length > 0 ? ticks : unlabelled(ticks),
    norms: measured ? normAxis(normed.norms, NORM_HEIGHT - NORM_TOP - MARGIN.bottom) : null,
  };
}

/** The same lines without their numbers. */
export function unlabelled(ticks: readonly Tick[]): Tick[] {
  return ticks.map(({ at }) => ({ at, label: "" }));
}
