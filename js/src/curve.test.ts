import { describe, expect, test } from "vitest";
import { Curve } from "./curve.ts";

const COLUMNS = ["lrs", "losses"];

/** Learning rates and losses by turns, as a block has them: one column after the other. */
const pairs = (...values: number[]) =>
  Float64Array.from([0, 1].flatMap((odd) => values.filter((_, at) => at % 2 === odd)));

test("points are appended where the last ones ended", () => {
  const curve = new Curve();
  expect(curve.append(1, 0, COLUMNS, pairs(1e-7, 2.3, 1e-6, 2.2))).toBe("appended");
  expect(curve.append(1, 2, COLUMNS, pairs(1e-5, 2.1))).toBe("appended");
  expect([...curve.lrs]).toEqual([1e-7, 1e-6, 1e-5]);
  expect([...curve.losses]).toEqual([2.3, 2.2, 2.1]);
});

test("points that are there already are ignored, the new ones of a block that overlaps are taken", () => {
  const curve = new Curve();
  curve.append(1, 0, COLUMNS, pairs(1, 10, 2, 20));
  expect(curve.append(1, 0, COLUMNS, pairs(9, 90))).toBe("known");
  expect(curve.append(1, 1, COLUMNS, pairs(9, 90, 3, 30))).toBe("appended");
  expect([...curve.losses]).toEqual([10, 20, 30]);
});

test("a gap is told and nothing is appended", () => {
  const curve = new Curve();
  curve.append(1, 0, COLUMNS, pairs(1, 10));
  expect(curve.append(1, 3, COLUMNS, pairs(4, 40))).toBe("gap");
  expect(curve.length).toBe(1);
});

test("a new run begins anew, and messages of an earlier one are stale", () => {
  const curve = new Curve();
  curve.append(1, 0, COLUMNS, pairs(1, 10, 2, 20));
  curve.smooth(1, 0, Float64Array.of(10, 19));
  expect(curve.append(2, 0, COLUMNS, pairs(1, 11))).toBe("appended");
  expect([...curve.losses]).toEqual([11]);
  expect(curve.smoothed).toHaveLength(0);
  expect(curve.append(1, 2, COLUMNS, pairs(3, 30))).toBe("stale");
  expect(curve.smooth(1, 0, Float64Array.of(1))).toBe("stale");
});

test("the smoothed line replaces the one before and never goes beyond the points", () => {
  const curve = new Curve();
  curve.append(1, 0, COLUMNS, pairs(1, 10, 2, 20));
  curve.smooth(1, 0, Float64Array.of(10));
  curve.smooth(1, 0, Float64Array.of(11, 19, 28));
  expect([...curve.smoothed]).toEqual([11, 19]);
});

test("the smoothed line is replaced from the point on that a message names", () => {
  const curve = new Curve();
  curve.append(1, 0, COLUMNS, pairs(1, 10, 2, 20, 3, 30));
  curve.smooth(1, 0, Float64Array.of(10, 19));
  expect(curve.smooth(1, 1, Float64Array.of(20, 29))).toBe("appended");
  expect([...curve.smoothed]).toEqual([10, 20, 29]);
  expect(curve.smooth(1, 5, Float64Array.of(50))).toBe("gap");
  expect([...curve.smoothed]).toEqual([10, 20, 29]);
});

test("ten thousand points in small blocks are all there", () => {
  const curve = new Curve();
  for (let i = 0; i < 10_000; i++) curve.append(1, i, COLUMNS, pairs(i + 1, 2 * i));
  expect(curve.length).toBe(10_000);
  expect(curve.losses[9_999]).toBe(19_998);
});

test("each change is seen by the version", () => {
  const curve = new Curve();
  const versions = new Set([curve.version]);
  curve.append(1, 0, COLUMNS, pairs(1, 10));
  versions.add(curve.version);
  curve.smooth(1, 0, Float64Array.of(10));
  versions.add(curve.version);
  curve.replace(1, [...COLUMNS, "smoothed"], Float64Array.of(1, 2, 10, 20, 11, 19));
  versions.add(curve.version);
  expect(versions.size).toBe(4);
  expect([...curve.lrs, ...curve.losses, ...curve.smoothed]).toEqual([1, 2, 10, 20, 11, 19]);
  curve.append(1, 2, COLUMNS, pairs(3, 30));
  expect([...curve.losses]).toEqual([10, 20, 30]);
});

/** Three sweeps of 3, 2 and so far 1 points. */
function divided(): Curve {
  const curve = new Curve();
  curve.append(1, 0, COLUMNS, pairs(1, 10, 2, 20, 3, 30, 1, 12, 2, 22, 1, 11));
  curve.smooth(1, 0, Float64Array.of(10, 19, 29, 12, 21));
  curve.divide(1, [0, 3, 5]);
  return curve;
}

