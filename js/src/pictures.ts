// What the canvases show of a run: losses above, and gradient norms below where there are any.
import type { Look, Picture, Row } from "./chart.ts";
import type { Curve } from "./curve.ts";
import { CANVAS_HEIGHT, type Layout, NORM_HEIGHT, NORM_TOP, unlabelled } from "./layout.ts";
import { MARGIN, type Range } from "./scales.ts";
import type { Colours } from "./theme.ts";

/** Losses: raw points, the sweeps and their band, validation, and the line to read on top. */
export function lossPicture(layout: Layout, curve: Curve, raw: boolean, colours: Colours): Picture {
  const { sweeps, latest, line } = curve;
  // All sweeps of a run take the same rates; some end earlier.
  const all = [...sweeps, line].map(({ lrs }) => lrs);
  const lrs = all.reduce((longest, one) => (one.length > longest.length ? one : longest));
  const row = (look: Look, values: Float64Array = new Float64Array(0)) => ({
    look,
    values: rowOf(lrs.length, values, layout.y),
  });
  return {
    ...shared(layout, lrs, colours),
    height: CANVAS_HEIGHT,
    top: MARGIN.top,
    y: layout.y,
    xTicks: layout.norms ? unlabelled(layout.rateTicks) : layout.rateTicks,
    yTicks: layout.lossTicks,
    rows: [
      row("points", raw ? latest.losses : undefined),
      row("edge", curve.band(0)),
      row("edge", curve.band(2)),
      ...(sweeps.length > 1 ? sweeps.map(({ smoothed }) => row("thin", smoothed)) : []),
      ...(curve.measured.includes("val_losses") ? [row("dashed", latest.validation)] : []),
      row("strong", line.smoothed),
    ],
  };
}

/** Gradient norms of one sweep; null in a run that measures none. */
export function normPicture(layout: Layout, curve: Curve, colours: Colours): Picture | null {
  const { norms: axis, rateTicks } = layout;
  if (!axis) return null;
  const { lrs, norms } = curve.normed;
  return {
    ...shared(layout, lrs, colours),
    height: NORM_HEIGHT,
    top: NORM_TOP,
    y: axis.y,
    xTicks: rateTicks,
    yTicks: axis.ticks,
    rows: [{ look: "strong", values: rowOf(norms.length, norms.map(axis.scale), axis.y) }],
  };
}

function shared({ width, x, minorRates }: Layout, lrs: Float64Array, colours: Colours) {
  return { width, x, minor: minorRates, colours, places: Array.from(lrs, Math.log10) };
}

function rowOf(length: number, values: Float64Array, y: Range): Row {
  // What lies far above the frame is drawn just outside it: canvases lose lines to coordinates too
  // large.
  const far = 4 * (y.high - y.low);
  return Array.from({ length }, (_, point) => {
    const value = values[point] ?? NaN;
    return Number.isFinite(value) ? Math.min(Math.max(value, y.low - far), y.high + far) : null;
  });
}
