import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { madeCurve, pairs, SUGGESTIONS } from "../test/curves.ts";
import { type FakeKernel, traits } from "../test/fake-kernel.ts";
import { open } from "../test/page.ts";
import { repeated } from "../test/repeats.ts";
import { encodeFloats, type Status } from "./protocol.ts";

const status = (change: Partial<Status>): Status => ({ ...traits().status, ...change });
const RUNNING = status({ state: "running", run: 1 });
const DONE = status({ state: "done", run: 1, points: 3 });
const CURVE = encodeFloats([1e-3, 1e-2, 1e-1, 3, 2, 1, 3, 2.1, 1.1]);
/** Numbers as a live block carries them. */
const singles = (values: number[]) => values.map(Math.fround);
const wait = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("hello", () => {
  test("is said at once and again after a second, with what the first welcome brought", async () => {
    const { kernel, session } = open();
    await wait(0);
    expect(kernel.sentOf("hello")).toMatchObject([{ binary: null }]);
    await wait(1_000);
    expect(kernel.sentOf("hello")).toMatchObject([{ binary: null }, { binary: true }]);
    expect(session.connection.link).toBe("live");
  });

  test("tells a host that drops buffers from one that does not", async () => {
    const { kernel } = open({}, (kernel) => {
      kernel.buffersPass = false;
    });
    await wait(0);
    expect(kernel.sentOf("hello").at(-1)).toMatchObject({ binary: false });
    await wait(1_000);
    expect(kernel.sentOf("hello")).toMatchObject([
      { binary: null },
      { binary: false },
      { binary: false },
    ]);
  });

  test("without a welcome for five seconds means not connected, until anything comes", async () => {
    const { kernel, session } = open({}, (kernel) => {
      kernel.welcomes = false;
    });
    await wait(4_900);
    expect(session.connection.link).toBe("connecting");
    await wait(200);
    expect(session.connection.link).toBe("lost");
    kernel.status({ state: "idle" });
    expect(session.connection.link).toBe("live");
  });
});

