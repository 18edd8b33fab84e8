import { expect, test } from "vitest";
import { placeFlag, placeLabels } from "./labels.ts";
import { frameOf } from "./scales.ts";

const FRAME = frameOf(760, 264);
const place = (text: string, x: number, y: number) => ({ text, x, y });

test("labels go below their ticks, the first to the left and the second to the right", () => {
  const [steepest, minimum] = placeLabels(
    [place("steepest", 400, 120), place("minimum", 500, 150)],
    FRAME,
  );
  expect(steepest?.left).toBeLessThan(400 - 40);
  expect(steepest?.top).toBeGreaterThan(120);
  expect(minimum?.left).toBeGreaterThan(500);
});

test("a label at an edge goes to the other side", () => {
  const [label] = placeLabels([place("steepest", FRAME.left + 5, 120)], FRAME);
  expect(label?.left).toBeGreaterThan(FRAME.left + 5);
});

test("a label at the bottom goes above its tick", () => {
  const bottom = FRAME.top + FRAME.height;
  const [label] = placeLabels([place("minimum", 400, bottom - 4)], FRAME);
  expect(label?.top).toBeLessThan(bottom - 16);
});

test("labels at one place do not cover each other", () => {
  const labels = placeLabels([place("steepest", 400, 120), place("minimum", 400, 120)], FRAME);
  const [first, second] = labels;
  if (!first || !second) throw new Error("both labels are laid out");
  const apart =
    first.left + first.width <= second.left ||
    second.left + second.width <= first.left ||
    Math.abs(first.top - second.top) >= 16;
  expect(apart).toBe(true);
});

test("a label without room of its own is left out", () => {
  const narrow = { left: 0, top: 0, width: 70, height: 24 };
  const places = [place("minimum", 10, 2), place("steepest", 12, 2)];
  expect(placeLabels(places, narrow).map(({ text }) => text)).toEqual(["minimum"]);
});

test("the flag stands over the marker and moves aside at the edges", () => {
  expect(placeFlag("7.9e-3", 380, 760).shift).toBe(0);
  const left = placeFlag("7.9e-3", 10, 760);
  expect(10 + left.shift - left.width / 2).toBeGreaterThanOrEqual(42);
  const right = placeFlag("7.9e-3", 755, 760);
  expect(755 + right.shift + right.width / 2).toBeLessThanOrEqual(760);
});
