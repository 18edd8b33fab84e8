// The widget in a real page, on a fake kernel, with the words a test needs to use it.
import { expect } from "vitest";
import { userEvent } from "vitest/browser";
import newWidget from "../src/index.ts";
import type { Traits } from "../src/protocol.ts";
import { FakeKernel } from "./fake-kernel.ts";
import { modelOf } from "./page.ts";

type Widget = ReturnType<typeof newWidget>;

const closers: (() => void)[] = [];

/** End every session and view that a test has opened. */
export function closeAll(): void {
  for (const close of closers.splice(0).reverse()) close();
  document.body.replaceChildren();
  delete document.documentElement.dataset.theme;
}

const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

/** Wait until what was changed is drawn. */
export async function frames(): Promise<void> {
  for (let i = 0; i < 3; i++) await frame();
}

/** Wait, frame by frame, until a condition holds. */
export async function until(condition: () => boolean, patience = 3_000): Promise<void> {
  const end = performance.now() + patience;
  while (!condition()) {
    if (performance.now() > end) expect.fail(`not within ${patience} ms: ${condition}`);
    await frame();
  }
}

export class Card {
  readonly root: HTMLElement;

  constructor(root: HTMLElement) {
    this.root = root;
  }

  find(selector: string): HTMLElement {
    const found = this.root.querySelector<HTMLElement>(selector);
    if (!found) throw new Error(`nothing in the card matches ${selector}`);
    return found;
  }

  text(selector: string): string {
    return this.find(selector).textContent ?? "";
  }

  role(role: string): HTMLElement {
    return this.find(`[role=${role}]`);
  }

  button(name: string): HTMLElement {
    const buttons = [...this.root.querySelectorAll<HTMLElement>("button.lrf-button")];
    const named = (button: HTMLElement) => button.ariaLabel ?? button.textContent;
    const found = buttons.find((button) => named(button) === name);
    if (!found) throw new Error(`no button is called ${name}: ${buttons.map(named).join(", ")}`);
    return found;
  }

  isEnabled(name: string): boolean {
    return this.button(name).ariaDisabled !== "true";
  }

  radio(label: string): HTMLElement {
    const radios = [...this.root.querySelectorAll<HTMLElement>("[role=radio]")];
    const found = radios.find((radio) => radio.firstChild?.textContent === label);
    if (!found) throw new Error(`no rule is called ${label}`);
    return found;
  }

  field(label: string): HTMLInputElement {
    const labels = [...this.root.querySelectorAll("label")];
    const found = labels.find(({ textContent }) => textContent === label)?.control;
    if (!found) throw new Error(`no field is called ${label}`);
    return found as HTMLInputElement;
  }

  async type(text: string, keys = "", label = "Learning rate"): Promise<void> {
    await userEvent.fill(this.field(label), text);
    if (keys) await userEvent.keyboard(keys);
  }

  async openSettings(): Promise<void> {
    this.button("Settings").click();
    await until(() => !this.find(".lrf-settings").hidden);
  }

  /** The learning rate where the marker stands. */
  rate(): number {
    return Number(this.role("slider").getAttribute("aria-valuenow"));
  }
}

export interface Shown {
  kernel: FakeKernel;
  card: Card;
  el: HTMLElement;
  /** Take the view away, as a host does. */
  dispose(): void;
  /** Draw the same model once more. */
  again(): Promise<Shown>;
}

interface ShowOptions {
  kernel?: FakeKernel;
  width?: number;
}

/** Open the widget on a fake kernel and wait until it is drawn. */
export async function show(state: Partial<Traits> = {}, options: ShowOptions = {}): Promise<Shown> {
  const kernel = options.kernel ?? new FakeKernel(state);
  const widget = newWidget();
  closers.push(widget.initialize({ model: modelOf(kernel) }));
  return draw(widget, kernel, options.width ?? 760);
}

async function draw(widget: Widget, kernel: FakeKernel, width: number): Promise<Shown> {
  const el = document.createElement("div");
  el.style.width = `${width}px`;
  document.body.append(el);
  const dispose = widget.render({ model: modelOf(kernel), el });
  closers.push(dispose);
  await until(() => el.querySelector(".lrf-canvas canvas") !== null);
  const root = el.querySelector<HTMLElement>(".lrf-root");
  if (!root) throw new Error("the widget has no root");
  const again = () => draw(widget, kernel, width);
  return { kernel, card: new Card(root), el, dispose, again };
}

/** The page's coordinates of a place along the x axis: 0 its left end, 1 its right end. */
export function place(card: Card, share: number): { x: number; y: number } {
  const plot = card.find(".u-over").getBoundingClientRect();
  return { x: plot.left + share * plot.width, y: plot.top + plot.height / 2 };
}

/** Press at the first place, go over the others, and let go at the last. */
export async function drag(
  card: Card,
  shares: number[],
  held?: () => Promise<void>,
  init: PointerEventInit = {},
): Promise<void> {
  const overlay = card.find(".lrf-overlay");
  // Chromium refuses to capture a pointer that it has not seen itself.
  overlay.setPointerCapture = () => undefined;
  const send = (kind: string, share: number) => {
    const { x, y } = place(card, share);
    const event = { clientX: x, clientY: y, pointerId: 5, bubbles: true, button: 0, ...init };
    overlay.dispatchEvent(new PointerEvent(kind, event));
  };
  const [first = 0, ...others] = shares;
  send("pointerdown", first);
  for (const share of others) {
    send("pointermove", share);
    await frame();
  }
  await held?.();
  send("pointerup", shares.at(-1) ?? first);
  await frames();
}
