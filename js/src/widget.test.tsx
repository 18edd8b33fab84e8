import axe from "axe-core";
import { afterEach, describe, expect, test } from "vitest";
import { userEvent } from "vitest/browser";
import { type Card, closeAll, drag, frames, show, until } from "../test/card.ts";
import { madeCurve, pairs } from "../test/curves.ts";
import { FakeKernel, traits } from "../test/fake-kernel.ts";
import { done, status } from "../test/states.ts";
import type { Status, Traits } from "./protocol.ts";

afterEach(closeAll);

describe("the title line", () => {
  test("shows progress while points come, in words and as a bar", async () => {
    const { kernel, card } = await show({ status: status({ state: "running", run: 1 }) });
    kernel.points(1, 0, pairs(madeCurve(57)));
    await frames();
    expect(card.text(".lrf-status")).toBe("57 of 100 · 4 s left");
    expect(card.role("progressbar").getAttribute("aria-valuenow")).toBe("57");
  });

  test.each<[Status["state"], number, string[], string[]]>([
    ["idle", 0, ["Run"], ["Stop"]],
    ["running", 1, ["Pause", "Stop"], []],
    ["paused", 1, ["Resume", "Stop"], []],
    ["done", 1, ["Run again"], ["Stop"]],
    ["failed", 1, ["Run again"], ["Stop"]],
    ["closed", 1, [], ["Run again", "Stop", "Apply"]],
  ])("when %s (run %d) offers %j and not %j", async (state, run, offered, not) => {
    const { card } = await show({ status: status({ state, run }) });
    for (const name of offered) expect(card.isEnabled(name)).toBe(true);
    for (const name of not) expect(card.isEnabled(name)).toBe(false);
  });

  test("sends a command once, with the run it shows", async () => {
    const { kernel, card } = await show({ status: status({ state: "running", run: 3 }) });
    kernel.silentOn.add("stop");
    card.button("Stop").click();
    await frames();
    card.button("Stop").click();
    expect(kernel.sentOf("stop")).toMatchObject([{ run: 3 }]);
  });

  test("keeps the focus on a button that is not available any more", async () => {
    const { kernel, card } = await show({ status: status({ state: "running", run: 1 }) });
    card.button("Stop").focus();
    kernel.status({ state: "stopped" });
    await frames();
    expect(document.activeElement).toBe(card.button("Stop"));
    card.button("Stop").click();
    expect(kernel.sentOf("stop")).toEqual([]);
  });

  test("does not move anything between states", async () => {
    const { kernel, card } = await show();
    const places = () =>
      [".lrf-controls", ".lrf-canvas", ".lrf-tools", ".lrf-apply", ".lrf-foot"].map((part) => {
        const { left, top, height } = card.find(part).getBoundingClientRect();
        return [part, left, top, height];
      });
    const before = places();
    kernel.status({ state: "running", run: 1 });
    await frames();
    expect(places()).toEqual(before);
    kernel.points(1, 0, pairs(madeCurve(57)));
    kernel.update(done());
    await frames();
    expect(places()).toEqual(before);
    kernel.update({ selection: { lr: 3e-4 } });
    await frames();
    expect(places()).toEqual(before);
  });
});

describe("rules", () => {
  test("appear as chips with their rates, and one chosen moves the marker", async () => {
    const { kernel, card } = await show(done());
    const radios = [...card.root.querySelectorAll("[role=radio]")];
    expect(radios.map((radio) => radio.textContent)).toContain("Minimum 5.6e-2");
    card.radio("Minimum / 10").click();
    await until(() => card.rate() === 5.6e-3);
    expect(kernel.saved.at(-1)).toEqual({ rule: "minimum_10" });
    expect(card.radio("Minimum / 10").getAttribute("aria-checked")).toBe("true");
  });

  test("are one tab stop, and arrows go from one to the next", async () => {
    const { card } = await show(done());
    card.radio("Suggested").focus();
    await userEvent.keyboard("{ArrowRight}");
    await until(() => card.rate() === 2.5e-3);
    expect(document.activeElement).toBe(card.radio("Steepest"));
    const stops = [...card.root.querySelectorAll<HTMLElement>("[role=radio]")];
    expect(stops.filter(({ tabIndex }) => tabIndex === 0)).toEqual([card.radio("Steepest")]);
  });

  test("are labelled on the curve", async () => {
    const { card } = await show(done());
    const labels = [...card.root.querySelectorAll(".lrf-rules span")];
    expect(labels.map((label) => label.textContent)).toEqual(["steepest", "minimum"]);
  });

  test("are said to be missing while there are none", async () => {
    const { card } = await show();
    expect(card.text(".lrf-empty")).toContain("drag the marker to choose now");
  });
});

