import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeKernel } from "../test/fake-kernel.ts";
import { modelOf } from "../test/page.ts";
import { SelectionWriter } from "./selection.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const setup = () => {
  const kernel = new FakeKernel();
  const controller = new AbortController();
  const heard: string[] = [];
  const selection = new SelectionWriter(
    modelOf(kernel),
    () => heard.push("moved"),
    () => heard.push("changed"),
    controller.signal,
  );
  return { kernel, selection, controller, heard };
};

test("many moves become few writes, and the last position is never lost", () => {
  const { kernel, selection } = setup();
  for (let i = 1; i <= 100; i++) {
    selection.choose({ lr: i });
    vi.advanceTimersByTime(5);
  }
  expect(kernel.saved.length).toBeLessThanOrEqual(4);
  vi.advanceTimersByTime(200);
  expect(kernel.saved.at(-1)).toEqual({ lr: 100 });
});

test("a drag is heard at each step, and as a change only when it is written", () => {
  const { selection, heard } = setup();
  selection.hold();
  for (let i = 1; i <= 10; i++) selection.choose({ lr: i });
  expect(heard.filter((what) => what === "moved")).toHaveLength(10);
  expect(heard.filter((what) => what === "changed")).toHaveLength(1);
  selection.release();
  expect(heard.at(-1)).toBe("changed");
});

test("letting go writes at once", () => {
  const { kernel, selection } = setup();
  selection.hold();
  selection.choose({ lr: 1 });
  selection.choose({ lr: 2 });
  selection.release();
  expect(kernel.saved.at(-1)).toEqual({ lr: 2 });
});

test("while a pointer holds the marker, no echo moves it", () => {
  const { kernel, selection } = setup();
  selection.hold();
  selection.choose({ lr: 1 });
  selection.choose({ lr: 2 });
  kernel.update({ selection: { lr: 1 } });
  vi.advanceTimersByTime(5_000);
  expect(selection.value).toEqual({ lr: 2 });
  selection.release();
  expect(kernel.saved.at(-1)).toEqual({ lr: 2 });
});

test("an echo just after the last write does not move the marker back", () => {
  const { kernel, selection } = setup();
  selection.choose({ lr: 2 });
  kernel.update({ selection: { lr: 1 } });
  expect(selection.value).toEqual({ lr: 2 });
});

test("what the kernel chooses later counts", () => {
  const { kernel, selection } = setup();
  selection.choose({ lr: 2 });
  vi.advanceTimersByTime(1_000);
  kernel.update({ selection: { rule: "auto" } });
  expect(selection.value).toEqual({ rule: "auto" });
});

test("the end of the model sends what was not sent yet", () => {
  const { kernel, selection, controller } = setup();
  selection.choose({ lr: 1 });
  selection.choose({ lr: 2 });
  controller.abort();
  expect(kernel.saved.at(-1)).toEqual({ lr: 2 });
  expect(vi.getTimerCount()).toBe(0);
});
