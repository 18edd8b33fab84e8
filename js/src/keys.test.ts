import { expect, test } from "vitest";
import { isOurs } from "./keys.ts";

const key = (name: string, change = {}) => ({
  key: name,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  ...change,
});

test.each(["ArrowLeft", "Home", "PageUp", "Enter", "Escape", " ", "b", "x"])(
  "%s stays in the widget",
  (name) => {
    expect(isOurs(key(name))).toBe(true);
  },
);

test.each([key("Tab"), key("F5"), key("s", { ctrlKey: true }), key("s", { metaKey: true })])(
  "$key with a modifier, or to leave the widget, goes to the host",
  (event) => {
    expect(isOurs(event)).toBe(false);
  },
);