describe("the number field", () => {
  test.each(["3e-4", "0.0003", "3E-4"])("takes %s with Enter", async (text) => {
    const { kernel, card } = await show(done());
    await card.type(text, "{Enter}");
    await until(() => card.rate() === 3e-4);
    expect(kernel.saved.at(-1)).toEqual({ lr: 3e-4 });
    expect(card.field("Learning rate").value).toBe("3e-4");
  });

  test("says what is wrong with anything else, and chooses nothing", async () => {
    const { kernel, card } = await show(done());
    await card.type("fast", "{Enter}");
    await until(() => card.text(".lrf-outcome").includes("not a number"));
    const field = card.field("Learning rate");
    expect(field.getAttribute("aria-invalid")).toBe("true");
    expect(field.getAttribute("aria-describedby")).toBe(card.find(".lrf-outcome").id);
    expect(kernel.saved).toEqual([]);
    await userEvent.keyboard("{Escape}");
    await until(() => field.value === "7.9e-3");
  });

  test.each<[string, (card: Card) => unknown]>([
    ["a chip", (card) => card.radio("Minimum").click()],
    ["a drag", (card) => drag(card, [0.3, 0.4])],
    ["a key", () => userEvent.keyboard("{PageDown}")],
  ])("lets go of what is no number when a rate is chosen by %s", async (_how, choose) => {
    const { kernel, card } = await show(done());
    await card.type("abc", "{Enter}");
    await until(() => card.text(".lrf-outcome").includes("not a number"));
    card.role("slider").focus();
    await choose(card);
    await until(() => card.field("Learning rate").value !== "abc");
    expect(card.field("Learning rate").getAttribute("aria-invalid")).toBe("false");
    expect(card.text(".lrf-outcome")).not.toContain("not a number");
    card.button("Apply").click();
    expect(kernel.sentOf("apply")[0]?.lr).toBeCloseTo(card.rate(), 12);
  });

  test("asks for a number when it is empty", async () => {
    const { card } = await show(done());
    await card.type("", "{Enter}");
    await until(() => card.text(".lrf-outcome") === "Write a number such as 3e-4.");
  });

  test("is applied as typed, without Enter before", async () => {
    const { kernel, card } = await show(done());
    await card.type("2e-4");
    card.button("Apply").click();
    await until(() => kernel.sentOf("apply").length > 0);
    expect(kernel.sentOf("apply")).toMatchObject([{ lr: 2e-4 }]);
  });
});

describe("Apply", () => {
  const groups = [{ label: "group 0", before: 1e-3, after: 7.9e-3 }];
  const optimizer = { ...traits().optimizer, groups: [{ label: "group 0", lr: 7.9e-3, ratio: 1 }] };

  test("shows before and after first, and then only what the kernel confirmed", async () => {
    const { kernel, card } = await show(done());
    expect(card.text(".lrf-outcome")).toBe("optimizer: 1e-3 → 7.9e-3");
    card.button("Apply").click();
    await frames();
    expect(card.text(".lrf-outcome")).not.toContain("Applied");
    kernel.update({
      optimizer,
      applied: { lr: 7.9e-3, groups, notes: [], warnings: [], undo: true },
    });
    await frames();
    expect(card.text(".lrf-outcome")).toBe("Applied 7.9e-3 was 1e-3");
    expect(card.isEnabled("Undo")).toBe(true);
    card.button("Undo").click();
    expect(kernel.sentOf("undo")).toHaveLength(1);
  });

  test("can be repeated, as a cell may have changed the rate since", async () => {
    const applied = { lr: 7.9e-3, groups, notes: [], warnings: [], undo: true };
    const { kernel, card } = await show(done({ optimizer, applied }));
    expect(card.text(".lrf-outcome")).toContain("Applied");
    card.button("Apply").click();
    expect(kernel.sentOf("apply")).toMatchObject([{ lr: 7.9e-3 }]);
  });

  test("shows why it was refused", async () => {
    const { kernel, card } = await show(done());
    kernel.refuses.apply = "The optimizer has no parameter groups any more.";
    card.button("Apply").click();
    await until(() => card.text(".lrf-outcome").includes("no parameter groups"));
    expect(card.isEnabled("Undo")).toBe(false);
  });
});