describe("points", () => {
  test("come in blocks and are appended", async () => {
    const { kernel, session } = open({ status: RUNNING });
    kernel.points(1, 0, [1e-7, 2.3, 1e-6, 2.2]);
    kernel.points(1, 2, [1e-5, 2.1]);
    kernel.smoothed(1, [2.3, 2.25, 2.2]);
    expect([...session.curve.losses]).toEqual(singles([2.3, 2.2, 2.1]));
    expect([...session.curve.smoothed]).toEqual(singles([2.3, 2.25, 2.2]));
  });

  test("come as JSON where buffers are dropped, also the last one that is not finite", () => {
    const { kernel, session } = open({ status: RUNNING }, (kernel) => {
      kernel.buffersPass = false;
    });
    kernel.points(1, 0, [1e-7, 2.3, 1e-6, NaN]);
    kernel.smoothed(1, [2.3]);
    expect([...session.curve.losses]).toEqual([2.3, NaN]);
    expect([...session.curve.smoothed]).toEqual([2.3]);
  });

  test("after a gap are asked for from where they are missing", async () => {
    const { kernel, session } = open({ status: RUNNING });
    const made = madeCurve(10);
    await wait(0);
    kernel.does.resync = (request) => {
      if (request.kind === "resync") kernel.points(1, request.have, pairs(made, request.have));
    };
    kernel.points(1, 0, pairs(made, 0, 3));
    kernel.points(1, 6, pairs(made, 6, 8));
    await wait(0);
    expect(kernel.sentOf("resync").at(-1)).toMatchObject({ run: 1, have: 3, smoothed: true });
    expect([...session.curve.losses]).toEqual(singles(made.losses));
  });

  test("that lost their block are asked for once, as JSON", async () => {
    const { kernel } = open({ status: RUNNING });
    await wait(0);
    const asked = kernel.sentOf("resync").length;
    const blockless = {
      kind: "points",
      run: 1,
      offset: 0,
      count: 2,
      columns: ["lrs", "losses"],
      starts: [0],
      seconds_left: 1,
    };
    kernel.message(blockless);
    kernel.message(blockless);
    await wait(0);
    expect(kernel.sentOf("hello").at(-1)).toMatchObject({ binary: false });
    expect(kernel.sentOf("resync")).toHaveLength(asked + 1);
  });

  test("missing at the end are asked for, also when a question was under way", async () => {
    const { kernel, session } = open({ status: RUNNING });
    const made = madeCurve(10);
    await wait(0);
    kernel.silentOn.add("resync");
    await wait(500);
    kernel.points(1, 0, pairs(made, 0, 3));
    kernel.does.resync = (request) => {
      if (request.kind === "resync") kernel.points(1, request.have, pairs(made, request.have));
    };
    kernel.silentOn.delete("resync");
    kernel.status({ state: "done", points: 10 });
    kernel.reply(kernel.sentOf("resync").at(-1)?.id ?? -1);
    await wait(0);
    expect(session.curve.length).toBe(10);
  });

  test("bring what else is measured, as a block or as JSON", () => {
    for (const buffersPass of [true, false]) {
      const { kernel, session } = open({ status: RUNNING }, (kernel) => {
        kernel.buffersPass = buffersPass;
      });
      kernel.points(1, 0, [1e-7, 2.5, 1e-6, 2.25], { grad_norms: [NaN, 0.5] });
      kernel.points(1, 2, [1e-5, 2], { val_losses: [2.75], grad_norms: [0.25] });
      expect([...session.curve.latest.norms]).toEqual([NaN, 0.5, 0.25]);
      expect([...session.curve.latest.validation]).toEqual([NaN, NaN, 2.75]);
    }
  });

  test("of a finished curve are what its columns say, exactly", () => {
    const columns = ["lrs", "losses", "smoothed", "grad_norms"];
    const curve = encodeFloats([1e-7, 2.3, 2.2, 0.1]);
    const { session } = open({ status: { ...DONE, points: 1 }, curve, columns });
    expect([...session.curve.lrs]).toEqual([1e-7]);
    expect([...session.curve.latest.norms]).toEqual([0.1]);
  });

  test("of a new run may overtake its status", () => {
    const { kernel, session } = open({ status: DONE, curve: CURVE });
    kernel.points(2, 0, [1e-7, 2.3]);
    kernel.status({ state: "running", run: 2 });
    expect([...session.curve.losses]).toEqual(singles([2.3]));
    kernel.points(1, 3, [1, 9]);
    expect(session.curve.length).toBe(1);
  });

  test("of the run before go when a new one begins", () => {
    const { kernel, session } = open({ status: DONE, curve: CURVE });
    kernel.status({ state: "running", run: 2 });
    expect(session.curve.length).toBe(0);
  });
});

describe("several sweeps", () => {
  test("are told apart by the points' messages, which may overtake the status", () => {
    const { kernel, session } = open({ status: { ...RUNNING, repeats: 3 } });
    const columns = ["lrs", "losses"];
    const head = { kind: "points", run: 1, offset: 0, count: 3, columns, seconds_left: 1 };
    kernel.block({ ...head, starts: [0, 2] }, [1e-7, 1e-6, 1e-7, 2.3, 2.2, 2.4]);
    expect(session.curve.sweeps.map(({ losses }) => [...losses])).toEqual([
      singles([2.3, 2.2]),
      singles([2.4]),
    ]);
    kernel.status({ points: 2 });
    expect(session.curve.starts).toEqual([0, 2]);
  });

  test("come with their band, by trait or as JSON, and lose it when a new run begins", () => {
    const { kernel, session } = open({ status: { ...RUNNING, repeats: 2 } });
    kernel.points(1, 0, [1e-7, 2.3, 1e-7, 2.4]);
    kernel.update({ band: encodeFloats([2.3, 2.35, 2.4]) });
    expect([...session.curve.band(1)]).toEqual([2.35]);
    kernel.buffersPass = false;
    kernel.block({ kind: "band", run: 1, count: 1 }, [2.2, NaN, 2.4]);
    expect([...session.curve.band(1)]).toEqual([NaN]);
    kernel.block({ kind: "band", run: 2, count: 1 }, [1, 1, 1]);
    expect([...session.curve.band(1)]).toEqual([NaN]);
    kernel.points(2, 0, [1e-7, 2.3]);
    kernel.update({ band: encodeFloats([]), status: { ...RUNNING, run: 2 } });
    expect(session.curve.band(1)).toHaveLength(0);
  });

  test("that were saved with the state are whole without a kernel", () => {
    const { session } = open(repeated());
    const { starts } = session.get("status");
    expect(session.curve.sweeps.map(({ lrs }) => lrs.length)).toEqual([96, 94, 97]);
    expect(session.curve.starts).toEqual(starts);
    expect(session.curve.line.smoothed).toHaveLength(97);
  });
});

