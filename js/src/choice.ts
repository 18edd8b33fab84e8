// Which learning rate is chosen, and where its marker stands.
import type { Optimizer, Selection, Suggestion } from "./protocol.ts";

export interface Axis {
  low: number;
  high: number;
}

/** The rate of a selection: chosen by hand, a rule's, or where the optimizer stands now. */
export function chosenRate(
  selection: Selection,
  suggestions: readonly Suggestion[],
  { groups }: Optimizer,
  axis: Axis,
): number {
  if ("lr" in selection) return selection.lr;
  const suggestion = suggestions.find(({ rule }) => rule === selection.rule);
  if (suggestion) return suggestion.lr;
  // The rate to set is the first one's of the groups that are swept.
  const current = groups.find(({ ratio }) => ratio !== null)?.lr;
  // A warm-up may stand at 0, which has no place on a log axis.
  if (current === undefined || !(current > 0)) return axis.low;
  return Math.min(axis.high, Math.max(axis.low, current));
}

/** The rate at a place on the axis, with no more digits than a pixel has; the ends are exact. */
export function rateAt(decade: number, axis: Axis): number {
  if (decade >= Math.log10(axis.high)) return axis.high;
  if (decade <= Math.log10(axis.low)) return axis.low;
  return Number((10 ** decade).toPrecision(3));
}
