// The chart: the canvases, room for what lies over them, and below them tools and a legend.
import { Button } from "./button.tsx";
import { Download, Magnifier, Whole } from "./icons.tsx";
import { CANVAS_HEIGHT, type Layout } from "./layout.ts";
import { savePicture } from "./save-picture.ts";
import type { Session } from "./session.ts";
import { rangeText } from "./words.ts";

interface ChartPanelProps {
  session: Session;
  layout: Layout;
}

export function ChartPanel({ session, layout }: ChartPanelProps) {
  const { height, norms } = layout;
  return (
    <div class="lrf-chart">
      <div class="lrf-canvas" />
      {norms && <div class="lrf-norms" />}
      <span class="lrf-axis" style={{ top: "10px" }}>
        loss
      </span>
      {norms && (
        <span class="lrf-axis" style={{ top: `${CANVAS_HEIGHT - 18}px` }}>
          gradient norm
        </span>
      )}
      <div
        class={`lrf-overlay ${session.view.zooming ? "lrf-crosshair" : ""}`}
        style={{ height: `${height}px` }}
      />
      <Tools session={session} />
    </div>
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
      <Legend session={session} />
      <span class="lrf-axis-rate">learning rate</span>
    </div>
  );
}

function Legend({ session }: { session: Session }) {
  const interval = session.get("interval");
  return (
    <span class="lrf-legend">
      {session.curve.measured.includes("val_losses") && (
        <span class="lrf-validation">
          validation<i> loss</i>
        </span>
      )}
      {interval && (
        <span class="lrf-good">
          good <i>from </i>
          {rangeText(interval)}
        </span>
      )}
    </span>
  );
}
