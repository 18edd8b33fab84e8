// The canvas: axes, raw points and the smoothed line, drawn by uPlot. It answers to no pointer.
import uPlot from "uplot";
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
  lrs: Float64Array;
  losses: Float64Array;
  smoothed: Float64Array;
  colours: Colours;
}

type Row = (number | null)[];

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
    if (!this.#plot) {
      this.#plot = new uPlot(this.#options(picture), rows(picture), this.#host);
      return;
    }
    const resized = before?.width !== picture.width || before.height !== picture.height;
    if (resized) this.#plot.setSize({ width: picture.width, height: picture.height });
    this.#plot.setData(rows(picture));
    this.#plot.redraw(false, true);
  }

  destroy(): void {
    this.#plot?.destroy();
    this.#plot = null;
  }

  // uPlot asks through these functions at each drawing, so they read the latest picture.
  #options(first: Picture): uPlot.Options {
    const latest = () => this.#picture ?? first;
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
        { stroke: () => latest().colours.curve, width: 2, points: { show: false } },
      ],
      hooks: { drawAxes: [(plot) => drawMinorRates(plot, latest())] },
    };
  }
}

function rows(picture: Picture): uPlot.AlignedData {
  const x = Array.from(picture.lrs, Math.log10);
  const raw = row(picture.losses, picture);
  const smoothed = row(picture.smoothed, picture);
  while (smoothed.length < x.length) smoothed.push(null);
  return [x, raw, smoothed];
}

// A loss far above the frame is drawn just outside it: canvases lose lines to coordinates too large.
function row(values: Float64Array, { y }: Picture): Row {
  const far = 4 * (y.high - y.low);
  return Array.from(values, (value) =>
    Number.isFinite(value) ? Math.min(Math.max(value, y.low - far), y.high + far) : null,
  );
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
