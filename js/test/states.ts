// States of the kernel that tests begin with.
import { encodeFloats, type Status, type Traits } from "../src/protocol.ts";
import { madeCurve, SUGGESTIONS } from "./curves.ts";
import { traits } from "./fake-kernel.ts";

export const status = (change: Partial<Status>): Status => ({ ...traits().status, ...change });

/** A run that came to its end, with its curve and suggestions. */
export function done(change: Partial<Traits> = {}): Partial<Traits> {
  const { lrs, losses, smoothed } = madeCurve(96);
  return {
    status: status({
      state: "done",
      run: 1,
      points: 96,
      picture: 1,
      text: "stopped at 4× the best",
    }),
    curve: encodeFloats([...lrs, ...losses, ...smoothed]),
    suggestions: SUGGESTIONS,
    ...change,
  };
}
