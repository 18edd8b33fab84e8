import { expect, test } from "vitest";
import { parseDraft } from "./settings-draft.ts";

test("a draft becomes the settings it spells", () => {
  expect(parseDraft({ start_lr: "1e-6", num_iter: "200", step_mode: "linear" })).toEqual({
    settings: { start_lr: 1e-6, num_iter: 200, step_mode: "linear" },
  });
});

test("an empty threshold or beta switches it off", () => {
  expect(parseDraft({ diverge_threshold: " ", beta: "" })).toEqual({
    settings: { diverge_threshold: null, beta: null },
  });
});

test("what is no number is named", () => {
  expect(parseDraft({ end_lr: "ten" })).toEqual({ problem: expect.stringContaining("“ten”") });
  expect(parseDraft({ num_iter: "" })).toEqual({ problem: "Write a number such as 100." });
});
