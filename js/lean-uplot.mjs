// uPlot without what this chart never calls: its cursor, legend, time axes, log scales and other
// curves. They are a third of it, and the bundle is copied into every notebook that is saved with it.
import { readFile } from "node:fs/promises";

const FILE = /uplot[\\/]dist[\\/]uPlot\.esm\.js$/;

const UNUSED = [
  // Pointers are followed in pointer.ts.
  "updateCursor",
  "cacheMouse",
  "onMouse",
  "offMouse",
  "syncRect",
  "invalidateRects",
  "mouseDown",
  "mouseUp",
  "mouseLeave",
  "mouseMove",
  "dblClick",
  "filtBtn0",
  "filtTarg",
  "initCursorPt",
  "cursorMove",
  "cursorPointShow",
  "cursorPointStroke",
  "cursorPointFill",
  "cursorPointSize",
  "setSelect",
  "hideSelect",
  "setSelH",
  "setSelV",
  "closestIdxFromXpos",
  "posToVal",
  "setFocus",
  "setAlpha",
  "setSeries",
  // Nothing is listed beside the chart, and no series comes or goes.
  "initLegendRow",
  "setLegend",
  "setLegendValues",
  "syncLegend",
  "legendStroke",
  "legendFill",
  "toggleDOM",
  "addSeries",
  "delSeries",
  "addBand",
  "setBand",
  "delBand",
  "pubSync",
  "pub",
  // The axes come with their own ticks, and x is in decades already.
  "guessDec",
  "timeAxisStamps",
  "timeSeriesVal",
  "timeSeriesStamp",
  "clampScale",
  "seriesPointsShow",
  "rangeAsinh",
  "snapNumY",
  "snapLogY",
  "snapAsinhY",
  "autoPadSide",
  "numAxisSplits",
  "numAxisVals",
  "numSeriesVal",
  "tzDate",
  "timeAxisVals",
  "timeAxisVal",
  "rangeLog",
  "logAxisSplits",
  "log10AxisValsFilt",
  "log2AxisValsFilt",
  "asinhAxisSplits",
  "fmtDate",
  // Only straight lines and points are drawn.
  "bars",
  "stepped",
  "splineInterp",
  "_monotoneCubic",
  "join",
];

/** Functions whose result is used where they are called. */
const RESULTS = {
  genTimeStuffs: "return [[], [], () => {}];",
  _rangeNum: "return [_min - 1, _max + 1];",
  genIncrs: "return [];",
  findIncr: "return [1, 1];",
};

/** What is always or never so in this chart: the minifier then leaves out what cannot be reached. */
const KNOWN = {
  "mode == 1": true,
  "mode == 2": false,
  showCursor: false,
  showLegend: false,
  "legend.live": false,
  "cursor.dataIdx == null": false,
  "select.show": false,
  isTime: false,
  "distr == 2": false,
  "distr == 3": false,
  "distr == 4": false,
  "distr == 100": false,
  "axis.label != null": false,
  "ticks.show": false,
  "border.show": false,
  "sx.ori == 0": true,
  "scaleX.ori == 0": true,
};

/** uPlot's source without what is unused; throws when a part of that is not there. */
export function leanUplot(source) {
  let lean = source;
  for (const name of [...UNUSED, ...Object.keys(RESULTS)]) {
    // A function ends at the first closing brace that is indented as it is.
    const whole = new RegExp(`^(\\t*)function ${name}\\(([^\\n]*)\\) \\{\\n[^]*?^\\1\\}$`, "m");
    if (!whole.test(lean)) throw new Error(`uPlot has no function ${name} to leave out`);
    lean = lean.replace(whole, `$1function ${name}($2) { ${RESULTS[name] ?? ""} }`);
  }
  for (const [condition, known] of Object.entries(KNOWN)) {
    // Not where it is declared, and with the object that a property belongs to.
    const whole = new RegExp(
      `(?<!(?:const|let) |[\\w.])(?:\\w+\\.)?${condition}\\b(?! *=[^=])`,
      "g",
    );
    if (!whole.test(lean)) throw new Error(`uPlot never asks for ${condition}`);
    lean = lean.replace(whole, known);
  }
  return lean;
}

export const esbuildPlugin = {
  name: "lean-uplot",
  setup(build) {
    build.onLoad({ filter: FILE }, async ({ path }) => ({
      contents: leanUplot(await readFile(path, "utf8")),
    }));
  },
};

/** The same for the tests, so that they draw with what is shipped. */
export const vitePlugin = {
  name: "lean-uplot",
  transform: (code, id) =>
    FILE.test(id.split("?")[0]) ? { code: leanUplot(code), map: null } : null,
};
