import { afterEach, describe, expect, test } from "vitest";
import { userEvent } from "vitest/browser";
import { type Card, closeAll, drag, frames, place, show, until } from "../test/card.ts";
import { madeCurve, pairs, SUGGESTIONS } from "../test/curves.ts";
import { done, status, withNorms } from "../test/states.ts";

afterEach(closeAll);

describe("the marker", () => {
  test("is a slider that says its rate and the loss there", async () => {
    const { card } = await show(done());
    const slider = card.role("slider");
    expect(slider.getAttribute("aria-label")).toBe("Learning rate");
    expect(slider.getAttribute("aria-valuetext")).toBe("7.9e-3, loss 0.990");
    expect(Number(slider.getAttribute("aria-valuenow"))).toBe(7.9e-3);
    expect(Number(slider.getAttribute("aria-valuemin"))).toBe(1e-7);
    expect(Number(slider.getAttribute("aria-valuemax"))).toBe(10);
  });

  test("moves by keys, which stay in the widget", async () => {
    const { kernel, card } = await show(done({ selection: { lr: 1e-3 } }));
    const heard: string[] = [];
    const listen = (event: KeyboardEvent) => heard.push(event.key);
    document.addEventListener("keydown", listen);
    card.role("slider").focus();
    await userEvent.keyboard("{ArrowRight}{ArrowRight}{PageDown}b");
    await until(() => kernel.saved.length > 0 && card.rate() < 1.3e-4);
    expect(card.rate()).toBeCloseTo(10 ** -3.9, 10);
    await userEvent.keyboard("{End}");
    await until(() => card.rate() === 10);
    await userEvent.keyboard("{Home}");
    await until(() => card.rate() === 1e-7);
    document.removeEventListener("keydown", listen);
    expect(heard).toEqual([]);
    expect(card.role("slider").hasAttribute("data-lm-suppress-shortcuts")).toBe(true);
  });

  test("takes each of several keys that come within one frame", async () => {
    const { card } = await show(done({ selection: { lr: 1e-3 } }));
    const slider = card.role("slider");
    for (let i = 0; i < 4; i++) {
      slider.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    }
    await frames();
    expect(card.rate()).toBeCloseTo(10 ** -2.8, 10);
  });

  test("goes where the chart is clicked, and takes the focus", async () => {
    const { card } = await show(done());
    await drag(card, [0.5]);
    expect(card.rate()).toBeCloseTo(1e-3, 4);
    expect(document.activeElement).toBe(card.role("slider"));
  });

  test("follows the pointer and no echo, and the last position reaches the kernel", async () => {
    const { kernel, card } = await show(done());
    await drag(card, [0.3, 0.4, 0.5, 0.6], async () => {
      kernel.update({ selection: { lr: 1e-6 } });
      await frames();
      expect(card.rate()).toBeGreaterThan(1e-5);
    });
    expect(card.rate()).toBeCloseTo(10 ** -2.2, 4);
    expect(kernel.saved.at(-1)).toEqual({ lr: card.rate() });
  });

  test("goes back when the finger turns out to scroll the page", async () => {
    const { kernel, card } = await show(done());
    const overlay = card.find(".lrf-overlay");
    overlay.setPointerCapture = () => undefined;
    const { x: clientX, y: clientY } = place(card, 0.2);
    const event = { clientX, clientY, pointerId: 5, pointerType: "touch", bubbles: true };
    overlay.dispatchEvent(new PointerEvent("pointerdown", { ...event, button: 0 }));
    await until(() => card.rate() < 1e-4);
    overlay.dispatchEvent(new PointerEvent("pointercancel", event));
    await until(() => card.rate() === 7.9e-3);
    expect(kernel.saved.at(-1)).toEqual({ rule: "auto" });
  });

  test("does not jump when it is grabbed beside its middle", async () => {
    const { card } = await show(done({ selection: { lr: 1e-3 } }));
    const { x, y } = place(card, 0.5);
    const slider = card.role("slider");
    card.find(".lrf-overlay").setPointerCapture = () => undefined;
    const event = { clientX: x + 8, clientY: y, pointerId: 5, bubbles: true, button: 0 };
    slider.dispatchEvent(new PointerEvent("pointerdown", event));
    await frames();
    expect(card.rate()).toBe(1e-3);
    slider.dispatchEvent(new PointerEvent("pointerup", event));
  });

  test("can be moved while the sweep runs, and stays where it was put", async () => {
    const { kernel, card } = await show({ status: status({ state: "running", run: 1 }) });
    await drag(card, [0.25]);
    const chosen = card.rate();
    kernel.points(1, 0, pairs(madeCurve(57)));
    kernel.update({ suggestions: SUGGESTIONS });
    await frames();
    expect(card.rate()).toBe(chosen);
  });

  test("keeps its flag inside the card at both ends", async () => {
    const { kernel, card } = await show(done());
    const outer = card.root.getBoundingClientRect();
    for (const lr of [1e-7, 10, 1e-9, 500]) {
      kernel.update({ selection: { lr } });
      await frames();
      const flag = card.find(".lrf-flag").getBoundingClientRect();
      expect(flag.left).toBeGreaterThan(outer.left);
      expect(flag.right).toBeLessThan(outer.right);
    }
  });
});

