// The curve as this page holds it: appended by offset, so that messages may repeat or go missing.

export type Appended = "appended" | "known" | "gap" | "stale";

const FIRST_CAPACITY = 128;

/** One sweep's points, or the line that stands for several sweeps, which has no raw losses. */
export interface Sweep {
  lrs: Float64Array;
  losses: Float64Array;
  smoothed: Float64Array;
  /** Validation losses and gradient norms; NaN where they were not measured. */
  validation: Float64Array;
  norms: Float64Array;
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
  /** What the points have; until a run has some, what those of the run before had. */
  measured: readonly string[] = [];
  #columns = new Map<string, Float64Array>();
  #smoothed: Float64Array = NOTHING;
  #band: Float64Array = NOTHING;

  get lrs(): Float64Array {
    return this.#column("lrs");
  }

  get losses(): Float64Array {
    return this.#column("losses");
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
      return {
        lrs: cut(this.lrs),
        losses: cut(this.losses),
        smoothed: cut(this.smoothed),
        validation: cut(this.#column("val_losses")),
        norms: cut(this.#column("grad_norms")),
      };
    });
  }

  /** The sweep in the making, or the last one. */
  get latest(): Sweep {
    return this.sweeps.at(-1) ?? EMPTY;
  }

  /** The last sweep with a line of gradient norms: the latest may have hardly begun. */
  get normed(): Sweep {
    const begun = ({ norms }: Sweep) => norms.filter(Number.isFinite).length > 1;
    return this.sweeps.findLast(begun) ?? this.latest;
  }

  /** The line to read: the only sweep's, else the median of those that have ended. */
  get line(): Sweep {
    const sweeps = this.sweeps;
    const [first = EMPTY] = sweeps;
    if (sweeps.length < 2) return first;
    const median = this.band(1);
    if (median.length === 0) return { ...first, losses: NOTHING };
    const long = sweeps.find(({ lrs }) => lrs.length >= median.length) ?? first;
    return { ...EMPTY, lrs: long.lrs.subarray(0, median.length), smoothed: median };
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
    this.#columns.clear();
    this.#smoothed = this.#band = NOTHING;
    this.version++;
  }

  /** Add points that start at point `offset` of `run`, given as columns one after the other. */
  append(run: number, offset: number, columns: readonly string[], values: Float64Array): Appended {
    if (run < this.run) return "stale";
    if (run > this.run) this.begin(run);
    if (offset > this.length) return "gap";
    const count = values.length / columns.length;
    const end = offset + count;
    if (end <= this.length) return "known";
    this.#reserve(end, columns);
    for (const [at, name] of columns.entries()) {
      const fresh = values.subarray(at * count + this.length - offset, (at + 1) * count);
      this.#columns.get(name)?.set(fresh, this.length);
    }
    this.#grown(end);
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

  /** Take a finished curve, given as columns one after the other. */
  replace(run: number, columns: readonly string[], values: Float64Array): void {
    const count = Math.floor(values.length / columns.length);
    this.begin(run);
    for (const [at, name] of columns.entries()) {
      const column = values.slice(at * count, (at + 1) * count);
      if (name === "smoothed") this.#smoothed = column;
      else this.#columns.set(name, column);
    }
    this.#grown(count);
  }

  #column(name: string): Float64Array {
    return (this.#columns.get(name) ?? NOTHING).subarray(0, this.length);
  }

  #grown(length: number): void {
    this.length = length;
    this.measured = [...this.#columns.keys()];
    this.version++;
  }

  /** Make room; what no message has brought is NaN. */
  #reserve(length: number, columns: readonly string[]): void {
    for (const name of new Set([...this.#columns.keys(), ...columns])) {
      const old = this.#columns.get(name) ?? NOTHING;
      if (length <= old.length) continue;
      const grown = new Float64Array(Math.max(length, FIRST_CAPACITY, 2 * old.length)).fill(NaN);
      grown.set(old.subarray(0, this.length));
      this.#columns.set(name, grown);
    }
  }
}

const EMPTY: Sweep = {
  lrs: NOTHING,
  losses: NOTHING,
  smoothed: NOTHING,
  validation: NOTHING,
  norms: NOTHING,
};
