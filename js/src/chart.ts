// A canvas: two axes and what is drawn between them, by uPlot. It answers to no pointer.
import uPlot from "uplot";
import { MARGIN, type Range, type Tick } from "./scales.ts";
import type { Colours } from "./theme.ts";

/** What a row of values looks like; two edges next to each other have the band between them. */
export type Look = "points" | "edge" | "thin" | "strong" | "dashed";

export interface Picture {
  width: number;
  height: number;
  /** Room above the plot. */
  top: number;
  x: Range;
  y: Range;
  xTicks: Tick[];
  minor: number[];
  yTicks: Tick[];
  /** Where the rows' values stand along x, and each row. */
  places: number[];
  rows: { look: Look; values: Row }[];
  colours: Colours;
}

export type Row = (number | null)[];

const FONT = '11px system-ui, -apple-system, "Segoe UI", sans-serif';
const POINT_SIZE = 3.6;

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
    const data: uPlot.AlignedData = [picture.places, ...picture.rows.map(({ values }) => values)];
    const looks = ({ rows }: Picture) => rows.map(({ look }) => look).join();
    // uPlot learns what its rows look like when it is made.
    if (before && looks(before) !== looks(picture)) this.destroy();
    if (!this.#plot) {
      this.#plot = new uPlot(this.#options(picture), data, this.#host);
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
  #options(first: Picture): uPlot.Options {
    const latest = () => this.#picture ?? first;
    const line = (width: number, colour: keyof Colours): uPlot.Series => ({
      stroke: () => latest().colours[colour],
      width,
      points: { show: false },
    });
    const looks: Record<Look, uPlot.Series> = {
      points: {
        stroke: () => latest().colours.raw,
        paths: () => null,
        points: { show: true, width: 0, size: POINT_SIZE, fill: () => latest().colours.raw },
      },
      // Wider, it would be clipped that much outside of the frame, and its band with it.
      edge: { width: 0, points: { show: false } },
      thin: line(1, "raw"),
      strong: line(2, "curve"),
      dashed: { ...line(1.25, "soft"), dash: [5, 4], spanGaps: true },
    };
    const axis = (ticks: () => Tick[], size: number, side: 2 | 3): uPlot.Axis => ({
      side,
      size,
      gap: 8,
      font: FONT,
      stroke: () => latest().colours.soft,
      grid: { stroke: () => latest().colours.grid, width: 1 },
      ticks: { show: false },
      splits: () => ticks().map((tick) => tick.at),
      values: () => ticks().map((tick) => tick.label),
      filter: (_plot, splits) => splits,
    });
    const edge = first.rows.findIndex(({ look }) => look === "edge") + 1;
    return {
      width: first.width,
      height: first.height,
      padding: [first.top, MARGIN.right, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      select: { show: false, left: 0, top: 0, width: 0, height: 0 },
      scales: {
        x: { time: false, range: () => [latest().x.low, latest().x.high] },
        y: { range: () => [latest().y.low, latest().y.high] },
      },
      axes: [
        axis(() => latest().xTicks, MARGIN.bottom, 2),
        axis(() => latest().yTicks, MARGIN.left, 3),
      ],
      series: [{}, ...first.rows.map(({ look }) => ({ ...looks[look] }))],
      bands: edge > 0 ? [{ series: [edge + 1, edge], fill: () => latest().colours.band }] : [],
      hooks: { drawAxes: [(plot) => drawMinor(plot, latest())] },
    };
  }
}

function drawMinor(plot: uPlot, { minor, colours }: Picture): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colours.grid;
  ctx.globalAlpha = 0.55;
  ctx.lineWidth = Math.round(uPlot.pxRatio);
  ctx.beginPath();
  for (const decade of minor) {
    const x = Math.round(plot.valToPos(decade, "x", true)) + 0.5;
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
  }
  ctx.stroke();
  ctx.restore();
}