describe("settings", () => {
  test("are sent when they change, and shown as the kernel took them", async () => {
    const { kernel, card } = await show();
    await card.openSettings();
    await card.type("200", "{Enter}", "Points");
    await until(() => kernel.sentOf("configure").length > 0);
    expect(kernel.sentOf("configure")).toMatchObject([{ settings: { num_iter: 200 } }]);
    kernel.update({ settings: { ...traits().settings, num_iter: 200 } });
    await until(() => card.field("Points").value === "200");
  });

  test("that are refused stay as typed with the reason, and go along with the next change", async () => {
    const { kernel, card } = await show();
    kernel.refuses.configure = "end_lr must be greater than start_lr";
    await card.openSettings();
    await card.type("100", "{Enter}", "From");
    await until(() => card.text(".lrf-hint").includes("greater than"));
    expect(card.field("From").value).toBe("100");
    expect(card.field("From").getAttribute("aria-invalid")).toBe("true");
    delete kernel.refuses.configure;
    await card.type("1000", "{Enter}", "To");
    await until(() => card.text(".lrf-hint").includes("next run"));
    expect(kernel.sentOf("configure").at(-1)).toMatchObject({
      settings: { start_lr: 100, end_lr: 1000 },
    });
  });

  test("smooth at once: lag-free, or a moving average with its beta", async () => {
    const { kernel, card } = await show(done());
    await card.openSettings();
    await userEvent.selectOptions(card.field("Smoothing"), "moving average");
    await until(() => kernel.sentOf("configure").length > 0);
    expect(kernel.sentOf("configure")).toMatchObject([{ settings: { beta: 0.98 } }]);
  });

  test("open beside their button, to the eye and to the Tab key", async () => {
    const { card } = await show(done());
    const bottom = card.find(".lrf-head").getBoundingClientRect().bottom;
    await card.openSettings();
    expect(card.find(".lrf-settings").getBoundingClientRect().top - bottom).toBeLessThan(10);
    expect(card.button("Settings").getAttribute("aria-expanded")).toBe("true");
    card.button("Settings").focus();
    await userEvent.keyboard("{Tab}");
    expect(document.activeElement).toBe(card.field("From"));
  });
});

test("a failure is told in plain words, with the line", async () => {
  const { card } = await show({
    status: status({ state: "failed", run: 1 }),
    error: { type: "ValueError", message: "bad batch", where: "train.py, line 12: model(x)" },
  });
  expect(card.role("alert").textContent).toBe("ValueErrorbad batchtrain.py, line 12: model(x)");
});

test("a failure with a long message stays short, and its text can be scrolled by key", async () => {
  const message = "one more line of an exception\n".repeat(80);
  const error = { type: "ValueError", message, where: "train.py, line 12" };
  const { card } = await show({ status: status({ state: "failed", run: 1 }), error });
  expect(card.role("alert").getBoundingClientRect().height).toBeLessThan(250);
  expect(card.text(".lrf-problem .lrf-message")).toBe(message);
  const { violations } = await axe.run(card.root);
  expect(violations.map(({ id }) => id)).toEqual([]);
});

test("nothing from the kernel becomes HTML", async () => {
  const html = "<img src=x onerror=alert(1)>";
  const { card } = await show({
    ...done(),
    status: status({ state: "failed", run: 1, text: html, notes: [html] }),
    error: { type: html, message: html, where: html },
    loss: html,
    optimizer: { name: html, detail: html, groups: [{ label: html, lr: 1e-3, ratio: 1 }] },
    suggestions: [{ rule: "auto", label: html, lr: 1e-3, index: 3, why: html }],
  });
  expect(card.root.querySelector("img")).toBeNull();
  expect(card.root.textContent).toContain(html);
});

test("a kernel that handles clicks only between cells is named as such", async () => {
  const { card } = await show({ status: status({ state: "running", run: 1, controls: "queued" }) });
  expect(card.text(".lrf-foot")).toContain("only when the running cell ends");
});

describe.each([
  ["idle", {}],
  ["running", { status: status({ state: "running", run: 1 }) }],
  ["done", done()],
  [
    "failed",
    { status: status({ state: "failed", run: 1 }), error: { type: "E", message: "m", where: "w" } },
  ],
] as [string, Partial<Traits>][])("when %s", (_state, state) => {
  test.each(["light", "dark"])("axe finds no violation in the %s theme", async (theme) => {
    document.documentElement.dataset.theme = theme;
    const { card } = await show(state);
    await card.openSettings();
    const { violations } = await axe.run(card.root);
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  });
});

test("a kernel gone before the page opened leaves the curve, and says not connected", async () => {
  const kernel = new FakeKernel(done());
  kernel.welcomes = false;
  const { card } = await show({}, { kernel });
  await until(() => card.text(".lrf-status") === "not connected · 96 points", 7_000);
  expect(card.isEnabled("Apply")).toBe(false);
  expect(card.isEnabled("Run again")).toBe(false);
}, 10_000);
