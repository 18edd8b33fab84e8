import { expect, test } from "vitest";
import { madeCurve } from "../test/curves.ts";
import { lossRange, lossRangeWithin } from "./loss-range.ts";

const sweepOf = (losses: number[], smoothed: number[] = []) => ({
  losses: Float64Array.from(losses),
  smoothed: Float64Array.from(smoothed),
});
const range = (losses: number[], smoothed: number[] = []) => lossRange([sweepOf(losses, smoothed)]);

test("the descent stays readable under a blow-up of any height", () => {
  const { losses, smoothed } = madeCurve();
  const { low, high } = range([...losses, 50, 1e9], [...smoothed, 50, 1e9]);
  expect(high).toBeLessThan(4);
  // From the starting level to the minimum takes more than half of the height.
  expect((2.3 - 0.65) / (high - low)).toBeGreaterThan(0.5);
});

test("a curve that does not blow up is inside", () => {
  const { losses, smoothed } = madeCurve(80);
  const { low, high } = range(losses, smoothed);
  expect(low).toBeLessThan(Math.min(...losses));
  expect(high).toBeGreaterThan(Math.max(...losses));
});

test("the first points of a sweep are all inside, whatever their noise", () => {
  const noise = [0.69, 0.52, 0.61, 0.93, 0.55, 0.82, 1.1, 0.6, 0.74, 0.5, 0.96, 0.71];
  for (let points = 1; points <= noise.length; points++) {
    const begun = noise.slice(0, points);
    const { low, high } = range(begun, begun.slice(0, -1));
    expect(low).toBeLessThan(Math.min(...begun));
    expect(high).toBeGreaterThan(Math.max(...begun));
  }
});

test("the descent of a sweep of few points stays readable, too", () => {
  const { low, high } = range([2.3, 2.3, 2.1, 1.4, 0.8, 0.7, 3, 40, 1e9]);
  expect((2.3 - 0.7) / (high - low)).toBeGreaterThan(0.5);
});

test("between two rates all losses are inside, and no others count", () => {
  const losses = Float64Array.of(3, 2, 1, 8, 1e9, NaN);
  const lrs = Float64Array.of(1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1);
  const none = new Float64Array(0);
  const sweeps = [{ lrs, losses, smoothed: none, validation: none, norms: none }];
  const { low = NaN, high = NaN } = lossRangeWithin({ low: -4.1, high: -1.9 }, sweeps) ?? {};
  expect(low).toBeLessThan(1);
  expect(high).toBeGreaterThan(8);
  expect(high).toBeLessThan(10);
  expect(lossRangeWithin({ low: -0.5, high: 0.5 }, sweeps)).toBeNull();
});

test("noise on a flat curve is not stretched to the full height", () => {
  const { low, high } = range([2.3, 2.301, 2.299, 2.3]);
  expect(high - low).toBeGreaterThan(0.2);
});

test.each([
  ["nothing", []],
  ["only what is not finite", [NaN, Infinity]],
  ["one point", [2.3]],
  ["zeros", [0, 0, 0]],
  ["negative losses", [-1, -2, -3, 10]],
  ["a rise from the start", [1, 2, 4, 8, 16]],
])("%s has a range with room in it", (_what, losses) => {
  const { low, high } = range(losses);
  expect(Number.isFinite(low)).toBe(true);
  expect(high).toBeGreaterThan(low);
});

test("one loss that is not a number does not move the range", () => {
  const { losses, smoothed } = madeCurve(80);
  expect(range([...losses, NaN], smoothed)).toEqual(range(losses, smoothed));
});

test("the blow-up of one sweep does not hide the descent of the next", () => {
  const { losses, smoothed } = madeCurve();
  const exploded = sweepOf([...losses, 50, 1e9], [...smoothed, 50, 1e9]);
  const { low, high } = lossRange([exploded, sweepOf(losses, smoothed), sweepOf([2.3])]);
  expect(high).toBeLessThan(4);
  expect(low).toBeLessThan(Math.min(...losses));
});
