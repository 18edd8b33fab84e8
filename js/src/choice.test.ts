import { expect, test } from "vitest";
import { SUGGESTIONS } from "../test/curves.ts";
import { chosenRate, rateAt } from "./choice.ts";

const AXIS = { low: 1e-7, high: 10 };
const optimizer = (lr: number) => ({
  name: "SGD",
  detail: "",
  groups: [{ label: "group 0", lr, ratio: 1 }],
});

test("a rate chosen by hand stands, also beyond the axis", () => {
  expect(chosenRate({ lr: 50 }, SUGGESTIONS, optimizer(1e-3), AXIS)).toBe(50);
});

test("a rule's rate follows its suggestion", () => {
  expect(chosenRate({ rule: "minimum" }, SUGGESTIONS, optimizer(1e-3), AXIS)).toBe(5.6e-2);
});

test("without a suggestion the marker stands at the optimizer's rate, on the axis", () => {
  expect(chosenRate({ rule: "auto" }, [], optimizer(1e-3), AXIS)).toBe(1e-3);
  expect(chosenRate({ rule: "auto" }, [], optimizer(100), AXIS)).toBe(10);
  expect(chosenRate({ rule: "auto" }, [], optimizer(0), AXIS)).toBe(1e-7);
});

test("a place on the axis is a rate of three digits, its ends are exact", () => {
  expect(rateAt(-2.1, AXIS)).toBe(7.94e-3);
  expect(rateAt(1.2, AXIS)).toBe(10);
  expect(rateAt(-7, { low: 1.23456e-7, high: 10 })).toBe(1.23456e-7);
});
