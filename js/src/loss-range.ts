// Which losses the chart shows. The blow-up at the end is not to flatten the descent before it.
import type { Sweep } from "./curve.ts";
import type { Range } from "./scales.ts";

type Losses = Pick<Sweep, "losses" | "smoothed">;

/** Room above the starting level, in shares of the descent: there the curve leaves the frame. */
const HEADROOM = 0.35;
/** So few points do not tell noise from a rise: only what goes further leaves the frame. */
const FEW = 20;
const HEADROOM_OF_FEW = 2;
/** In shares of the span; below it the minimum's label finds room. */
const PADDING = { above: 0.07, below: 0.16 };
/** A flat curve is not stretched until its noise looks like a descent. */
const LEAST_SPAN = 0.1;

/** The range of the loss axis that shows every sweep, and validation losses beside it. */
export function lossRange(
  sweeps: readonly Losses[],
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

/** The range that shows all losses between two rates, in decades; null where there are none. */
export function lossRangeWithin({ low, high }: Range, sweeps: readonly Sweep[]): Range | null {
  const seen = sweeps.flatMap(({ lrs, losses, smoothed, validation }) => {
    const inSight = (value: number, at: number) => {
      const decade = Math.log10(lrs[at] ?? NaN);
      return decade >= low && decade <= high && Number.isFinite(value);
    };
    return [losses, smoothed, validation].flatMap((values) => [...values.filter(inSight)]);
  });
  if (seen.length === 0) return null;
  const all = Float64Array.from(seen);
  return padded(smallest(all), largest(all), largest(all));
}

function rangeOf({ losses, smoothed }: Losses): Range | null {
  const finite = losses.filter(Number.isFinite);
  if (finite.length === 0) return null;
  const line = smoothed.length >= 3 ? smoothed : losses;
  // Half of the points at least, where a minimum in the noise is not yet the one of the descent.
  const end = Math.max(3, indexOfMinimum(line) + 1, Math.ceil(losses.length / 2));
  const start = quantile(losses.subarray(0, end).filter(Number.isFinite), 0.97) ?? finite[0] ?? 0;
  const least = smallest(finite);
  const most = largest(finite);
  const span = spanOf(least, start);
  const ordinary = finite.length < FEW ? HEADROOM_OF_FEW : HEADROOM;
  return padded(least, start, most > start + ordinary * span ? start + HEADROOM * span : most);
}

/** From the least loss to the highest in the frame, with a span for the descent from `start`. */
function padded(least: number, start: number, most: number): Range {
  const span = spanOf(least, start);
  const high = Math.max(most, least + span);
  return { low: least - PADDING.below * span, high: high + PADDING.above * span };
}

function spanOf(least: number, start: number): number {
  return Math.max(start - least, LEAST_SPAN * Math.abs(start), Number.MIN_VALUE * 1e20);
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
  return values.sort()[Math.ceil(share * (values.length - 1))];
}

function smallest(values: Float64Array): number {
  return values.reduce((least, value) => Math.min(least, value), Infinity);
}

function largest(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, value), -Infinity);
}