describe("asking for what is missing", () => {
  test("happens at the start in mid-sweep, and not when the curve is saved with the state", async () => {
    const running = open({ status: RUNNING });
    expect(running.kernel.sentOf("resync")).toMatchObject([{ run: 0, have: 0 }]);
    const saved = open({ status: DONE, curve: CURVE });
    expect(saved.kernel.sentOf("resync")).toEqual([]);
    expect([...saved.session.curve.losses]).toEqual([3, 2, 1]);
    expect([...saved.session.curve.smoothed]).toEqual([3, 2.1, 1.1]);
  });

  test("happens after each half second of silence while the sweep runs", async () => {
    const { kernel } = open({ status: RUNNING });
    await wait(0);
    const asked = kernel.sentOf("resync").length;
    for (let i = 0; i < 4; i++) {
      await wait(400);
      kernel.points(1, i, [10 ** (i - 7), 2]);
    }
    expect(kernel.sentOf("resync")).toHaveLength(asked);
    await wait(1_600);
    expect(kernel.sentOf("resync").length).toBe(asked + 3);
  });

  test("does not happen while paused or at the end", async () => {
    const { kernel } = open({ status: RUNNING });
    await wait(0);
    kernel.status({ state: "paused" });
    const asked = kernel.sentOf("resync").length;
    await wait(5_000);
    expect(kernel.sentOf("resync")).toHaveLength(asked);
  });

  test("waits for one answer before the next question, and gives up on one that is lost", async () => {
    const { kernel } = open({ status: RUNNING }, (kernel) => {
      kernel.silentOn.add("resync");
    });
    await wait(1_900);
    expect(kernel.sentOf("resync")).toHaveLength(1);
    await wait(1_000);
    expect(kernel.sentOf("resync")).toHaveLength(2);
  });

  test("in vain for long means that the kernel is gone", async () => {
    const { kernel, session } = open({ status: RUNNING });
    await wait(2_000);
    kernel.silentOn.add("resync");
    await wait(15_000);
    expect(session.connection.link).toBe("lost");
    kernel.points(1, 0, [1e-7, 2.3]);
    expect(session.connection.link).toBe("live");
  });

  test("ends with a kernel that is gone, until it is heard again", async () => {
    const { kernel } = open({ status: RUNNING });
    await wait(2_000);
    kernel.silentOn.add("resync");
    await wait(15_000);
    const asked = kernel.sentOf("resync").length;
    await wait(60_000);
    expect(kernel.sentOf("resync")).toHaveLength(asked);
    kernel.points(1, 0, [1e-7, 2.3]);
    await wait(600);
    expect(kernel.sentOf("resync")).toHaveLength(asked + 1);
  });

  test("in vain means nothing where the kernel answers only between cells", async () => {
    const { kernel, session } = open({ status: { ...RUNNING, controls: "queued" } });
    await wait(2_000);
    kernel.silentOn.add("resync");
    await wait(15_000);
    expect(session.connection.link).toBe("live");
  });
});

describe("the axis", () => {
  test("ends where the settings say, whatever digits the points have lost on their way", () => {
    const settings = { ...traits().settings, start_lr: 1.1e-7, end_lr: 1.3e-7 };
    const { kernel, session } = open({ status: status({ state: "running", run: 1 }), settings });
    kernel.points(2, 0, [1.1e-7, 2.3, 1.3e-7, 2.2]);
    kernel.update({ status: status({ state: "running", run: 2 }) });
    expect(session.axis).toMatchObject({ low: 1.1e-7, high: 1.3e-7 });
  });

  test("is the range of the settings from the start of a run, and stays when they change", async () => {
    const { kernel, session } = open();
    kernel.update({ settings: { ...traits().settings, start_lr: 1e-5 } });
    await wait(0);
    expect(session.axis).toMatchObject({ low: 1e-5, high: 10 });
    kernel.status({ state: "running", run: 1 });
    await wait(0);
    kernel.points(1, 0, [1e-5, 2.3]);
    kernel.update({ settings: { ...traits().settings, start_lr: 1e-3, end_lr: 1 } });
    await wait(0);
    expect(session.axis).toMatchObject({ low: 1e-5, high: 10 });
    kernel.status({ state: "running", run: 2 });
    await wait(0);
    expect(session.axis).toMatchObject({ low: 1e-3, high: 1 });
  });

  test("holds a saved curve that began lower than the settings of the next run", () => {
    const settings = { ...traits().settings, start_lr: 1e-2, end_lr: 1 };
    const { session } = open({ status: DONE, curve: CURVE, settings });
    expect(session.axis).toMatchObject({ low: 1e-3, high: 1 });
  });
});

