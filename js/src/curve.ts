// The curve as this page holds it: appended by offset, so that messages may repeat or go missing.

export type Appended = "appended" | "known" | "gap" | "stale";

const FIRST_CAPACITY = 128;

export class Curve {
  /** The run these points belong to; 0 before the first. */
  run = 0;
  length = 0;
  /** Grows with every change, so that a view can tell whether it has drawn this one. */
  version = 0;
  #lrs = new Float64Array(FIRST_CAPACITY);
  #losses = new Float64Array(FIRST_CAPACITY);
  #smoothed: Float64Array = new Float64Array(0);

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

  /** Forget the points and begin with another run. */
  begin(run: number): void {
    this.run = run;
    this.length = 0;
    this.#smoothed = new Float64Array(0);
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
