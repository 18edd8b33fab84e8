import axe from "axe-core";
import { afterEach, describe, expect, test } from "vitest";
import { type Card, closeAll, drag, frames, place, show, until } from "../test/card.ts";
import { madeCurve, madeNorms, madeValidation, pairs } from "../test/curves.ts";
import { traits } from "../test/fake-kernel.ts";
import { done, status, withNorms } from "../test/states.ts";
import { formatExact } from "./format.ts";

afterEach(closeAll);

const box = (card: Card, selector: string) => card.find(selector).getBoundingClientRect();
const has = (card: Card, selector: string) => card.root.querySelector(selector) !== null;
const RUNNING = { status: status({ state: "running", run: 1 }) };

/** How many pixels of a canvas, in a stretch of its width, are as blue as the line is. */
function ink(card: Card, selector: string, from = 0, to = 1): number {
  const canvas = card.find(`${selector} canvas`) as HTMLCanvasElement;
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const left = Math.round(from * width);
  const { data = [] } = context?.getImageData(left, 0, Math.round(to * width) - left, height) ?? {};
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    count += Number((data[i + 2] ?? 0) - (data[i] ?? 0) > 60 && (data[i + 3] ?? 0) > 60);
  }
  return count;
}

describe("gradient norms", () => {
  test("have a chart below that of the loss, on the same axis, and the marker goes through", async () => {
    const { card } = await show(withNorms());
    const [losses, norms] = [box(card, ".lrf-canvas .u-over"), box(card, ".lrf-norms .u-over")];
    expect([norms.left, norms.width]).toEqual([losses.left, losses.width]);
    expect(norms.top).toBeGreaterThan(losses.bottom);
    const line = box(card, ".lrf-line");
    expect(line.top).toBeLessThan(losses.top);
    expect(line.bottom).toBeCloseTo(norms.bottom, 0);
    expect(card.text(".lrf-chart")).toContain("gradient norm");
    expect(ink(card, ".lrf-norms")).toBeGreaterThan(300);
  });

  test("follow the zoom", async () => {
    const { card } = await show(withNorms({ selection: { lr: 1e-7 } }));
    const whole = ink(card, ".lrf-norms", 0.8);
    await drag(card, [0.6, 0.62, 0.7], undefined, { shiftKey: true });
    await frames();
    expect(ink(card, ".lrf-norms", 0.8)).not.toBe(whole);
    expect(card.find(".lrf-marker").className).toContain("lrf-outside");
  });

  test("are dragged over as the losses are", async () => {
    const { card } = await show(withNorms());
    const { x } = place(card, 0.5);
    const overlay = card.find(".lrf-overlay");
    overlay.setPointerCapture = () => undefined;
    const clientY = box(card, ".lrf-norms").top + 20;
    const event = { clientX: x, clientY, pointerId: 5, bubbles: true, button: 0 };
    expect(document.elementFromPoint(x, clientY)?.closest(".lrf-overlay")).toBe(overlay);
    overlay.dispatchEvent(new PointerEvent("pointerdown", event));
    overlay.dispatchEvent(new PointerEvent("pointerup", event));
    await until(() => Math.abs(card.rate() / 1e-3 - 1) < 0.05);
  });

  test("take their room at the first one, and keep it to the end and into the next run", async () => {
    const { kernel, card } = await show(RUNNING);
    const made = madeCurve(57);
    kernel.points(1, 0, pairs(made, 0, 2), { grad_norms: [NaN, NaN] });
    await frames();
    expect(has(card, ".lrf-norms")).toBe(true);
    const places = () => [".lrf-tools", ".lrf-apply", ".lrf-foot"].map((at) => box(card, at).top);
    const before = places();
    kernel.points(1, 2, pairs(made, 2), { grad_norms: madeNorms(57).slice(2) });
    await frames();
    expect(places()).toEqual(before);
    kernel.update(withNorms());
    await frames();
    expect(places()).toEqual(before);
    kernel.update({ status: status({ state: "running", run: 2 }), curve: null, columns: [] });
    await frames();
    expect(places()).toEqual(before);
    expect(ink(card, ".lrf-norms")).toBe(0);
  });

  test("leave no room behind in a run without them", async () => {
    const { kernel, card } = await show(withNorms());
    kernel.update({ status: status({ state: "running", run: 2 }) });
    kernel.points(2, 0, pairs(madeCurve(3)));
    await frames();
    expect(has(card, ".lrf-norms")).toBe(false);
    kernel.points(2, 3, pairs(madeCurve(9), 3), { grad_norms: madeNorms(9).slice(3) });
    await until(() => has(card, ".lrf-norms canvas"));
  });

  test("and validation losses are told where the pointer is", async () => {
    const { card } = await show(withNorms());
    const { x, y } = place(card, 0.5);
    const hover = { clientX: x, clientY: y, bubbles: true, pointerType: "mouse" };
    card.find(".lrf-overlay").dispatchEvent(new PointerEvent("pointermove", hover));
    await until(() => has(card, ".lrf-tooltip"));
    expect(card.text(".lrf-tooltip")).toMatch(/smoothed1\.\d+validation1\.\d+gradient norm1\.\d+$/);
  });
});

