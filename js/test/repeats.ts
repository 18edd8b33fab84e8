// Three sweeps of one run as the kernel tells of them: points, band, interval, findings.
import { encodeFloats, type Finding, type Traits } from "../src/protocol.ts";
import { type MadeCurve, madeCurve, SUGGESTIONS } from "./curves.ts";
import { traits } from "./fake-kernel.ts";

/** Sweeps of a run: the same rates, each curve a little aside of the others, none of one length. */
export function madeSweeps(lengths: readonly number[] = [96, 94, 97]): MadeCurve[] {
  return lengths.map((points, at) => madeCurve(points, 100, 0.12 * (at - 1)));
}

export function startsOf(sweeps: readonly MadeCurve[]): number[] {
  return sweeps.map((_, at) => sweeps.slice(0, at).reduce((sum, { lrs }) => sum + lrs.length, 0));
}

/** Lower ends, medians and upper ends over the longest sweep's rates. */
export function bandOf(sweeps: readonly MadeCurve[]): number[] {
  const length = Math.max(...sweeps.map(({ smoothed }) => smoothed.length));
  const at = Array.from({ length }, (_, i) =>
    sweeps.flatMap(({ smoothed }) => smoothed[i] ?? []).sort((a, b) => a - b),
  );
  const part = (share: number) => at.map((v) => v[Math.floor(share * (v.length - 1))] ?? NaN);
  return [...part(0), ...part(0.5), ...part(1)];
}

export const NOISY: Finding = {
  name: "noisy",
  severity: "warning",
  text: "Noisy for 100 points: single batches decide where the minimum lies.",
  changes: { num_iter: 300 },
  action: "Run again with num_iter = 300",
};

/** A run of three sweeps that came to its end. */
export function repeated(change: Partial<Traits> = {}): Partial<Traits> {
  const sweeps = madeSweeps();
  const all = (part: keyof MadeCurve) => sweeps.flatMap((sweep) => sweep[part]);
  const points = all("lrs").length;
  return {
    status: {
      ...traits().status,
      state: "done",
      run: 1,
      points,
      total: points,
      repeats: 3,
      starts: startsOf(sweeps),
      picture: 1,
      text: "3 runs · suggestions within 1.4×, very normal",
    },
    curve: encodeFloats([...all("lrs"), ...all("losses"), ...all("smoothed")]),
    band: encodeFloats(bandOf(sweeps)),
    interval: [1.8e-3, 1.8e-2],
    suggestions: SUGGESTIONS,
    findings: [NOISY],
    ...change,
  };
}
