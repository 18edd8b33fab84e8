// The marker: a slider over the canvas, with a line, a dot on the curve and a flag with the rate.
import { formatDecimal, formatLoss, formatRate } from "./format.ts";
import { placeFlag } from "./labels.ts";
import type { Layout } from "./layout.ts";
import { clamp, keyStep, lossAt, MARGIN, xOf, yOf } from "./scales.ts";
import type { Session } from "./session.ts";

// A number would be written 1e-7, which ARIA does not know; Preact's types know only numbers.
const spelled = (value: number) => formatDecimal(value) as unknown as number;

/** Where the line begins, behind the flag. */
const LINE_TOP = 12;

interface MarkerProps {
  session: Session;
  layout: Layout;
}

export function Marker({ session, layout }: MarkerProps) {
  const { rate } = session;
  const { lrs, losses, smoothed } = session.curve.line;
  const { axis, x, y, frame, width, height } = layout;
  const decade = Math.log10(rate);
  const visible = decade >= x.low - 1e-9 && decade <= x.high + 1e-9;
  const left = xOf(clamp(decade, x), x, frame);
  const loss = lossAt(lrs, smoothed.length > 0 ? smoothed : losses, decade);
  const top = loss === null ? null : yOf(loss, y, frame);
  const onCurve = visible && top !== null && top >= frame.top;
  const text = formatRate(rate);
  const flagText = visible ? text : decade < x.low ? `← ${text}` : `${text} →`;
  const flag = placeFlag(flagText, left, width);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // Keys may come faster than frames: each goes on from where the last one went.
    const from = Math.log10(session.rate);
    const to = keyStep(event.key, event.shiftKey, from, axis);
    if (to === null) return;
    event.preventDefault();
    const ends = { [axis.low]: session.axis?.low, [axis.high]: session.axis?.high };
    session.choose({ lr: ends[to] ?? 10 ** to });
  };
  return (
    <div
      class={`lrf-marker ${visible ? "" : "lrf-outside"}`}
      role="slider"
      tabIndex={0}
      data-focus="marker"
      aria-label="Learning rate"
      aria-orientation="horizontal"
      aria-valuemin={spelled(10 ** axis.low)}
      aria-valuemax={spelled(10 ** axis.high)}
      aria-valuenow={spelled(rate)}
      aria-valuetext={loss === null ? text : `${text}, loss ${formatLoss(loss)}`}
      style={{ transform: `translateX(${left}px)` }}
      onKeyDown={onKeyDown}
    >
      <span class="lrf-line" style={{ height: `${height - MARGIN.bottom - LINE_TOP}px` }} />
      {onCurve && <span class="lrf-spot" style={{ transform: `translateY(${top}px)` }} />}
      <span
        class="lrf-flag"
        style={{
          width: `${flag.width}px`,
          transform: `translateX(${flag.shift - flag.width / 2}px)`,
        }}
      >
        {flagText}
      </span>
    </div>
  );
}
