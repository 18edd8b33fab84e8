import { describe, expect, test } from "vitest";
import { traits } from "../test/fake-kernel.ts";
import type { Status } from "./protocol.ts";
import {
  announcement,
  appliedParts,
  footText,
  goodParts,
  previewParts,
  type Shown,
  statusText,
} from "./words.ts";

const shown = (status: Partial<Status>, change: Partial<Shown> = {}): Shown => ({
  status: { ...traits().status, ...status },
  settings: traits().settings,
  points: 57,
  secondsLeft: 4,
  lost: false,
  errorType: "",
  ...change,
});

/** The first of three sweeps ended after 80 of its 100 points. */
const SECOND = { repeats: 3, starts: [0, 80], total: 280 };
const AGREED = { ...SECOND, text: "3 runs · suggestions within 1.4×, very normal" };

describe("the title line", () => {
  test.each<[string, Shown]>([
    ["ready · 100 points, 1e-7 to 10", shown({ state: "idle" }, { points: 0 })],
    ["starting", shown({ state: "running" }, { points: 0, secondsLeft: null })],
    ["57 of 100 · 4 s left", shown({ state: "running" })],
    ["57 of 100 · 4 s left · slowed by a running cell", shown({ state: "running", slowed: true })],
    ["paused · 57 of 100", shown({ state: "paused" })],
    [
      "done · 88 points · stopped at 4× the best",
      shown({ state: "done", text: "stopped at 4× the best" }, { points: 88 }),
    ],
    ["stopped · 57 of 100", shown({ state: "stopped" })],
    [
      "failed · after 1 point · ValueError",
      shown({ state: "failed" }, { points: 1, errorType: "ValueError" }),
    ],
    ["closed · 57 points", shown({ state: "closed" })],
    ["not connected · 57 points", shown({ state: "done" }, { lost: true })],
    ["run 2 of 3 · 57 of 100 · 4 s left", shown({ state: "running", ...SECOND }, { points: 137 })],
    ["paused · run 2 of 3 · 57 of 100", shown({ state: "paused", ...SECOND }, { points: 137 })],
    ["stopped · run 2 of 3 · 57 of 100", shown({ state: "stopped", ...SECOND }, { points: 137 })],
    ["3 runs · suggestions within 1.4×, very normal", shown({ state: "done", ...AGREED })],
    [
      "not connected · 3 runs · suggestions within 1.4×, very normal",
      shown({ state: "done", ...AGREED }, { lost: true }),
    ],
    [
      "ready · 3 × 100 points, 1e-7 to 10",
      shown({}, { settings: { ...traits().settings, repeats: 3 } }),
    ],
  ])("says %s", (text, state) => {
    expect(statusText(state)).toBe(text);
  });

  test("is announced once for a sweep, not at each point", () => {
    const first = announcement(shown({ state: "running" }, { points: 3 }));
    expect(announcement(shown({ state: "running" }))).toBe(first);
    expect(announcement(shown({ state: "done" }))).toContain("done");
  });
});

const GROUPS = [
  { label: "group 0", lr: 1e-3, ratio: 1 },
  { label: "group 1", lr: 1e-4, ratio: 0.1 },
];

test("the preview shows the rate before and after", () => {
  const optimizer = { name: "SGD", detail: "", groups: GROUPS.slice(0, 1) };
  expect(previewParts(optimizer, 7.9e-3)).toEqual(["optimizer: 1e-3 → 7.9e-3"]);
  expect(previewParts(optimizer, 1e-3)).toEqual(["optimizer: 1e-3"]);
});

test("the preview keeps each group's ratio", () => {
  const optimizer = { name: "SGD", detail: "", groups: GROUPS };
  expect(previewParts(optimizer, 1e-2)).toEqual(["group 0: 1e-3 → 1e-2,", "group 1: 1e-4 → 1e-3"]);
});

test("what was applied is told with what it was before", () => {
  const group = { label: "group 0", before: 1e-3, after: 7.9e-3 };
  expect(appliedParts({ lr: 7.9e-3, groups: [group], undo: true })).toEqual([
    "Applied 7.9e-3",
    "was 1e-3",
  ]);
  const second = { label: "group 1", before: 1e-4, after: 7.9e-4 };
  expect(appliedParts({ lr: 7.9e-3, groups: [group, second], undo: true })).toEqual([
    "Applied 7.9e-3",
    "group 0: 1e-3 → 7.9e-3,",
    "group 1: 1e-4 → 7.9e-4",
  ]);
});

test("the range that is as good is told with two digits", () => {
  expect(goodParts([0.001789, 0.0178]).join(" ")).toBe("good from 1.8e-3 to 1.8e-2");
  expect(goodParts(null)).toEqual([]);
});

test("the foot says what the sweep works on and whether it is restored", () => {
  const optimizer = { name: "SGD", detail: "momentum 0.9", groups: [] };
  expect(footText("cross-entropy (inferred)", optimizer, "running")).toBe(
    "cross-entropy (inferred) · SGD, momentum 0.9 · model and optimizer will be restored",
  );
  expect(footText("", { name: "SGD", detail: "", groups: [] }, "done")).toBe(
    "SGD · model and optimizer restored",
  );
});
