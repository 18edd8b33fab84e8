// The canvas: axes, raw points, sweeps, their band and the line to read, drawn by uPlot. It answers
// to no pointer.
import uPlot from "uplot";
import type { Curve } from "./curve.ts";
import { MARGIN, type Range, type Tick } from "./scales.ts";
import type { Colours } from "./theme.ts";

export interface Picture {
  width: number;
  height: number;
  x: Range;
  y: Range;
  rateTicks: Tick[];
  minorRates: number[];
  lossTicks: Tick[];
  curve: Curve;
  /** Whether the last sweep's raw points are shown. */
  raw: boolean;
  colours: Colours;
}

type Row = (number | null)[];

/** Rows before the sweeps': learning rates, raw points, the ends of the band. */
const LOW = 2;
const HIGH = 3;

const FONT = '11px system-ui, -apple-system, "Segoe UI", sans-serif';
const RAW_SIZE = 3.6;

export class Chart {
  #host: HTMLElement;
  #plot: uPlot | null = null;
  #picture: Picture | null = null;

  constructor(host: HTMLElement) {
    this.#host = host;
  }

  draw(picture: Picture): void {
    const before = this.#picture;
    this.#picture = picture;
    const data = rows(picture);
    // A sweep that comes along is a series more, which uPlot learns when it is made.
    if (this.#plot?.series.length !== data.length) this.destroy();
    if (!this.#plot) {
      this.#plot = new uPlot(this.#options(picture, data.length), data, this.#host);
      return;
    }
    const resized = before?.width !== picture.width || before.height !== picture.height;
    if (resized) this.#plot.setSize({ width: picture.width, height: picture.height });
    this.#plot.setData(data);
    this.#plot.redraw(false, true);
  }

  destroy(): void {
    this.#plot?.destroy();
    this.#plot = null;
  }

  // uPlot asks through these functions at each drawing, so they read the latest picture.
  #options(first: Picture, count: number): uPlot.Options {
    const latest = () => this.#picture ?? first;
    const line = (width: number, colour: "raw" | "curve"): uPlot.Series => ({
      stroke: () => latest().colours[colour],
      width,
      points: { show: false },
    });
    // Wider, it would be clipped that much outside of the frame, and its band with it.
    const edge: uPlot.Series = { width: 0, points: { show: false } };
    const grid = (ticks: () => Tick[], size: number, side: 2 | 3, gap: number): uPlot.Axis => ({
      side,
      size,
      gap,
      font: FONT,
      stroke: () => latest().colours.soft,
      grid: { stroke: () => latest().colours.grid, width: 1 },
      ticks: { show: false },
      splits: () => ticks().map((tick) => tick.at),
      values: () => ticks().map((tick) => tick.label),
      filter: (_plot, splits) => splits,
    });
    return {
      width: first.width,
      height: first.height,
      padding: [MARGIN.top, MARGIN.right, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      select: { show: false, left: 0, top: 0, width: 0, height: 0 },
      scales: {
        x: { time: false, range: () => [latest().x.low, latest().x.high] },
        y: { range: () => [latest().y.low, latest().y.high] },
      },
      axes: [
        grid(() => latest().rateTicks, MARGIN.bottom, 2, 8),
        grid(() => latest().lossTicks, MARGIN.left, 3, 8),
      ],
      series: [
        {},
        {
          stroke: () => latest().colours.raw,
          paths: () => null,
          points: {
            show: true,
            width: 0,
            size: RAW_SIZE,
            fill: () => latest().colours.raw,
          },
        },
        edge,
        { ...edge },
        ...Array.from({ length: count - 5 }, () => line(1, "raw")),
        line(2, "curve"),
      ],
      bands: [{ series: [HIGH, LOW], fill: () => latest().colours.band }],
      hooks: { drawAxes: [(plot) => drawMinorRates(plot, latest())] },
    };
  }
}

function rows(picture: Picture): uPlot.AlignedData {
  const { curve, raw, y } = picture;
  const sweeps = curve.sweeps;
  const thin = sweeps.length > 1 ? sweeps : [];
  // All sweeps of a run take the same rates; some end earlier.
  const all = [...sweeps, curve.line].map(({ lrs }) => lrs);
  const lrs = all.reduce((longest, one) => (one.length > longest.length ? one : longest));
  // A loss far above the frame is drawn just outside it: canvases lose lines to coordinates too large.
  const far = 4 * (y.high - y.low);
  const row = (values: Float64Array = new Float64Array(0)): Row =>
    Array.from(lrs, (_, point) => {
      const value = values[point] ?? NaN;
      return Number.isFinite(value) ? Math.min(Math.max(value, y.low - far), y.high + far) : null;
    });
  return [
    Array.from(lrs, Math.log10),
    row(raw ? sweeps[sweeps.length - 1]?.losses : undefined),
    row(curve.band(0)),
    row(curve.band(2)),
    ...thin.map(({ smoothed }) => row(smoothed)),
    row(curve.line.smoothed),
  ];
}

function drawMinorRates(plot: uPlot, { minorRates, colours }: Picture): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colours.grid;
  ctx.globalAlpha = 0.55;
  ctx.lineWidth = Math.round(uPlot.pxRatio);
  ctx.beginPath();
  for (const decade of minorRates) {
    const x = Math.round(plot.valToPos(decade, "x", true)) + 0.5;
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
  }
  ctx.stroke();
  ctx.restore();
}
