import { describe, expect, test } from "vitest";
import { normAxis } from "./norm-axis.ts";

const HEIGHT = 48;
const axis = (...norms: number[]) => normAxis(Float64Array.from(norms), HEIGHT);
const labels = (...norms: number[]) => axis(...norms).ticks.map(({ label }) => label);

describe("the axis of gradient norms", () => {
  test("is linear while they stay within a decade", () => {
    const { scale, y } = axis(0.5, 2, 1);
    expect(scale(2)).toBe(2);
    expect(y.low).toBeLessThan(0.5);
    expect(y.high).toBeGreaterThan(2);
    expect(labels(0.5, 2, 1)).toEqual(["1", "2"]);
  });

  test("is logarithmic when they span more, as at a blow-up", () => {
    const { scale, y } = axis(0.05, 1, 400);
    expect(scale(100)).toBe(2);
    expect(y.low).toBeLessThan(-1.3);
    expect(y.high).toBeGreaterThan(Math.log10(400));
    expect(labels(0.05, 1, 400)).toEqual(["10⁻¹", "10¹"]);
  });

  test.each([[[0.001, 0.011]], [[1, 12]], [[3, 1e9]], [[1e-12, 1e30]], [[0.9, 9.5]]])(
    "has one to three labels for %j",
    (norms) => {
      const count = labels(...norms).length;
      expect(count).toBeGreaterThanOrEqual(1);
      expect(count).toBeLessThanOrEqual(3);
    },
  );

  test("does not stretch norms that hardly differ", () => {
    const { y } = axis(1, 1.001);
    expect(y.high - y.low).toBeGreaterThan(0.1);
  });

  test("goes by what is finite and above zero", () => {
    expect(axis(NaN, 1, Infinity, 2, 0).y).toEqual(axis(1, 2).y);
  });

  test("is there, without numbers, before there is a norm to show", () => {
    expect(axis(NaN, 0)).toMatchObject({ y: { low: 0, high: 1 }, ticks: [] });
  });
});
