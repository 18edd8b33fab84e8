// Which losses the chart shows. The blow-up at the end is not to flatten the descent before it.
import type { Sweep } from "./curve.ts";
import type { Range } from "./scales.ts";

/** Room above the starting level, in shares of the descent: there the curve leaves the frame. */
const HEADROOM = 0.35;
/** In shares of the span; below it the minimum's label finds room. */
const PADDING = { above: 0.07, below: 0.16 };
/** A flat curve is not stretched until its noise looks like a descent. */
const LEAST_SPAN = 0.1;

/** The range of the loss axis that shows every sweep, and validation losses beside it. */
export function lossRange(
  sweeps: readonly Pick<Sweep, "losses" | "smoothed">[],
  validation: Float64Array = new Float64Array(0),
): Range {
  const shown = [...sweeps, { losses: validation, smoothed: validation }];
  const ranges = shown.flatMap((sweep) => rangeOf(sweep) ?? []);
  if (ranges.length === 0) return { low: 0, high: 1 };
  return {
    low: Math.min(...ranges.map(({ low }) => low)),
    high: Math.max(...ranges.map(({ high }) => high)),
  };
}

function rangeOf({ losses, smoothed }: Pick<Sweep, "losses" | "smoothed">): Range | null {
  const finite = losses.filter(Number.isFinite);
  if (finite.length === 0) return null;
  const line = smoothed.length >= 3 ? smoothed : losses;
  const beforeMinimum = losses.subarray(0, Math.max(3, indexOfMinimum(line) + 1));
  const start = quantile(beforeMinimum.filter(Number.isFinite), 0.97) ?? finite[0] ?? 0;
  const least = smallest(finite);
  const span = Math.max(start - least, LEAST_SPAN * Math.abs(start), Number.MIN_VALUE * 1e20);
  const ceiling = start + HEADROOM * span;
  const most = largest(finite);
  const high = most > ceiling ? ceiling : Math.max(most, least + span);
  return { low: least - PADDING.below * span, high: high + PADDING.above * span };
}

function indexOfMinimum(line: Float64Array): number {
  let best = 0;
  for (let i = 1; i < line.length; i++) {
    const value = line[i] ?? NaN;
    if (Number.isFinite(value) && !(value >= (line[best] ?? NaN))) best = i;
  }
  return best;
}

function quantile(values: Float64Array, share: number): number | undefined {
  return values.sort()[Math.floor(share * (values.length - 1))];
}

function smallest(values: Float64Array): number {
  return values.reduce((least, value) => Math.min(least, value), Infinity);
}

function largest(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, value), -Infinity);
}