test("a run is divided into its sweeps, the last one perhaps without a line yet", () => {
  const { sweeps } = divided();
  expect(sweeps.map(({ lrs }) => [...lrs])).toEqual([[1, 2, 3], [1, 2], [1]]);
  expect(sweeps.map(({ losses }) => [...losses])).toEqual([[10, 20, 30], [12, 22], [11]]);
  expect(sweeps.map(({ smoothed }) => [...smoothed])).toEqual([[10, 19, 29], [12, 21], []]);
});

test("a sweep without a point here is none yet", () => {
  const curve = new Curve();
  expect(curve.sweeps).toEqual([]);
  curve.append(1, 0, COLUMNS, pairs(1, 10));
  curve.divide(1, [0, 3]);
  expect(curve.sweeps).toHaveLength(1);
});

test("the line is the only sweep's, then the first one's, then the median over its rates", () => {
  const curve = divided();
  expect([...curve.line.smoothed]).toEqual([10, 19, 29]);
  expect(curve.line.losses).toHaveLength(0);
  curve.setBand(Float64Array.of(9, 18, 11, 20, 13, 22));
  expect([...curve.line.lrs]).toEqual([1, 2]);
  expect([...curve.line.smoothed]).toEqual([11, 20]);
  expect([[...curve.band(0)], [...curve.band(2)]]).toEqual([
    [9, 18],
    [13, 22],
  ]);
  const single = new Curve();
  single.append(1, 0, COLUMNS, pairs(1, 10, 2, 20));
  expect([...single.line.losses]).toEqual([10, 20]);
});

test("where sweeps begin is only learned of the run that is held, and never forgotten", () => {
  const curve = divided();
  curve.divide(1, [0, 3]);
  curve.divide(2, [0, 1, 2, 3]);
  expect(curve.starts).toEqual([0, 3, 5]);
  curve.setBand(Float64Array.of(1, 2, 3));
  curve.begin(2);
  expect(curve.starts).toEqual([0]);
  expect(curve.band(1)).toHaveLength(0);
});

describe("what is measured besides the loss", () => {
  const MORE = [...COLUMNS, "grad_norms"];
  const norms = ({ latest }: Curve) => [...latest.norms];

  test("is NaN where it came later than the points", () => {
    const curve = new Curve();
    curve.append(1, 0, COLUMNS, pairs(1, 10, 2, 20));
    expect([curve.measured, norms(curve)]).toEqual([COLUMNS, []]);
    curve.append(1, 2, MORE, Float64Array.of(3, 30, 0.5));
    expect([curve.measured, norms(curve)]).toEqual([MORE, [NaN, NaN, 0.5]]);
  });

  test("is NaN where a block lacks it, also after many points", () => {
    const curve = new Curve();
    curve.append(1, 0, MORE, Float64Array.of(1, 10, 0.5));
    for (let i = 1; i < 1_000; i++) curve.append(1, i, COLUMNS, pairs(i, i));
    expect(norms(curve).slice(0, 2)).toEqual([0.5, NaN]);
    expect(norms(curve).slice(1).every(Number.isNaN)).toBe(true);
    expect(norms(curve)).toHaveLength(1_000);
  });

  test("comes with a finished curve, in any order of its columns", () => {
    const curve = new Curve();
    const columns = ["grad_norms", "lrs", "losses", "smoothed", "val_losses"];
    curve.replace(1, columns, Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    expect(norms(curve)).toEqual([1, 2]);
    expect([...curve.latest.validation]).toEqual([9, 10]);
    expect([...curve.smoothed]).toEqual([7, 8]);
  });

  test("is only the latest sweep's", () => {
    const curve = new Curve();
    curve.append(1, 0, MORE, Float64Array.of(1, 2, 1, 10, 20, 11, 0.1, 0.2, 0.3));
    curve.divide(1, [0, 2]);
    expect(norms(curve)).toEqual([0.3]);
  });

  test("keeps its place until the next run has shown what it measures", () => {
    const curve = new Curve();
    curve.append(1, 0, MORE, Float64Array.of(1, 10, 0.5));
    curve.begin(2);
    expect(curve.measured).toEqual(MORE);
    curve.append(2, 0, COLUMNS, pairs(1, 10));
    expect(curve.measured).toEqual(COLUMNS);
  });
});

test("the gradient norms to show are those of the last sweep that has a line of them", () => {
  const curve = new Curve();
  const columns = ["lrs", "losses", "grad_norms"];
  curve.append(1, 0, columns, Float64Array.of(1, 2, 1, 2, 9, 9, 9, 9, 0.1, 0.2, NaN, 0.3));
  curve.divide(1, [0, 2]);
  expect([...curve.normed.norms]).toEqual([0.1, 0.2]);
  curve.append(1, 4, columns, Float64Array.of(3, 9, 0.4));
  expect([...curve.normed.norms]).toEqual([NaN, 0.3, 0.4]);
});
