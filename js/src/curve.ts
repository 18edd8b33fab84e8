// The curve as this page holds it: appended by offset, so that messages may repeat or go missing.

export type Appended = "appended" | "known" | "gap" | "stale";

const FIRST_CAPACITY = 128;

/** One sweep's points, or the line that stands for several sweeps, which has no raw losses. */
export interface Sweep {
  lrs: Float64Array;
  losses: Float64Array;
  smoothed: Float64Array;
}

const NOTHING = new Float64Array(0);

export class Curve {
  /** The run these points belong to; 0 before the first. */
  run = 0;
  /** Where each of its sweeps begins. */
  starts: readonly number[] = [0];
  length = 0;
  /** Grows with every change, so that a view can tell whether it has drawn this one. */
  version = 0;
  #lrs = new Float64Array(FIRST_CAPACITY);
  #losses = new Float64Array(FIRST_CAPACITY);
  #smoothed: Float64Array = NOTHING;
  #band: Float64Array = NOTHING;

  get lrs(): Float64Array {
    return this.#lrs.subarray(0, this.length);
  }

  get losses(): Float64Array {
    return this.#losses.subarray(0, this.length);
  }

  /** The smoothed loss at the first points; it may lag behind them. */
  get smoothed(): Float64Array {
    return this.#smoothed.subarray(0, Math.min(this.length, this.#smoothed.length));
  }

  /** The sweeps of this run so far, the last one perhaps in the making. */
  get sweeps(): Sweep[] {
    const begun = this.starts.filter((start) => start < this.length);
    return begun.map((from, at) => {
      const cut = (values: Float64Array) => values.subarray(from, begun[at + 1]);
      return { lrs: cut(this.lrs), losses: cut(this.losses), smoothed: cut(this.smoothed) };
    });
  }

  /** The line to read: the only sweep's, else the median of those that have ended. */
  get line(): Sweep {
    const sweeps = this.sweeps;
    const [first = { lrs: NOTHING, losses: NOTHING, smoothed: NOTHING }] = sweeps;
    if (sweeps.length < 2) return first;
    const median = this.band(1);
    if (median.length === 0) return { ...first, losses: NOTHING };
    const long = sweeps.find(({ lrs }) => lrs.length >= median.length) ?? first;
    return { lrs: long.lrs.subarray(0, median.length), losses: NOTHING, smoothed: median };
  }

  /** The least loss (0), the median (1) or the greatest (2) of the sweeps that have ended. */
  band(part: 0 | 1 | 2): Float64Array {
    const count = this.#band.length / 3;
    return this.#band.subarray(part * count, (part + 1) * count);
  }

  /** Take the band: all its lower ends, all medians, all upper ends. */
  setBand(values: Float64Array): void {
    this.#band = values;
    this.version++;
  }

  /** Learn where the sweeps of a run begin, as far as it is news. */
  divide(run: number, starts: readonly number[]): void {
    if (run !== this.run || starts.length <= this.starts.length) return;
    this.starts = starts;
    this.version++;
  }

  /** Forget the points and begin with another run. */
  begin(run: number): void {
    this.run = run;
    this.starts = [0];
    this.length = 0;
    this.#smoothed = this.#band = NOTHING;
    this.version++;
  }

  /** Add interleaved (learning rate, loss) pairs that start at point `offset` of `run`. */
  append(run: number, offset: number, pairs: Float64Array): Appended {
    if (run < this.run) return "stale";
    if (run > this.run) this.begin(run);
    if (offset > this.length) return "gap";
    const end = offset + pairs.length / 2;
    if (end <= this.length) return "known";
    this.#reserve(end);
    for (let point = this.length; point < end; point++) {
      this.#lrs[point] = pairs[2 * (point - offset)] ?? NaN;
      this.#losses[point] = pairs[2 * (point - offset) + 1] ?? NaN;
    }
    this.length = end;
    this.version++;
    return "appended";
  }

  /** Replace the smoothed line from point `offset` on. */
  smooth(run: number, offset: number, values: Float64Array): Appended {
    if (run < this.run) return "stale";
    if (run > this.run) this.begin(run);
    if (offset > this.#smoothed.length) return "gap";
    const line = new Float64Array(offset + values.length);
    line.set(this.#smoothed.subarray(0, offset));
    line.set(values, offset);
    this.#smoothed = line;
    this.version++;
    return "appended";
  }

  /** Take a finished curve: n learning rates, n losses, n smoothed values. */
  replace(run: number, values: Float64Array): void {
    const count = Math.floor(values.length / 3);
    this.begin(run);
    this.#lrs = values.slice(0, count);
    this.#losses = values.slice(count, 2 * count);
    this.#smoothed = values.slice(2 * count, 3 * count);
    this.length = count;
  }

  #reserve(length: number): void {
    if (length <= this.#lrs.length) return;
    const capacity = Math.max(length, FIRST_CAPACITY, 2 * this.#lrs.length);
    const grown = (old: Float64Array) => {
      const fresh = new Float64Array(capacity);
      fresh.set(old.subarray(0, this.length));
      return fresh;
    };
    this.#lrs = grown(this.#lrs);
    this.#losses = grown(this.#losses);
  }
}
