// States to look at, each played by a fake kernel.
import { encodeFloats, type Optimizer } from "../src/protocol.ts";
import { madeCurve, madeNorms, madeValidation, pairs, SUGGESTIONS } from "../test/curves.ts";
import { type FakeKernel, traits } from "../test/fake-kernel.ts";
import { bandOf, madeSweeps, NOISY, repeated, startsOf } from "../test/repeats.ts";
import { withNorms } from "../test/states.ts";

const TWO_GROUPS = {
  name: "AdamW",
  detail: "weight decay 0.01",
  groups: [
    { label: "body", lr: 1e-4, ratio: 0.1 },
    { label: "head", lr: 1e-3, ratio: 1 },
  ],
};

const MANY_GROUPS = {
  ...TWO_GROUPS,
  groups: [
    { label: "embedding", lr: 1e-5, ratio: null },
    ...[1, 2, 3, 4].map((at) => ({ label: `layer ${at}`, lr: 1e-3 / at, ratio: 1 / at })),
  ],
};

function ended(kernel: FakeKernel, points: number): void {
  const made = madeCurve(points);
  const status = { ...traits().status, run: 1, points, picture: 1 };
  kernel.update({
    status: { ...status, state: "done", text: "stopped at 4× the best" },
    suggestions: SUGGESTIONS,
    curve: encodeFloats([...made.lrs, ...made.losses, ...made.smoothed]),
  });
}

function apply(kernel: FakeKernel, optimizer: Optimizer, notes: string[]): void {
  const after = ({ lr, ratio }: { lr: number; ratio: number | null }) =>
    ratio === null ? lr : 7.9e-3 * ratio;
  const groups = optimizer.groups.map((group) => ({
    label: group.label,
    before: group.lr,
    after: after(group),
  }));
  kernel.update({
    optimizer: {
      ...optimizer,
      groups: optimizer.groups.map((group) => ({ ...group, lr: after(group) })),
    },
    applied: { lr: 7.9e-3, groups, notes, warnings: [], undo: true },
  });
}

export const STATES: Record<string, (kernel: FakeKernel) => void> = {
  idle: () => undefined,
  running: (kernel) => {
    const made = madeCurve(57);
    kernel.status({ state: "running", run: 1, points: 57 });
    kernel.points(1, 0, pairs(made));
    kernel.smoothed(1, made.smoothed);
  },
  paused: (kernel) => {
    const made = madeCurve(72);
    kernel.status({ state: "paused", run: 1, points: 72, controls: "queued" });
    kernel.update({ suggestions: SUGGESTIONS.slice(0, 2) });
    kernel.points(1, 0, pairs(made));
    kernel.smoothed(1, made.smoothed);
  },
  done: (kernel) => ended(kernel, 96),
  chosen: (kernel) => {
    ended(kernel, 96);
    kernel.update({ selection: { lr: 9.1 } });
  },
  applied: (kernel) => {
    ended(kernel, 96);
    kernel.update({ interval: [1.8e-3, 1.8e-2] });
    apply(kernel, traits().optimizer, []);
  },
  measuring: (kernel) => {
    const made = madeCurve(57);
    const more = { val_losses: madeValidation(57), grad_norms: madeNorms(57) };
    kernel.status({ state: "running", run: 1, points: 57 });
    kernel.update({ optimizer: TWO_GROUPS });
    kernel.points(1, 0, pairs(made), more);
    kernel.smoothed(1, made.smoothed);
  },
  measured: (kernel) => {
    kernel.update(withNorms({ optimizer: TWO_GROUPS, interval: [1.8e-3, 1.8e-2] }));
  },
  written: (kernel) => {
    STATES.measured?.(kernel);
    apply(kernel, TWO_GROUPS, ["base_lrs and initial_lr of StepLR were set too."]);
  },
  groups: (kernel) => {
    ended(kernel, 96);
    kernel.update({ optimizer: MANY_GROUPS });
  },
  failed: (kernel) => {
    const made = madeCurve(31);
    kernel.update({
      status: { ...traits().status, state: "failed", run: 1, points: 31, picture: 1 },
      error: {
        type: "RuntimeError",
        message: "mat1 and mat2 shapes cannot be multiplied (32x784 and 512x10)",
        where: "train.py, line 12: loss = model(x)",
      },
    });
    kernel.points(1, 0, pairs(made));
    kernel.smoothed(1, made.smoothed);
  },
  settings: (kernel) => {
    ended(kernel, 96);
    kernel.refuses.configure =
      "end_lr must be greater than start_lr (got start_lr=1e-1, end_lr=1e-3)";
    kernel.status({ notes: ["The model was in eval mode; the sweep trained it in train mode."] });
  },
  second: (kernel) => {
    const sweeps = madeSweeps([96, 57]);
    const points = 96 + 57;
    const head = { ...traits().status, run: 1, points, total: 296, repeats: 3, starts: [0, 96] };
    kernel.update({ status: { ...head, state: "running" }, suggestions: SUGGESTIONS });
    kernel.points(
      1,
      0,
      sweeps.flatMap((sweep) => pairs(sweep)),
    );
    kernel.smoothed(
      1,
      sweeps.flatMap(({ smoothed }) => smoothed),
    );
  },
  third: (kernel) => {
    const sweeps = madeSweeps([96, 94, 57]);
    const points = 96 + 94 + 57;
    const head = { ...traits().status, run: 1, points, total: 290, repeats: 3 };
    const status = { ...head, starts: startsOf(sweeps), state: "running" } as const;
    kernel.update({ status, suggestions: SUGGESTIONS, interval: [1.8e-3, 1.8e-2] });
    kernel.points(
      1,
      0,
      sweeps.flatMap((sweep) => pairs(sweep)),
    );
    kernel.smoothed(
      1,
      sweeps.flatMap(({ smoothed }) => smoothed),
    );
    kernel.update({ band: encodeFloats(bandOf(sweeps.slice(0, 2))) });
  },
  repeated: (kernel) => kernel.update(repeated()),
  findings: (kernel) => {
    const more = ["error", "info"] as const;
    const others = more.map((severity) => ({ ...NOISY, name: severity, severity, action: "" }));
    kernel.update(repeated({ findings: [...others, NOISY, { ...NOISY, name: "again" }] }));
  },
  lost: (kernel) => {
    kernel.welcomes = false;
    ended(kernel, 96);
  },
};
