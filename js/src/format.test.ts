import { describe, expect, test } from "vitest";
import {
  formatDecimal,
  formatExact,
  formatLoss,
  formatRate,
  formatTimeLeft,
  parseNumber,
  parseRate,
} from "./format.ts";

test.each([
  [1e-3, "1e-3"],
  [0.00794328, "7.9e-3"],
  [0.056, "5.6e-2"],
  [0.0999, "0.1"],
  [0.25, "0.25"],
  [10, "10"],
  [123456, "1.2e5"],
  [0, "0"],
])("the rate %d reads %s", (rate, text) => {
  expect(formatRate(rate)).toBe(text);
});

test.each([
  [2.345e-3, "2.345e-3"],
  [3e-4, "3e-4"],
  [0.1 + 0.2, "0.3"],
  [10 ** -2.1, "7.94e-3"],
])("the rate %d is %s with the digits it was given", (rate, text) => {
  expect(formatExact(rate)).toBe(text);
});

test.each([
  [0.98, "0.980"],
  [2.3456, "2.35"],
  [123.456, "123.5"],
  [1.23e-5, "1.23e-5"],
  [1.5e9, "1.50e9"],
  [-2, "-2.00"],
  [NaN, "not a number"],
  [Infinity, "infinite"],
])("the loss %d reads %s", (loss, text) => {
  expect(formatLoss(loss)).toBe(text);
});

test.each([
  [0.2, "1 s left"],
  [4.4, "4 s left"],
  [59.7, "1 min left"],
  [125, "2 min left"],
  [3600 * 1.5, "1 h 30 min left"],
])("%d seconds are %s", (seconds, text) => {
  expect(formatTimeLeft(seconds)).toBe(text);
});

test.each([
  [1e-7, "0.0000001"],
  [7.9e-3, "0.0079"],
  [12345, "12345"],
])("%d is %s without an exponent", (value, text) => {
  expect(formatDecimal(value)).toBe(text);
});

describe("typed numbers", () => {
  test.each(["3e-4", "0.0003", "3E-4", " 3e-4 ", ".0003", "+3e-4", "3e−4"])(
    "%s is a rate",
    (text) => {
      expect(parseRate(text)).toEqual({ value: 3e-4 });
    },
  );

  test.each(["", "fast", "1,5", "1e", "0x10", "3e-4e", "Infinity", "NaN"])(
    "%s is refused with an example of what would do",
    (text) => {
      expect(parseRate(text)).toEqual({ problem: expect.stringContaining("3e-4") });
    },
  );

  test.each(["0", "-1e-3", "1e999"])("%s is refused as a rate, by name", (text) => {
    expect(parseRate(text)).toEqual({ problem: expect.stringContaining(text) });
  });

  test("may be negative where they are no rates", () => {
    expect(parseNumber("-2.5")).toEqual({ value: -2.5 });
  });
});
