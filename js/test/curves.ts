// A sweep as it looks: flat, a descent, a minimum, a blow-up, and noise that is the same each time.
import type { Suggestion } from "../src/protocol.ts";

export interface MadeCurve {
  lrs: number[];
  losses: number[];
  smoothed: number[];
}

/** A curve of so many of the planned points, moved by so many decades. */
export function madeCurve(points = 100, planned = 100, shift = 0): MadeCurve {
  let seed = 7 + Math.round(1e3 * shift);
  const noise = () => {
    seed = (seed * 16807) % 2147483647;
    return seed / 2147483647 - 0.5;
  };
  const lrs = Array.from({ length: points }, (_, i) => 10 ** (-7 + (8 * i) / (planned - 1)));
  const smoothed = lrs.map((lr) => {
    const decade = Math.log10(lr) + shift;
    const descent = 1.75 / (1 + Math.exp(-2.2 * (decade + 2.6)));
    return 2.3 - descent + 0.35 * Math.exp(3.4 * (decade + 0.35));
  });
  return { lrs, smoothed, losses: smoothed.map((loss) => loss + 0.2 * noise()) };
}

/** The curve as the kernel sends points: (learning rate, loss) by turns. */
export function pairs({ lrs, losses }: MadeCurve, from = 0, to = lrs.length): number[] {
  return lrs.slice(from, to).flatMap((lr, i) => [lr, losses[from + i] ?? NaN]);
}

/** Gradient norms beside that curve: small at first, and greater by decades at the blow-up. */
export function madeNorms(points = 100, planned = 100): number[] {
  const { lrs } = madeCurve(points, planned);
  return lrs.map((lr, i) => {
    const decade = Math.log10(lr);
    const hill = 1.6 / (1 + (decade + 2.4) ** 2);
    return (0.35 + hill + 10 ** (1.6 * (decade + 0.1))) * (1 + 0.12 * Math.sin(7.3 * i));
  });
}

/** Validation losses beside that curve: a little higher, and without its noise. */
export function madeValidation(points = 100, planned = 100): number[] {
  return madeCurve(points, planned).smoothed.map((loss, i) => loss + 0.12 + 0.01 * Math.sin(i));
}

const RULES: [string, string, number][] = [
  ["auto", "Suggested", 7.9e-3],
  ["steepest", "Steepest", 2.5e-3],
  ["minimum", "Minimum", 5.6e-2],
  ["minimum_10", "Minimum / 10", 5.6e-3],
  ["valley", "Valley", 1.6e-3],
  ["slide", "Slide", 3.2e-2],
  ["balanced", "Balanced", 1.2e-2],
  ["before_explosion", "Before explosion", 2.2e-2],
];

export const SUGGESTIONS: Suggestion[] = RULES.map(([rule, label, lr], index) => ({
  rule,
  label,
  lr,
  index,
  why: `why ${label}`,
}));
