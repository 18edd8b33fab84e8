import { describe, expect, test } from "vitest";
import {
  decadeAt,
  frameOf,
  keyStep,
  lossAt,
  lossTicks,
  minorRates,
  nearestPoint,
  niceSteps,
  powerOfTen,
  rateTicks,
  xOf,
  yOf,
} from "./scales.ts";

const AXIS = { low: -7, high: 1 };
const FRAME = frameOf(760, 264);
const labels = (ticks: { label: string }[]) => ticks.map(({ label }) => label);

describe("places", () => {
  test("a learning rate goes to its pixel and back", () => {
    for (const decade of [-7, -3.3, 0, 1]) {
      expect(decadeAt(xOf(decade, AXIS, FRAME), AXIS, FRAME)).toBeCloseTo(decade, 10);
    }
  });

  test("pixels beyond the frame are its ends", () => {
    expect(decadeAt(-50, AXIS, FRAME)).toBe(-7);
    expect(decadeAt(5_000, AXIS, FRAME)).toBe(1);
  });

  test("the highest loss is at the top", () => {
    expect(yOf(3, { low: 0, high: 3 }, FRAME)).toBe(FRAME.top);
    expect(yOf(0, { low: 0, high: 3 }, FRAME)).toBe(FRAME.top + FRAME.height);
  });

  test("an element without a size has a frame without one", () => {
    expect(frameOf(0, 0)).toMatchObject({ width: 0, height: 0 });
  });
});

describe("ticks of the learning rate", () => {
  test("are whole decades in superscripts", () => {
    expect(labels(rateTicks(AXIS, FRAME.width))).toEqual(
      [-7, -6, -5, -4, -3, -2, -1, 0, 1].map(powerOfTen),
    );
    expect(powerOfTen(-12)).toBe("10⁻¹²");
  });

  test("skip decades where there is no room", () => {
    expect(labels(rateTicks(AXIS, 290))).toEqual(["10⁻⁶", "10⁻⁴", "10⁻²", "10⁰"]);
  });

  test("are multiples under two decades", () => {
    expect(labels(rateTicks({ low: -3.5, high: -2 }, 690))).toContain("5e-3");
    expect(labels(rateTicks({ low: -3, high: -2.1 }, 300))).toEqual(
      [1, 2, 5].map((digit) => `${digit}e-3`),
    );
  });

  test("tell neighbours apart in the deepest zoom", () => {
    const deep = labels(rateTicks({ low: -2.31, high: -2.29 }, 690));
    expect(deep.length).toBeGreaterThan(2);
    expect(new Set(deep).size).toBe(deep.length);
  });

  test("have minor lines only where they can be told apart", () => {
    expect(minorRates(AXIS)).toEqual([]);
    expect(minorRates({ low: -3, high: -2 })).toHaveLength(8);
  });
});

describe("ticks of the loss", () => {
  test.each([
    [{ low: 0.4, high: 2.6 }, ["0.5", "1", "1.5", "2", "2.5"]],
    [{ low: -3, high: 3 }, ["-3", "-2", "-1", "0", "1", "2", "3"]],
    [{ low: 2.2, high: 2.3 }, ["2.2", "2.22", "2.24", "2.26", "2.28", "2.3"]],
    [{ low: 0, high: 4e6 }, ["0", "1e6", "2e6", "3e6", "4e6"]],
    [{ low: 0, high: 5e-6 }, ["0", "1e-6", "2e-6", "3e-6", "4e-6", "5e-6"]],
  ])("of %o", (range, expected) => {
    expect(labels(lossTicks(range, 204))).toEqual(expected);
  });

  test("are round to the last digit", () => {
    expect(niceSteps({ low: 0, high: 0.5 }, 5)).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5]);
  });
});

describe("keys", () => {
  test.each([
    ["ArrowRight", false, -2.95],
    ["ArrowUp", false, -2.95],
    ["ArrowLeft", false, -3.05],
    ["ArrowDown", true, -3.2],
    ["ArrowRight", true, -2.8],
    ["PageUp", false, -2],
    ["PageDown", false, -4],
    ["Home", false, -7],
    ["End", false, 1],
  ])("%s (Shift: %s) goes from 1e-3 to 10 to the %d", (key, shift, decade) => {
    expect(keyStep(key, shift, -3, AXIS)).toBeCloseTo(decade, 12);
  });

  test("stop at the ends", () => {
    expect(keyStep("PageUp", false, 0.9, AXIS)).toBe(1);
    expect(keyStep("ArrowLeft", false, -7, AXIS)).toBe(-7);
  });

  test("that do not move the marker are left alone", () => {
    expect(keyStep("b", false, -3, AXIS)).toBeNull();
  });
});

describe("the curve at a place", () => {
  const LRS = [1e-3, 1e-2, 1e-1];

  test("has a nearest point", () => {
    expect([-9, -2.6, -2.4, 5].map((decade) => nearestPoint(LRS, decade))).toEqual([0, 0, 1, 2]);
    expect(nearestPoint([], -3)).toBe(-1);
  });

  test("has the line's loss between the points", () => {
    expect(lossAt(LRS, [3, 2, 4], -2.5)).toBeCloseTo(2.5);
    expect(lossAt(LRS, [3, 2, 4], -1)).toBe(4);
    expect(lossAt(LRS, [3, 2, 4], -3)).toBe(3);
  });

  test("has none beyond the line, or where the loss is no number", () => {
    expect(lossAt(LRS, [3, 2], -1)).toBeNull();
    expect(lossAt(LRS, [3, 2, NaN], -1.2)).toBeNull();
    expect(lossAt([], [], -3)).toBeNull();
  });
});
