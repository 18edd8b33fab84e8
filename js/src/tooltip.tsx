// What is at the pointer: the nearest point's learning rate and loss.

import type { Curve } from "./curve.ts";
import { formatLoss, formatRate } from "./format.ts";
import type { Layout } from "./layout.ts";
import { decadeAt, nearestPoint, xOf, yOf } from "./scales.ts";

const WIDTH = 158;

export function Tooltip({ curve, layout, at }: { curve: Curve; layout: Layout; at: number }) {
  const { frame, x, y } = layout;
  const { lrs, losses, smoothed: line } = curve.line;
  const { validation } = curve.latest;
  const { norms } = curve.normed;
  const point = nearestPoint(lrs, decadeAt(at, x, frame));
  const rate = lrs[point];
  const loss = losses[point];
  const smoothed = line[point];
  const shown = loss ?? smoothed;
  if (rate === undefined || shown === undefined) return null;
  const left = xOf(Math.log10(rate), x, frame);
  if (left < frame.left - 1 || left > frame.left + frame.width + 1) return null;
  const top = yOf(shown, y, frame);
  const flip = left + 14 + WIDTH > frame.left + frame.width;
  return (
    <>
      {top >= frame.top && (
        <span class="lrf-hover" style={{ left: `${left}px`, top: `${top}px` }} />
      )}
      <div
        class="lrf-tooltip"
        style={{
          width: `${WIDTH}px`,
          left: `${flip ? Math.max(frame.left, left - 14 - WIDTH) : left + 14}px`,
          top: `${frame.top + 8}px`,
        }}
      >
        <span>learning rate</span>
        <b>{formatRate(rate, 3)}</b>
        <Value name="loss" of={loss} />
        <Value name={loss === undefined ? "median" : "smoothed"} of={smoothed} />
        <Value name="validation" of={finite(validation[point])} />
        <Value name="gradient norm" of={finite(norms[point])} />
      </div>
    </>
  );
}

/** What was not measured is NaN, and is not shown. */
const finite = (value = NaN) => (Number.isFinite(value) ? value : undefined);

function Value({ name, of: value }: { name: string; of: number | undefined }) {
  if (value === undefined) return null;
  return (
    <>
      <span>{name}</span>
      <b>{formatLoss(value)}</b>
    </>
  );
}
