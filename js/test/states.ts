// States of the kernel that tests begin with.
import { encodeFloats, type Status, type Traits } from "../src/protocol.ts";
import { madeCurve, madeNorms, madeValidation, SUGGESTIONS } from "./curves.ts";
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

/** The same with validation losses and gradient norms. */
export function withNorms(
  change: Partial<Traits> = {},
  validation = madeValidation(96),
): Partial<Traits> {
  const { lrs, losses, smoothed } = madeCurve(96);
  return done({
    curve: encodeFloats([...lrs, ...losses, ...smoothed, ...validation, ...madeNorms(96)]),
    columns: ["lrs", "losses", "smoothed", "val_losses", "grad_norms"],
    ...change,
  });
}
