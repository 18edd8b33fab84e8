// The axis of the gradient norms: logarithmic where they span more than a decade, as at a blow-up.
import { lossTicks, powerOfTen, type Range, type Tick } from "./scales.ts";

export interface NormAxis {
  /** Where a norm stands on the axis. */
  scale(norm: number): number;
  y: Range;
  ticks: Tick[];
}

const DECADE = 10;
/** In shares of the span, so that the line does not run along the frame. */
const PADDING = 0.08;
/** Norms that hardly differ are not stretched until their noise fills the chart. */
const LEAST_SPAN = 0.1;
/** So many labels find room above each other. */
const LABELS = 2;

/** The axis for these norms on a chart so high. */
export function normAxis(norms: Float64Array, height: number): NormAxis {
  const shown = norms.filter((norm) => Number.isFinite(norm) && norm > 0);
  const least = shown.reduce((low, norm) => Math.min(low, norm), Infinity);
  const most = shown.reduce((high, norm) => Math.max(high, norm), 0);
  if (most === 0) return { scale: Number, y: { low: 0, high: 1 }, ticks: [] };
  const logarithmic = most > DECADE * least;
  const scale = logarithmic ? Math.log10 : Number;
  const span = Math.max(scale(most) - scale(least), logarithmic ? 0 : LEAST_SPAN * most);
  const y = { low: scale(least) - PADDING * span, high: scale(least) + (1 + PADDING) * span };
  return { scale, y, ticks: logarithmic ? decades(y) : lossTicks(y, height) };
}

function decades({ low, high }: Range): Tick[] {
  const first = Math.ceil(low);
  const count = Math.floor(high) - first + 1;
  const every = Math.ceil(count / LABELS);
  return Array.from({ length: Math.ceil(count / every) }, (_, tick) => {
    const at = first + tick * every;
    return { at, label: powerOfTen(at) };
  });
}