describe("commands", () => {
  const applying = (prepare: (kernel: FakeKernel) => void) =>
    open({ status: DONE, curve: CURVE, suggestions: SUGGESTIONS }, prepare);

  test("carry the run they are meant for", async () => {
    const { kernel, session } = open({ status: RUNNING });
    await session.command("stop");
    expect(kernel.sentOf("stop")).toMatchObject([{ run: 1 }]);
  });

  test("are pending until the kernel answers", async () => {
    const { session } = applying(() => undefined);
    const answer = session.command("apply");
    expect(session.pending.has("apply")).toBe(true);
    expect(await answer).toEqual({ ok: true });
    expect(session.pending.has("apply")).toBe(false);
  });

  test("send the rate of the chosen rule", async () => {
    const { kernel, session } = applying(() => undefined);
    session.selection.choose({ rule: "minimum" });
    await session.command("apply");
    expect(kernel.sentOf("apply")).toMatchObject([{ lr: 5.6e-2 }]);
  });

  test("to run may come with settings", async () => {
    const { kernel, session } = applying(() => undefined);
    await session.command("run", { num_iter: 300 });
    await session.command("run");
    expect(kernel.sentOf("run").map(({ settings }) => settings)).toEqual([
      { num_iter: 300 },
      undefined,
    ]);
  });

  test("for code send the chosen rate, and bring the lines back", async () => {
    const { kernel, session } = applying((kernel) => {
      kernel.silentOn.add("code");
      kernel.does.code = ({ id }) =>
        kernel.message({ kind: "reply", id, ok: true, code: "lr = 1" });
    });
    expect(await session.command("code")).toEqual({ ok: true, code: "lr = 1" });
    expect(kernel.sentOf("code")).toMatchObject([{ schedule: "one_cycle", lr: 7.9e-3 }]);
  });

  test("that are refused say why until they succeed", async () => {
    const { kernel, session } = applying((kernel) => {
      kernel.refuses.apply = "the widget is closed";
    });
    await session.command("apply");
    expect(session.view.refusal("apply", "undo")).toBe("the widget is closed");
    delete kernel.refuses.apply;
    await session.command("apply");
    expect(session.view.refusal("apply", "undo")).toBe("");
  });
});

describe("the picture for the notebook", () => {
  test("is offered once after the end", async () => {
    const { kernel } = open({ status: RUNNING });
    kernel.points(1, 0, [1e-7, 2.3]);
    kernel.status({ state: "done" });
    await wait(0);
    kernel.update({ suggestions: SUGGESTIONS });
    await wait(0);
    expect(kernel.sentOf("picture")).toMatchObject([{ run: 1 }]);
  });

  test("waits until no pointer is down", async () => {
    const { kernel, session } = open({ status: RUNNING });
    kernel.points(1, 0, [1e-7, 2.3]);
    session.pointerDown(7);
    kernel.status({ state: "stopped" });
    await wait(0);
    expect(kernel.sentOf("picture")).toEqual([]);
    session.pointerUp(7);
    expect(kernel.sentOf("picture")).toHaveLength(1);
  });

  test("is not offered when it is there, or to nobody", async () => {
    const there = open({ status: { ...DONE, picture: 1 }, curve: CURVE });
    const nobody = open({ status: DONE, curve: CURVE }, (kernel) => {
      kernel.welcomes = false;
    });
    await wait(6_000);
    expect(there.kernel.sentOf("picture")).toEqual([]);
    expect(nobody.kernel.sentOf("picture")).toEqual([]);
  });
});

test("after its end a session leaves no listener and no timer", async () => {
  const { kernel, session, close } = open({ status: RUNNING });
  session.selection.choose({ lr: 1e-3 });
  void session.command("stop");
  expect(kernel.listenerCount).toBeGreaterThan(0);
  close();
  await wait(0);
  expect(kernel.listenerCount).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});
