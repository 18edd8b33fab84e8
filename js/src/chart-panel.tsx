// The chart: the canvas, what lies over it, and the tools below it.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Button } from "./button.tsx";
import { Download, Magnifier, Whole } from "./icons.tsx";
import { placeLabels } from "./labels.ts";
import type { Layout } from "./layout.ts";
import { Marker } from "./marker.tsx";
import { followPointers, type Span } from "./pointer.ts";
import { savePicture } from "./save-picture.ts";
import { lossAt, xOf, yOf } from "./scales.ts";
import type { Session } from "./session.ts";
import { Tooltip } from "./tooltip.tsx";

const ON_THE_CURVE = new Set(["steepest", "minimum"]);

interface ChartPanelProps {
  session: Session;
  layout: Layout;
}

export function ChartPanel({ session, layout }: ChartPanelProps) {
  const [hover, setHover] = useState<number | null>(null);
  const [span, setSpan] = useState<Span | null>(null);
  const ends = session.get("interval");
  const pixel = (rate: number) => xOf(Math.log10(rate), layout.x, layout.frame);
  const interval = ends && { from: pixel(ends[0]), to: pixel(ends[1]) };
  const overlay = useRef<HTMLDivElement>(null);
  const now = useRef(layout);
  now.current = layout;
  useLayoutEffect(() => {
    if (!overlay.current) return;
    const controller = new AbortController();
    const events = { layout: () => now.current, hover: setHover, zooming: setSpan };
    followPointers(overlay.current, session, events, controller.signal);
    return () => controller.abort();
  }, [session]);
  return (
    <div class="lrf-chart">
      <div class="lrf-canvas" />
      <div class={`lrf-overlay ${session.view.zooming ? "lrf-crosshair" : ""}`} ref={overlay}>
        <span class="lrf-axis-loss">loss</span>
        {interval && <Stretch name="interval" span={interval} layout={layout} />}
        <RuleTicks session={session} layout={layout} />
        {span && <Stretch name="span" span={span} layout={layout} />}
        {hover !== null && <Tooltip curve={session.curve} layout={layout} at={hover} />}
        <Marker session={session} layout={layout} />
      </div>
      <Tools session={session} />
    </div>
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

function Tools({ session }: { session: Session }) {
  const { view, pending, connection } = session;
  const savable = session.ended && session.curve.length > 0 && connection.link !== "lost";
  return (
    <div class="lrf-tools">
      <Button
        name="zoom"
        class="lrf-icon"
        label="Zoom by dragging (or Shift-drag)"
        pressed={view.zooming}
        onClick={() => view.update({ zooming: !view.zooming })}
      >
        <Magnifier />
      </Button>
      <Button
        name="whole"
        class="lrf-icon"
        label="Show the whole curve (Escape)"
        disabled={!view.zoom}
        onClick={() => view.update({ zoom: null })}
      >
        <Whole />
      </Button>
      <Button
        name="save"
        class="lrf-icon"
        label="Save picture"
        disabled={!savable || pending.has("save_picture")}
        onClick={() => void savePicture(session)}
      >
        <Download />
      </Button>
      <span class="lrf-axis-rate">learning rate</span>
    </div>
  );
}
