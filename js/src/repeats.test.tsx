import axe from "axe-core";
import { afterEach, describe, expect, test } from "vitest";
import { closeAll, drag, frames, place, show, until } from "../test/card.ts";
import { contrast, shownColour } from "../test/colours.ts";
import { madeCurve, pairs } from "../test/curves.ts";
import { FakeKernel } from "../test/fake-kernel.ts";
import { bandOf, madeSweeps, NOISY, repeated, startsOf } from "../test/repeats.ts";
import { done, status } from "../test/states.ts";
import { encodeFloats } from "./protocol.ts";

afterEach(closeAll);

const pixels = (card: { find(selector: string): HTMLElement }) =>
  (card.find("canvas") as HTMLCanvasElement).toDataURL();

describe("several sweeps", () => {
  test("are drawn over one another as they come, and then their band and median", async () => {
    const sweeps = madeSweeps();
    const [first = madeCurve()] = sweeps;
    const { kernel, card } = await show({ status: status({ state: "running", repeats: 3 }) });
    const seen = new Set([pixels(card)]);
    let sent = 0;
    for (let begun = 1; begun <= 3; begun++) {
      const shown = sweeps.slice(0, begun);
      const points = shown.reduce((sum, { lrs }) => sum + lrs.length, 0);
      kernel.status({ run: 1, points, starts: startsOf(shown) });
      kernel.points(1, sent, pairs(sweeps[begun - 1] ?? first));
      kernel.smoothed(
        1,
        shown.flatMap(({ smoothed }) => smoothed),
      );
      sent = points;
      await frames();
      seen.add(pixels(card));
    }
    kernel.update({ band: encodeFloats(bandOf(sweeps)) });
    await frames();
    seen.add(pixels(card));
    kernel.status({ state: "done" }); // without the last one's raw points
    await frames();
    seen.add(pixels(card));
    expect(seen.size).toBe(6);
    expect(card.root.querySelectorAll("canvas")).toHaveLength(1);
  });

  test("have the marker on the median, and a tooltip that says so", async () => {
    const { card } = await show(repeated({ selection: { lr: 1e-7 } }));
    const median = bandOf(madeSweeps())[97] ?? NaN;
    expect(card.role("slider").getAttribute("aria-valuetext")).toBe(
      `1e-7, loss ${median.toFixed(2)}`,
    );
    const { x, y } = place(card, 0);
    const event = { clientX: x, clientY: y, pointerType: "mouse", bubbles: true };
    card.find(".lrf-overlay").dispatchEvent(new PointerEvent("pointermove", event));
    await until(() => card.root.querySelector(".lrf-tooltip") !== null);
    expect(card.text(".lrf-tooltip")).toBe(`learning rate1e-7median${median.toFixed(2)}`);
  });

  test("give way to one that is run after them", async () => {
    const { kernel, card } = await show(repeated());
    kernel.update({ ...done(), status: status({ state: "done", run: 2, points: 96 }), band: null });
    await frames();
    expect(card.text(".lrf-status")).toBe("done · 96 points");
    const { card: single } = await show(done());
    expect(pixels(card)).toBe(pixels(single));
  });

  test("are asked for in the settings", async () => {
    const { kernel, card } = await show();
    await card.openSettings();
    await card.type("3", "{Enter}", "Repeats");
    await until(() => kernel.sentOf("configure").length > 0);
    expect(kernel.sentOf("configure")).toMatchObject([{ settings: { repeats: 3 } }]);
  });
});

describe("the interval", () => {
  const box = (card: { find(selector: string): HTMLElement }, selector: string) =>
    card.find(selector).getBoundingClientRect();

  test("is shaded on the chart and told in its legend in one line, for one sweep too", async () => {
    const { card } = await show(done({ interval: [1e-3, 1e-2] }));
    const plot = box(card, ".u-over");
    const shade = box(card, ".lrf-interval");
    expect((shade.left - plot.left) / plot.width).toBeCloseTo(4 / 8, 2);
    expect((shade.right - plot.left) / plot.width).toBeCloseTo(5 / 8, 2);
    expect(shade.height).toBeCloseTo(plot.height, 0);
    expect(card.text(".lrf-good")).toBe("good from 1e-3 to 1e-2");
    expect(box(card, ".lrf-good").height).toBeLessThan(20);
  });

  test("stays inside the frame when zoomed", async () => {
    const { card } = await show(done({ interval: [1e-3, 1e-2] }));
    await drag(card, [0.55, 0.7], undefined, { shiftKey: true });
    expect(box(card, ".lrf-interval").left).toBeCloseTo(box(card, ".u-over").left, 0);
  });

  test("takes no room from what is above and below it", async () => {
    const { kernel, card } = await show(done());
    const before = box(card, ".lrf-foot").top;
    kernel.update({ interval: [1.8e-3, 1.8e-2] });
    await frames();
    expect(box(card, ".lrf-foot").top).toBe(before);
    expect(box(card, ".lrf-apply").height).toBeLessThan(60);
  });
});

