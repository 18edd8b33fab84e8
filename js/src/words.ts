// What the widget says: state and numbers in plain words.
import { formatExact, formatRate, formatTimeLeft } from "./format.ts";
import type { Applied, Optimizer, Settings, Status } from "./protocol.ts";

export interface Shown {
  status: Status;
  settings: Settings;
  points: number;
  secondsLeft: number | null;
  lost: boolean;
  errorType: string;
}

const SEPARATOR = " · ";

/** The title line's status: "57 of 100 · 4 s left". */
export function statusText({
  status,
  settings,
  points,
  secondsLeft,
  lost,
  errorType,
}: Shown): string {
  const parts: string[] = [];
  const { repeats, starts, total, text } = status;
  const several = repeats > 1;
  const counted = counting(points, "point");
  if (lost) {
    parts.push("not connected");
    if (several && text) parts.push(text);
    else if (points > 0) parts.push(counted);
    return parts.join(SEPARATOR);
  }
  const begun = starts[starts.length - 1] ?? 0;
  const planned = Math.round((total - begun) / (repeats - starts.length + 1));
  const progress = `${Math.min(points - begun, planned)} of ${planned}`;
  const which = several ? [`run ${starts.length} of ${repeats}`] : [];
  const soFar = status.copies
    ? [`${points === 0 ? 0 : starts.length} of ${counting(repeats, "run")}`]
    : [...which, progress];
  switch (status.state) {
    case "idle":
      parts.push(
        "ready",
        `${settings.repeats > 1 ? `${settings.repeats} × ` : ""}${settings.num_iter} points, ${formatRate(settings.start_lr)} to ${formatRate(settings.end_lr)}`,
      );
      break;
    case "running":
      parts.push(...(points === 0 && !status.copies ? ["starting"] : soFar));
      if (points > 0 && secondsLeft !== null) parts.push(formatTimeLeft(secondsLeft));
      if (status.slowed) parts.push("slowed by a running cell");
      break;
    case "paused":
      parts.push("paused", ...soFar);
      break;
    case "done":
      if (!several) parts.push("done", counted);
      break;
    case "stopped":
      parts.push("stopped", ...soFar);
      break;
    case "failed":
      parts.push("failed");
      if (points > 0) parts.push(`after ${counted}`);
      if (errorType) parts.push(errorType);
      break;
    case "closed":
      parts.push("closed");
      if (points > 0) parts.push(counted);
      break;
  }
  if (text) parts.push(text);
  return parts.join(SEPARATOR);
}

function counting(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}

/** What a screen reader is told, only when the state changes and not at each point. */
export function announcement(shown: Shown): string {
  const { state, total } = shown.status;
  if (!shown.lost && state === "running") return `sweep running, ${total} points`;
  return statusText(shown);
}

/** A parameter group's rate as it is and as it will be, or as it was and is now. */
export interface GroupWords {
  label: string;
  rate: string;
}

/** What Apply would make of each parameter group: "1e-3 → 7.9e-3". */
export function previewOf({ groups }: Optimizer, lr: number): GroupWords[] {
  return groups.map((group) => ({
    label: group.label,
    rate: group.ratio === null ? kept(group.lr) : arrow(group.lr, lr * group.ratio),
  }));
}

/** What the kernel confirmed of each, where `swept` says which Apply was to write. */
export function confirmationOf({ groups }: Applied, { groups: swept }: Optimizer): GroupWords[] {
  return groups.map(({ label, before, after }, at) => ({
    label,
    rate: swept[at]?.ratio === null ? kept(after) : arrow(before, after),
  }));
}

/** The ends of a range of rates: "1.8e-3 to 1.8e-2". */
export function rangeText([low, high]: readonly [number, number]): string {
  return `${formatRate(low)} to ${formatRate(high)}`;
}

function kept(rate: number): string {
  return `stays ${formatExact(rate)}`;
}

function arrow(from: number, to: number): string {
  const [before, after] = [formatExact(from), formatExact(to)];
  return before === after ? after : `${before} → ${after}`;
}

/** The last line: the loss, the optimizer and whether the model is as it was. */
export function footText(
  loss: string,
  { name, detail }: Optimizer,
  { state, follows, copies }: Pick<Status, "state" | "follows" | "copies">,
): string {
  const will = state === "idle" || state === "running" || state === "paused" ? "will be " : "";
  const optimizer = [name, detail].filter(Boolean).join(", ");
  const where = follows
    ? "runs elsewhere"
    : copies
      ? "copies are trained, the model is left alone"
      : `model and optimizer ${will}restored`;
  return [loss, optimizer, where].filter(Boolean).join(SEPARATOR);
}
