import { describe, expect, test } from "vitest";
import { traits } from "../test/fake-kernel.ts";
import type { Status } from "./protocol.ts";
import {
  announcement,
  confirmationOf,
  footText,
  previewOf,
  rangeText,
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
  { label: "body", lr: 1e-3, ratio: 1 },
  { label: "head", lr: 1e-4, ratio: 0.1 },
  { label: "embedding", lr: 1e-5, ratio: null },
];

test("before Apply each group is told as it is and as it will be", () => {
  const optimizer = { name: "SGD", detail: "", groups: GROUPS };
  expect(previewOf(optimizer, 1e-2)).toEqual([
    { label: "body", rate: "1e-3 → 1e-2" },
    { label: "head", rate: "1e-4 → 1e-3" },
    { label: "embedding", rate: "stays 1e-5" },
  ]);
  expect(previewOf(optimizer, 1e-3)[0]?.rate).toBe("1e-3");
});

test("after Apply each group is told as the kernel read it back", () => {
  const groups = [
    { label: "body", before: 1e-3, after: 7.9e-3 },
    { label: "head", before: 1e-4, after: 7.9e-4 },
    { label: "embedding", before: 1e-5, after: 1e-5 },
  ];
  const applied = { lr: 7.9e-3, groups, notes: [], warnings: [], undo: true };
  expect(confirmationOf(applied, { name: "SGD", detail: "", groups: GROUPS })).toEqual([
    { label: "body", rate: "1e-3 → 7.9e-3" },
    { label: "head", rate: "1e-4 → 7.9e-4" },
    { label: "embedding", rate: "stays 1e-5" },
  ]);
});

test("the range that is as good is told with two digits", () => {
  expect(rangeText([0.001789, 0.0178])).toBe("1.8e-3 to 1.8e-2");
});

test("the foot says what the sweep works on and whether it is restored", () => {
  const optimizer = { name: "SGD", detail: "momentum 0.9", groups: [] };
  expect(footText("cross-entropy (inferred)", optimizer, { state: "running" })).toBe(
    "cross-entropy (inferred) · SGD, momentum 0.9 · model and optimizer will be restored",
  );
  expect(footText("", { name: "SGD", detail: "", groups: [] }, { state: "done" })).toBe(
    "SGD · model and optimizer restored",
  );
  const elsewhere = { state: "done", follows: "runs/first/journal.jsonl" } as const;
  expect(footText("", optimizer, elsewhere)).toBe("SGD, momentum 0.9 · runs elsewhere");
  expect(footText("", optimizer, { state: "running", copies: true })).toBe(
    "SGD, momentum 0.9 · copies are trained, the model is left alone",
  );
});
