import { afterEach, describe, expect, test, vi } from "vitest";
import { userEvent } from "vitest/browser";
import { closeAll, drag, frames, show, until } from "../test/card.ts";
import { madeCurve, pairs, SUGGESTIONS } from "../test/curves.ts";
import { FakeKernel, traits } from "../test/fake-kernel.ts";
import { modelOf } from "../test/page.ts";
import newWidget from "./index.ts";
import { encodeFloats, type Traits } from "./protocol.ts";

function done(points = 96): Partial<Traits> {
  const { lrs, losses, smoothed } = madeCurve(points, points);
  return {
    status: { ...traits().status, state: "done", run: 1, points, picture: 1 },
    curve: encodeFloats([...lrs, ...losses, ...smoothed]),
    suggestions: SUGGESTIONS,
  };
}

afterEach(closeAll);

describe("a view that the host re-creates", () => {
  test("gives the focus back to the control that had it", async () => {
    const { card, el, dispose, again } = await show(done());
    card.radio("Minimum").focus();
    el.remove();
    dispose();
    const second = await again();
    expect(document.activeElement).toBe(second.card.radio("Minimum"));
  });

  test("gives it back inside a shadow tree, too, after it went from one control to another", async () => {
    const host = document.createElement("div");
    document.body.append(host);
    const tree = host.attachShadow({ mode: "open" });
    const { card, el, dispose, again } = await show(done());
    tree.append(el);
    card.role("slider").focus();
    card.radio("Minimum").focus();
    await frames();
    el.remove();
    dispose();
    const second = await again();
    expect(document.activeElement).toBe(second.card.radio("Minimum"));
  });

  test("gives it back also when the new view is there before the old one goes", async () => {
    const { card, el, dispose, again } = await show(done());
    card.role("slider").focus();
    const second = await again();
    expect(document.activeElement).toBe(card.role("slider"));
    el.remove();
    dispose();
    await until(() => document.activeElement === second.card.role("slider"));
  });

  test("takes no focus that the user had moved elsewhere", async () => {
    const { card, el, dispose, again } = await show(done());
    const elsewhere = document.createElement("button");
    document.body.append(elsewhere);
    card.role("slider").focus();
    elsewhere.focus();
    await frames();
    el.remove();
    dispose();
    await again();
    expect(document.activeElement).toBe(elsewhere);
  });

  test("keeps zoom, selection, fold-out and what was being typed", async () => {
    const { card, el, dispose, again } = await show(done());
    await drag(card, [0.5, 0.75], undefined, { shiftKey: true });
    await drag(card, [0.5]);
    await card.openSettings();
    await card.type("5e-", "", "From");
    await card.type("2e");
    const place = card.role("slider").style.transform;
    const rate = card.rate();
    el.remove();
    dispose();
    const { card: second } = await again();
    expect(second.role("slider").style.transform).toBe(place);
    expect(second.rate()).toBe(rate);
    expect(second.find(".lrf-settings").hidden).toBe(false);
    expect(second.field("From").value).toBe("5e-");
    expect(second.field("Learning rate").value).toBe("2e");
  });
});

describe("two views of one widget", () => {
  test("agree", async () => {
    const { card, again } = await show(done());
    const { card: second } = await again();
    await drag(card, [0.25]);
    expect(second.rate()).toBe(card.rate());
    second.radio("Steepest").click();
    await until(() => card.rate() === 2.5e-3);
  });

  test("ask the kernel as one", async () => {
    const { kernel, again } = await show(done());
    await again();
    expect(kernel.sentOf("hello")).toHaveLength(1);
  });
});

// Hosts open all widgets before they draw one, and wrap the model anew for each call.
test("two widgets on one page hold their own curves", async () => {
  const end = new AbortController();
  const { signal } = end;
  const counts = [96, 50];
  const widgets = counts.map((points) => {
    const widget = newWidget();
    widget.initialize({ model: modelOf(new FakeKernel(done(points))), signal });
    return widget;
  });
  for (const [at, widget] of widgets.entries()) {
    const el = document.createElement("div");
    document.body.append(el);
    widget.render({ model: modelOf(new FakeKernel()), el, signal });
    await until(() => el.querySelector(".lrf-status") !== null);
    expect(el.textContent).toContain(`${counts[at]} points`);
  }
  end.abort();
});

test("a view begins without a size and is drawn when it has one", async () => {
  const kernel = new FakeKernel(done());
  const widget = newWidget();
  const close = widget.initialize({ model: modelOf(kernel) });
  const el = document.createElement("div");
  const dispose = widget.render({ model: modelOf(kernel), el });
  await frames();
  expect(el.querySelector("canvas")).toBeNull();
  document.body.append(el);
  await until(() => el.querySelector("canvas") !== null);
  dispose();
  close();
});

test("a narrow card wraps its chips and keeps the height of its chart", async () => {
  const wide = await show(done(), { width: 760 });
  const narrow = await show(done(), { width: 360 });
  const height = (card: typeof wide.card) => card.find(".lrf-chart").getBoundingClientRect().height;
  expect(height(narrow.card)).toBe(height(wide.card));
  const tops = [...narrow.card.root.querySelectorAll("[role=radio]")].map(
    (radio) => radio.getBoundingClientRect().top,
  );
  expect(new Set(tops).size).toBeGreaterThan(2);
  expect(narrow.card.root.scrollWidth).toBeLessThanOrEqual(360);
});