describe("a finding", () => {
  test("is told below the rules, and its button runs again with what it says", async () => {
    const { kernel, card } = await show(repeated());
    const bar = card.find(".lrf-finding");
    expect(bar.textContent).toContain(NOISY.text);
    const below = (selector: string) => card.find(selector).getBoundingClientRect();
    expect(bar.getBoundingClientRect().top).toBeGreaterThanOrEqual(below(".lrf-pick").bottom - 1);
    expect(bar.getBoundingClientRect().bottom).toBeLessThanOrEqual(below(".lrf-apply").top + 1);
    card.button(NOISY.action).click();
    await until(() => kernel.sentOf("run").length > 0);
    expect(kernel.sentOf("run")).toMatchObject([{ run: 1, settings: { num_iter: 300 } }]);
  });

  test("without anything to change has no button", async () => {
    const { card } = await show(repeated({ findings: [{ ...NOISY, changes: {}, action: "" }] }));
    expect(card.find(".lrf-finding").querySelector("button")).toBeNull();
  });

  test("beyond the second waits behind a button, and can be put away again", async () => {
    const names = ["one", "two", "three", "four"];
    const findings = names.map((name) => ({ ...NOISY, name, text: name, action: "" }));
    const { card } = await show(repeated({ findings }));
    const shown = () =>
      [...card.root.querySelectorAll(".lrf-finding")].map((bar) => bar.textContent?.slice(1));
    expect(shown()).toEqual(["one", "two"]);
    card.button("2 more").click();
    await frames();
    expect(shown()).toEqual(names);
    card.button("Fewer").click();
    await frames();
    expect(shown()).toEqual(["one", "two"]);
  });
});

describe("Copy code", () => {
  const withLines = (kernel: FakeKernel) => {
    kernel.silentOn.add("code");
    kernel.does.code = ({ id }) =>
      kernel.message({ kind: "reply", id, ok: true, code: "lr = 0.0079\n" });
  };
  const clipboard = (writeText: (text: string) => Promise<void>) =>
    Object.defineProperty(navigator, "clipboard", { value: { writeText }, configurable: true });
  afterEach(() => Reflect.deleteProperty(navigator, "clipboard"));

  test("waits for a chosen rate", async () => {
    const { kernel, card } = await show();
    expect(card.isEnabled("Copy code")).toBe(false);
    kernel.update({ selection: { lr: 1e-3 } });
    await frames();
    expect(card.isEnabled("Copy code")).toBe(true);
  });

  test("puts the kernel's lines into the clipboard, and says so", async () => {
    const copied: string[] = [];
    clipboard(async (text) => void copied.push(text));
    const { kernel, card } = await show(done());
    withLines(kernel);
    const { width } = card.button("Copy code").getBoundingClientRect();
    card.button("Copy code").click();
    await until(() => copied.length > 0 && card.text(".lrf-apply").includes("Copied"));
    expect(copied).toEqual(["lr = 0.0079\n"]);
    expect(card.button("Copied").getBoundingClientRect().width).toBe(width);
    expect(kernel.sentOf("code")).toMatchObject([{ schedule: "one_cycle", lr: 7.9e-3 }]);
  });

  test("shows the lines where the clipboard refuses", async () => {
    clipboard(() => Promise.reject(new Error("not allowed")));
    const { kernel, card } = await show(done());
    withLines(kernel);
    card.button("Copy code").click();
    await until(() => card.root.querySelector(".lrf-code") !== null);
    expect(card.text(".lrf-code")).toBe("lr = 0.0079\n");
    expect(getComputedStyle(card.find(".lrf-code")).userSelect).toBe("all");
    expect(card.root.textContent).not.toContain("Copied");
  });

  test("says why the kernel refuses", async () => {
    const { kernel, card } = await show(done());
    kernel.refuses.code = "the first parameter group's learning rate is 0";
    card.button("Copy code").click();
    await until(() => card.text(".lrf-outcome").includes("rate is 0"));
  });
});

test("without its kernel a saved run still shows all of it, and asks for nothing", async () => {
  const kernel = new FakeKernel(repeated());
  kernel.welcomes = false;
  const { card } = await show({}, { kernel });
  await until(() => card.text(".lrf-status").startsWith("not connected · 3 runs"), 7_000);
  expect(card.text(".lrf-good")).toContain("1.8e-3 to 1.8e-2");
  expect(card.text(".lrf-finding")).toContain(NOISY.text);
  card.find(".lrf-interval");
  for (const name of [NOISY.action, "Copy code", "Apply"]) expect(card.isEnabled(name)).toBe(false);
}, 10_000);

test.each(["light", "dark"])(
  "in the %s theme findings are readable and axe is content",
  async (theme) => {
    document.documentElement.dataset.theme = theme;
    const severities = ["error", "warning"] as const;
    const findings = severities.map((severity) => ({ ...NOISY, severity, name: severity }));
    const { card } = await show(repeated({ findings: [...findings, NOISY] }));
    const { violations } = await axe.run(card.root);
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    for (const name of ["warn", "bad"]) {
      const pair = [shownColour(card.root, name), shownColour(card.root, "surface")] as const;
      expect(contrast(...pair)).toBeGreaterThanOrEqual(4.5);
    }
  },
);
