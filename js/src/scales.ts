// Where things lie: learning rates and losses to pixels and back, ticks, the steps of the keys.
// Along x everything is in decades, log10 of the learning rate.

export interface Range {
  low: number;
  high: number;
}

/** The plot inside its element, in CSS pixels. */
export interface Frame {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Tick {
  at: number;
  label: string;
}

/** Room around the plot: loss labels on the left, the marker's flag on top, rate labels below. */
export const MARGIN = { left: 48, right: 18, top: 36, bottom: 24 };

const LABEL_WIDTH = 46;
const LABEL_HEIGHT = 34;
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

export function frameOf(width: number, height: number): Frame {
  return {
    left: MARGIN.left,
    top: MARGIN.top,
    width: Math.max(0, width - MARGIN.left - MARGIN.right),
    height: Math.max(0, height - MARGIN.top - MARGIN.bottom),
  };
}

export function xOf(decade: number, range: Range, frame: Frame): number {
  return frame.left + ((decade - range.low) / (range.high - range.low)) * frame.width;
}

export function decadeAt(x: number, range: Range, frame: Frame): number {
  const share = Math.min(1, Math.max(0, (x - frame.left) / frame.width));
  return range.low + share * (range.high - range.low);
}

export function yOf(loss: number, range: Range, frame: Frame): number {
  return frame.top + ((range.high - loss) / (range.high - range.low)) * frame.height;
}

export function clamp(value: number, range: Range): number {
  return Math.min(range.high, Math.max(range.low, value));
}

/** A power of ten as it is written on the axis: 10⁻³. */
export function powerOfTen(exponent: number): string {
  const digits = String(Math.abs(exponent)).replace(
    /\d/g,
    (digit) => SUPERSCRIPTS[Number(digit)] ?? "",
  );
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

/** Ticks of the learning-rate axis: whole decades, or multiples of them when zoomed in. */
export function rateTicks(range: Range, width: number): Tick[] {
  const most = Math.max(2, Math.floor(width / LABEL_WIDTH));
  const span = range.high - range.low;
  const every = Math.max(1, Math.ceil((span + 1) / most));
  const ticks: Tick[] = [];
  for (let exponent = Math.ceil(range.low - 1e-9); exponent <= range.high + 1e-9; exponent++) {
    if (exponent % every === 0) ticks.push({ at: exponent, label: powerOfTen(exponent) });
  }
  if (span >= 2 && ticks.length >= 2) return ticks;
  return multiplesOfDecades(range, most);
}

function multiplesOfDecades(range: Range, most: number): Tick[] {
  for (const digits of [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const ticks: Tick[] = [];
    for (let exponent = Math.floor(range.low); exponent <= range.high; exponent++) {
      for (const digit of digits) {
        const at = exponent + Math.log10(digit);
        if (at < range.low - 1e-9 || at > range.high + 1e-9) continue;
        ticks.push({ at, label: `${digit}e${exponent}` });
      }
    }
    const crowded = ticks.some((tick, i) => {
      const next = ticks[i + 1];
      return next !== undefined && (next.at - tick.at) * most < range.high - range.low;
    });
    if (!crowded && ticks.length >= 2) return ticks;
  }
  return finerThanDigits(range, most);
}

function finerThanDigits(range: Range, most: number): Tick[] {
  const low = 10 ** range.low;
  const high = 10 ** range.high;
  return niceSteps({ low, high }, Math.min(most, 6)).map((rate) => ({
    at: Math.log10(rate),
    label: Number(rate.toPrecision(4)).toExponential(),
  }));
}

/** Lines between the labelled decades, at 2 to 9 times a power of ten. */
export function minorRates(range: Range): number[] {
  if (range.high - range.low > 4) return [];
  const minors: number[] = [];
  for (let exponent = Math.floor(range.low); exponent <= range.high; exponent++) {
    for (let digit = 2; digit <= 9; digit++) {
      const at = exponent + Math.log10(digit);
      if (at > range.low && at < range.high) minors.push(at);
    }
  }
  return minors;
}

export function lossTicks(range: Range, height: number): Tick[] {
  const values = niceSteps(range, Math.max(2, Math.floor(height / LABEL_HEIGHT)));
  const step = values.length > 1 ? (values[1] ?? 0) - (values[0] ?? 0) : 1;
  const largest = Math.max(...values.map(Math.abs));
  return values.map((at) => ({ at, label: tickLabel(at, step, largest) }));
}

function tickLabel(value: number, step: number, largest: number): string {
  if (largest >= 1e5 || step < 1e-4) {
    if (value === 0) return "0";
    // As many digits as tell neighbours apart.
    const digits = Math.max(
      0,
      Math.floor(Math.log10(Math.abs(value))) - Math.floor(Math.log10(step)),
    );
    return value.toExponential(Math.min(digits, 3)).replace("e+", "e");
  }
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return String(Number(value.toFixed(digits)));
}

/** At most `most` round values inside a range, at steps of 1, 2 or 5 times a power of ten. */
export function niceSteps(range: Range, most: number): number[] {
  const rough = (range.high - range.low) / Math.max(1, most);
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step =
    ([1, 2, 5].find((factor) => factor * magnitude >= rough * (1 - 1e-9)) ?? 10) * magnitude;
  const values: number[] = [];
  const first = Math.ceil(range.low / step - 1e-9);
  for (let i = first; i * step <= range.high + step * 1e-9 && values.length <= most; i++) {
    // Through a string, so that 3 * 0.1 is 0.3.
    values.push(Number((i * step).toPrecision(12)));
  }
  return values;
}

const ARROW = 1 / 20;
const SHIFT_ARROW = 1 / 5;

/** Where a key moves the marker, in decades; null for keys that do not move it. */
export function keyStep(key: string, shift: boolean, decade: number, axis: Range): number | null {
  const arrow = shift ? SHIFT_ARROW : ARROW;
  const steps: Record<string, number> = {
    ArrowRight: decade + arrow,
    ArrowUp: decade + arrow,
    ArrowLeft: decade - arrow,
    ArrowDown: decade - arrow,
    PageUp: decade + 1,
    PageDown: decade - 1,
    Home: axis.low,
    End: axis.high,
  };
  const to = steps[key];
  return to === undefined ? null : clamp(to, axis);
}

/** Index of the point nearest to a decade; -1 for an empty curve. */
export function nearestPoint(lrs: ArrayLike<number>, decade: number): number {
  let below = 0;
  let above = lrs.length - 1;
  if (above < 0) return -1;
  const rate = 10 ** decade;
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if ((lrs[middle] ?? 0) <= rate) below = middle;
    else above = middle;
  }
  const distance = (i: number) => Math.abs(Math.log10(lrs[i] ?? 0) - decade);
  return distance(above) < distance(below) ? above : below;
}

/** The line's loss at a decade, between the points beside it; null beyond its ends. */
export function lossAt(
  lrs: ArrayLike<number>,
  line: ArrayLike<number>,
  decade: number,
): number | null {
  const length = Math.min(lrs.length, line.length);
  const decadeOf = (i: number) => Math.log10(lrs[i] ?? 0);
  if (length === 0 || decade < decadeOf(0) - 1e-9 || decade > decadeOf(length - 1) + 1e-9)
    return null;
  let right = 0;
  let high = length - 1;
  while (right < high) {
    const middle = (right + high) >> 1;
    if (decadeOf(middle) < decade) right = middle + 1;
    else high = middle;
  }
  const left = Math.max(0, right - 1);
  const before = line[left] ?? NaN;
  const after = line[right] ?? NaN;
  const gap = decadeOf(right) - decadeOf(left);
  const share = gap > 0 ? (decade - decadeOf(left)) / gap : 1;
  const loss = before + clamp(share, { low: 0, high: 1 }) * (after - before);
  return Number.isFinite(loss) ? loss : null;
}