describe("the theme", () => {
  const pixels = (card: { find(selector: string): HTMLElement }) =>
    (card.find("canvas") as HTMLCanvasElement).toDataURL();

  test("is followed while it changes, on the canvas too", async () => {
    document.body.dataset.jpThemeLight = "true";
    const { card } = await show(done());
    const light = pixels(card);
    const surface = getComputedStyle(card.root).backgroundColor;
    document.body.dataset.jpThemeLight = "false";
    await until(() => pixels(card) !== light);
    expect(getComputedStyle(card.root).backgroundColor).not.toBe(surface);
    document.body.dataset.jpThemeLight = "true";
    await until(() => pixels(card) === light);
    delete document.body.dataset.jpThemeLight;
  });

  test.each<[string, () => void, () => void]>([
    [
      "JupyterLab",
      () => {
        document.body.dataset.jpThemeLight = "false";
      },
      () => delete document.body.dataset.jpThemeLight,
    ],
    [
      "VS Code",
      () => document.body.classList.add("vscode-dark"),
      () => document.body.classList.remove("vscode-dark"),
    ],
    [
      "Colab",
      () => document.documentElement.setAttribute("theme", "dark"),
      () => document.documentElement.removeAttribute("theme"),
    ],
  ])("is read from %s", async (_host, darken, undo) => {
    document.documentElement.dataset.theme = "light";
    const { card } = await show(done());
    expect(card.root.dataset.theme).toBe("light");
    darken();
    await until(() => card.root.dataset.theme === "dark");
    undo();
    await until(() => card.root.dataset.theme === "light");
  });
});

describe("in an output of JupyterLab", () => {
  const inOutput = async () => {
    const shown = await show(done());
    const output = document.createElement("div");
    output.className = "jp-OutputArea-output";
    document.body.append(output);
    output.append(shown.el);
    shown.kernel.update({ loss: "seen in its output" });
    await frames();
    return { ...shown, output };
  };

  test("a view that was taken out of it ends when something is to be drawn", async () => {
    const { kernel, el, output, again } = await inOutput();
    el.remove();
    await again();
    kernel.update({ loss: "another" });
    await until(() => el.childElementCount === 0);
    expect(output.childElementCount).toBe(0);
  });

  test("a view that is out of the page with it lives on", async () => {
    const { kernel, card, output } = await inOutput();
    output.remove();
    kernel.update({ loss: "another" });
    await frames();
    document.body.append(output);
    await until(() => card.text(".lrf-foot").includes("another"));
  });
});

describe("the end", () => {
  test("of a view by its signal leaves nothing in the page and no listener behind", async () => {
    const kernel = new FakeKernel(done());
    const end = new AbortController();
    const added = vi.spyOn(EventTarget.prototype, "addEventListener");
    const widget = newWidget();
    widget.initialize({ model: modelOf(kernel), signal: end.signal });
    const el = document.createElement("div");
    document.body.append(el);
    widget.render({ model: modelOf(kernel), el, signal: end.signal });
    await until(() => el.querySelector("canvas") !== null);
    const outside = added.mock.calls.filter((_call, at) => {
      const target = added.mock.contexts[at];
      return target === document || target === window || target instanceof MediaQueryList;
    });
    added.mockRestore();
    end.abort();
    await frames();
    expect(el.childElementCount).toBe(0);
    expect(kernel.listenerCount).toBe(0);
    expect(outside.length).toBeGreaterThan(0);
    for (const [, , options] of outside) {
      expect((options as AddEventListenerOptions).signal?.aborted).toBe(true);
    }
  });

  test("of a view leaves the session and its curve to the next one", async () => {
    const { kernel, dispose, again } = await show(done());
    dispose();
    kernel.points(2, 0, [1e-7, 2.3]);
    const { card } = await again();
    expect(card.text(".lrf-status")).toContain("1 point");
  });
});

describe("drawing", () => {
  test("happens at most once a frame, whatever comes", async () => {
    const { kernel } = await show({
      status: { ...traits().status, state: "running", run: 1, total: 1_000 },
    });
    const made = madeCurve(200, 1_000);
    const clear = vi.spyOn(CanvasRenderingContext2D.prototype, "clearRect");
    for (let i = 0; i < 200; i++) kernel.points(1, i, pairs(made, i, i + 1));
    await frames();
    expect(clear.mock.calls.length).toBeLessThanOrEqual(2);
    clear.mockRestore();
  });

  test("of ten thousand points leaves the canvas alone while the marker is dragged", async () => {
    const { card } = await show(done(10_000));
    const clear = vi.spyOn(CanvasRenderingContext2D.prototype, "clearRect");
    await drag(card, [0.2, 0.3, 0.4, 0.5, 0.6]);
    expect(clear).not.toHaveBeenCalled();
    clear.mockRestore();
    expect(card.rate()).toBeCloseTo(10 ** -2.2, 4);
  });
});

test("the picture of a run can be saved", async () => {
  const { kernel, card } = await show(done());
  kernel.silentOn.add("save_picture");
  kernel.does.save_picture = ({ id }) =>
    kernel.message({ kind: "reply", id, ok: true, png: btoa("a picture") });
  const saved = new Promise<HTMLAnchorElement>((resolve) => {
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (
      this: HTMLAnchorElement,
    ) {
      resolve(this);
    });
  });
  await userEvent.click(card.button("Save picture"));
  const link = await saved;
  expect(link.download).toBe("lr_finder.png");
  expect(await (await fetch(link.href)).text()).toBe("a picture");
  vi.restoreAllMocks();
});
