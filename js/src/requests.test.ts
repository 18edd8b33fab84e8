import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Requests } from "./requests.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const setup = () => {
  const sent: { id: number; kind: string }[] = [];
  const requests = new Requests({ send: (content) => void sent.push(content as never) });
  return { sent, requests };
};

test("a request is answered by the reply with its id", async () => {
  const { sent, requests } = setup();
  const first = requests.ask({ kind: "undo" }, 1_000);
  const second = requests.ask({ kind: "apply", lr: 1e-3 }, 1_000);
  expect(sent.map(({ kind }) => kind)).toEqual(["undo", "apply"]);
  requests.receive({ kind: "reply", id: sent[1]?.id ?? -1, ok: false, error: "no such run" });
  requests.receive({ kind: "reply", id: sent[0]?.id ?? -1, ok: true });
  expect(await first).toEqual({ ok: true });
  expect(await second).toEqual({ ok: false, error: "no such run" });
  expect(requests.outstanding).toBe(0);
});

test("a request without an answer gives up in plain words, and a late reply does no harm", async () => {
  const { sent, requests } = setup();
  const answer = requests.ask({ kind: "undo" }, 1_000);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await answer).toMatchObject({
    ok: false,
    timeout: true,
    error: expect.stringContaining("not answered"),
  });
  requests.receive({ kind: "reply", id: sent[0]?.id ?? -1, ok: true });
  expect(requests.outstanding).toBe(0);
});

test("a closed comm is told instead of thrown", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const requests = new Requests({
    send: () => {
      throw new Error("comm closed");
    },
  });
  expect(await requests.ask({ kind: "undo" }, 1_000)).toMatchObject({
    ok: false,
    error: expect.stringContaining("cannot be reached"),
  });
  expect(warn).toHaveBeenCalledOnce();
});

test("nothing waits for ever when the model goes away", async () => {
  const { requests } = setup();
  const answer = requests.ask({ kind: "undo" }, 1_000);
  requests.close();
  expect(await answer).toMatchObject({ ok: false });
  expect(vi.getTimerCount()).toBe(0);
});