describe("zoom", () => {
  const ticks = (card: { role(name: string): HTMLElement }) => card.role("slider").style.transform;

  test("by a Shift-drag shows a part, and Escape the whole", async () => {
    const { card } = await show(done());
    const whole = ticks(card);
    await drag(card, [0.5, 0.6, 0.75], undefined, { shiftKey: true });
    expect(ticks(card)).not.toBe(whole);
    expect(card.rate()).toBe(7.9e-3);
    card.role("slider").focus();
    await userEvent.keyboard("{Escape}");
    await until(() => ticks(card) === whole);
  });

  test("fits the loss axis to the points in sight", async () => {
    const { card } = await show(done());
    const loss = () => {
      const text = card.role("slider").getAttribute("aria-valuetext");
      return [text, card.find(".lrf-spot").style.transform];
    };
    const [text, height] = loss();
    await drag(card, [0.6, 0.62, 0.65], undefined, { shiftKey: true });
    expect(loss()[0]).toBe(text);
    expect(loss()[1]).not.toBe(height);
  });

  test("ends where the labels of the rates would be the same", async () => {
    const { card } = await show(done());
    for (let i = 0; i < 12; i++) await drag(card, [0.4, 0.5, 0.6], undefined, { shiftKey: true });
    card.role("slider").focus();
    const ends: number[] = [];
    for (const share of [0.01, 0.99]) {
      await drag(card, [share]);
      ends.push(card.rate());
    }
    expect(Math.log10((ends[1] ?? 0) / (ends[0] ?? 1))).toBeGreaterThan(0.015);
  });

  test("by the toggle, and back by the button", async () => {
    const { card } = await show(done());
    const whole = ticks(card);
    expect(card.isEnabled("Show the whole curve (Escape)")).toBe(false);
    card.button("Zoom by dragging (or Shift-drag)").click();
    await frames();
    await drag(card, [0.5, 0.75]);
    expect(ticks(card)).not.toBe(whole);
    card.button("Show the whole curve (Escape)").click();
    await until(() => ticks(card) === whole);
  });
});

describe("the tooltip", () => {
  const hover = async (card: Card, share: number) => {
    const { x: clientX, y: clientY } = place(card, share);
    const event = { clientX, clientY, bubbles: true, pointerType: "mouse" };
    card.find(".lrf-overlay").dispatchEvent(new PointerEvent("pointermove", event));
    await until(() => card.root.querySelector(".lrf-tooltip") !== null);
  };

  test("has each name and its number in one line", async () => {
    const { card } = await show(withNorms());
    await hover(card, 0.5);
    for (const part of card.find(".lrf-tooltip").children) {
      expect(part.getBoundingClientRect().height).toBeLessThan(20);
    }
  });

  test("stays inside the frame of a narrow card", async () => {
    const { card } = await show(done(), { width: 280 });
    const left = card.find(".u-over").getBoundingClientRect().left;
    for (const share of [0.1, 0.3, 0.4, 0.5, 0.9]) {
      await hover(card, share);
      await frames();
      const box = card.find(".lrf-tooltip").getBoundingClientRect();
      expect(box.left).toBeGreaterThanOrEqual(left);
      expect(box.right).toBeLessThanOrEqual(card.root.getBoundingClientRect().right);
    }
  });
});

test("the tooltip tells the nearest point's learning rate and loss", async () => {
  const { card } = await show(done());
  const { x, y } = place(card, 0.5);
  const hover = { clientX: x, clientY: y, bubbles: true, pointerType: "mouse" };
  card.find(".lrf-overlay").dispatchEvent(new PointerEvent("pointermove", hover));
  await until(() => card.root.querySelector(".lrf-tooltip") !== null);
  expect(card.text(".lrf-tooltip")).toMatch(/learning rate9\.\d+e-4loss1\.\d+smoothed1\.\d+/);
});