describe("the validation loss", () => {
  test("has an entry in the legend where there is one", async () => {
    expect(has((await show(done())).card, ".lrf-validation")).toBe(false);
    const { card } = await show(withNorms());
    expect(card.text(".lrf-validation")).toBe("validation loss");
  });

  test("is drawn beside the loss, inside the frame", async () => {
    const { kernel, card } = await show(RUNNING);
    const made = madeCurve(96);
    kernel.points(1, 0, pairs(made));
    await frames();
    const pixels = () => (card.find(".lrf-canvas canvas") as HTMLCanvasElement).toDataURL();
    const without = pixels();
    kernel.update(withNorms());
    await frames();
    const between = pixels();
    expect(between).not.toBe(without);
    const higher = madeValidation(96).map((loss) => loss + 3);
    kernel.update(withNorms({}, higher));
    await frames();
    expect(pixels()).not.toBe(between);
  });
});

describe("parameter groups", () => {
  const groups = [
    { label: "body", lr: 1e-3, ratio: 1 },
    { label: "head", lr: 1e-2, ratio: 10 },
    { label: "embedding", lr: 1e-5, ratio: null },
  ];
  const optimizer = { name: "AdamW", detail: "", groups };
  const told = (card: Card) =>
    [...card.root.querySelectorAll(".lrf-groups li")].map((item) => item.textContent);

  test("are told before Apply as they will be, and after it as the kernel read them back", async () => {
    const { kernel, card } = await show(done({ optimizer }));
    expect(told(card)).toEqual([
      "body: 1e-3 → 7.9e-3",
      "head: 1e-2 → 7.9e-2",
      "embedding: stays 1e-5",
    ]);
    expect(card.text(".lrf-outcome")).toBe("3 parameter groups");
    const written = groups.map((group) => ({ ...group, lr: 7.9e-3 * (group.ratio ?? 0) || 1e-5 }));
    const applied = {
      lr: 7.9e-3,
      groups: groups.map(({ label, lr }, at) => ({
        label,
        before: lr,
        after: written[at]?.lr ?? NaN,
      })),
      notes: ["initial_lr and base_lrs of StepLR were set too."],
      warnings: ["the schedule of Mine could not be scaled"],
      undo: true,
    };
    kernel.update({ optimizer: { ...optimizer, groups: written }, applied });
    await frames();
    expect(card.text(".lrf-outcome")).toBe("Applied 7.9e-3");
    expect(told(card)).toEqual([
      "body: 1e-3 → 7.9e-3",
      "head: 1e-2 → 7.9e-2",
      "embedding: stays 1e-5",
    ]);
    expect(card.text(".lrf-foot")).toContain(applied.notes[0]);
    expect(card.text(".lrf-warning")).toBe(applied.warnings[0]);
    kernel.update({ optimizer, applied: null });
    await frames();
    expect(card.text(".lrf-foot")).not.toContain("StepLR");
  });

  test("follow the marker", async () => {
    const { card } = await show(done({ optimizer, selection: { lr: 1e-4 } }));
    expect(told(card)[1]).toBe("head: 1e-2 → 1e-3");
    await drag(card, [0.3, 0.25]);
    expect(card.rate()).toBeLessThan(2e-5);
    expect(told(card)[1]).toBe(`head: 1e-2 → ${formatExact(10 * card.rate())}`);
  });

  test("beyond the third wait behind a button", async () => {
    const many = Array.from({ length: 6 }, (_, at) => ({ label: `layer ${at}`, lr: 1, ratio: 1 }));
    const { card } = await show(done({ optimizer: { ...optimizer, groups: many } }));
    expect(told(card)).toHaveLength(4);
    card.button("+3 more").click();
    await until(() => told(card).length === 7);
    card.button("fewer").click();
    await until(() => told(card).length === 4);
  });

  test("not swept do not say where the marker begins", async () => {
    const first = { label: "frozen", lr: 1e-6, ratio: null };
    const { card } = await show({
      status: traits().status,
      optimizer: { ...optimizer, groups: [first, ...groups] },
    });
    expect(card.rate()).toBe(1e-3);
  });
});

test.each(["light", "dark"])(
  "in the %s theme axe is content with norms, validation and groups",
  async (theme) => {
    document.documentElement.dataset.theme = theme;
    const groups = Array.from({ length: 5 }, (_, at) => ({ label: `${at}`, lr: 1e-3, ratio: 1 }));
    const { card } = await show(
      withNorms({ optimizer: { ...traits().optimizer, groups }, interval: [1e-3, 1e-2] }),
    );
    const { violations } = await axe.run(card.root);
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  },
);
