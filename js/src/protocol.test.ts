import { expect, test } from "vitest";
import { blockOf, decodeFloats, encodeFloats } from "./protocol.ts";

const SPECIAL = [1e-7, -0, 2.5, NaN, Infinity, -Infinity, 5e-324];

test("numbers survive a block, the non-finite ones too", () => {
  expect([...decodeFloats(encodeFloats(SPECIAL))]).toEqual(SPECIAL);
});

test("a live block has the digits of float32, which keeps what is not finite", () => {
  const values = [...decodeFloats(encodeFloats(SPECIAL, "Float32"), "Float32")];
  expect(values).toEqual(SPECIAL.map(Math.fround));
});

test("a block may start at any byte", () => {
  const bytes = new Uint8Array(3 + 16);
  bytes.set(new Uint8Array(encodeFloats([0.25, 7]).buffer), 3);
  expect([...decodeFloats(new DataView(bytes.buffer, 3))]).toEqual([0.25, 7]);
});

test("a block comes as a buffer or as JSON with the non-finite numbers spelled out", () => {
  expect([...(blockOf({}, [encodeFloats([1, 2], "Float32")], 2) ?? [])]).toEqual([1, 2]);
  const spelled = blockOf({ data: [1, "NaN", "Infinity", "-Infinity"] }, undefined, 4);
  expect([...(spelled ?? [])]).toEqual([1, NaN, Infinity, -Infinity]);
});

test("a block of another length than announced is none", () => {
  expect(blockOf({}, [encodeFloats([1, 2], "Float32")], 4)).toBeNull();
  expect(blockOf({ data: [1] }, [], 2)).toBeNull();
  expect(blockOf({}, [], 0)).toHaveLength(0);
});
