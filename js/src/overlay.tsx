// What lies over the canvases and moves with the pointer; drawn by itself, so that a drag costs little.

import { placeLabels } from "./labels.ts";
import type { Layout } from "./layout.ts";
import { Marker } from "./marker.tsx";
import type { Pointing, Span } from "./pointer.ts";
import { lossAt, xOf, yOf } from "./scales.ts";
import type { Session } from "./session.ts";
import { Tooltip } from "./tooltip.tsx";

const ON_THE_CURVE = new Set(["steepest", "minimum"]);

interface OverlayProps {
  session: Session;
  layout: Layout;
  pointing: Pointing;
}

export function Overlay({ session, layout, pointing: { hover, span } }: OverlayProps) {
  const ends = session.get("interval");
  const pixel = (rate: number) => xOf(Math.log10(rate), layout.x, layout.frame);
  const interval = ends && { from: pixel(ends[0]), to: pixel(ends[1]) };
  return (
    <>
      {interval && <Stretch name="interval" span={interval} layout={layout} />}
      <RuleTicks session={session} layout={layout} />
      {span && <Stretch name="span" span={span} layout={layout} />}
      {hover !== null && <Tooltip curve={session.curve} layout={layout} at={hover} />}
      <Marker session={session} layout={layout} />
    </>
  );
}

function RuleTicks({ session, layout }: { session: Session; layout: Layout }) {
  const { lrs, smoothed } = session.curve.line;
  const { x, y, frame } = layout;
  const places = session
    .get("suggestions")
    .filter(({ rule }) => ON_THE_CURVE.has(rule))
    .flatMap(({ rule, lr }) => {
      const decade = Math.log10(lr);
      const loss = lossAt(lrs, smoothed, decade);
      const hidden = loss === null || decade < x.low || decade > x.high || loss > y.high;
      return hidden ? [] : [{ text: rule, x: xOf(decade, x, frame), y: yOf(loss, y, frame) }];
    });
  return (
    <div class="lrf-rules" aria-hidden="true">
      {places.map((place) => (
        <i key={place.text} style={{ left: `${place.x}px`, top: `${place.y}px` }} />
      ))}
      {placeLabels(places, frame).map(({ text, left, top, width }) => (
        <span key={text} style={{ left: `${left}px`, top: `${top}px`, width: `${width}px` }}>
          {text}
        </span>
      ))}
    </div>
  );
}

function Stretch({ name, span, layout: { frame } }: { name: string; span: Span; layout: Layout }) {
  const inside = (x: number) => Math.min(frame.left + frame.width, Math.max(frame.left, x));
  const from = inside(Math.min(span.from, span.to));
  const to = inside(Math.max(span.from, span.to));
  return (
    <span
      class={`lrf-${name}`}
      style={{
        left: `${from}px`,
        width: `${to - from}px`,
        top: `${frame.top}px`,
        height: `${frame.height}px`,
      }}
    />
  );
}
