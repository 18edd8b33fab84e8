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
  const counted = points === 1 ? "1 point" : `${points} points`;
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
  switch (status.state) {
    case "idle":
      parts.push(
        "ready",
        `${settings.repeats > 1 ? `${settings.repeats} × ` : ""}${settings.num_iter} points, ${formatRate(settings.start_lr)} to ${formatRate(settings.end_lr)}`,
      );
      break;
    case "running":
      parts.push(...(points === 0 ? ["starting"] : [...which, progress]));
      if (points > 0 && secondsLeft !== null) parts.push(formatTimeLeft(secondsLeft));
      if (status.slowed) parts.push("slowed by a running cell");
      break;
    case "paused":
      parts.push("paused", ...which, progress);
      break;
    case "done":
      if (!several) parts.push("done", counted);
      break;
    case "stopped":
      parts.push("stopped", ...which, progress);
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

/** What a screen reader is told, only when the state changes and not at each point. */
export function announcement(shown: Shown): string {
  const { state, total } = shown.status;
  if (!shown.lost && state === "running") return `sweep running, ${total} points`;
  return statusText(shown);
}

/** "optimizer: 1e-3 → 7.9e-3", or each parameter group when there are several. */
export function previewParts({ groups }: Optimizer, lr: number): string[] {
  const [only] = groups;
  if (groups.length === 1 && only) return [`optimizer: ${arrow(only.lr, lr * only.ratio)}`];
  return listed(groups.map((group) => `${group.label}: ${arrow(group.lr, lr * group.ratio)}`));
}

/** What the kernel confirmed: "Applied 7.9e-3", and what the rates were before. */
export function appliedParts({ lr, groups }: Applied): [string, ...string[]] {
  const [only] = groups;
  const done = `Applied ${formatExact(lr)}`;
  if (groups.length === 1 && only) return [done, `was ${formatExact(only.before)}`];
  const changes = groups.map(({ label, before, after }) => `${label}: ${arrow(before, after)}`);
  return [done, ...listed(changes)];
}

// Each part may go to a line of its own, so the commas stay with what they follow.
function listed(parts: string[]): string[] {
  return parts.map((part, at) => (at < parts.length - 1 ? `${part},` : part));
}

/** Which rates are about as good: "good from 1.8e-3 to 1.8e-2", in two lines where there is room. */
export function goodParts(interval: readonly [number, number] | null): string[] {
  if (!interval) return [];
  const [low, high] = interval;
  return ["good from", `${formatRate(low)} to ${formatRate(high)}`];
}

function arrow(from: number, to: number): string {
  const [before, after] = [formatExact(from), formatExact(to)];
  return before === after ? after : `${before} → ${after}`;
}

/** The last line: the loss, the optimizer and whether the model is as it was. */
export function footText(
  loss: string,
  { name, detail }: Optimizer,
  state: Status["state"],
): string {
  const will = state === "idle" || state === "running" || state === "paused" ? "will be " : "";
  const optimizer = [name, detail].filter(Boolean).join(", ");
  return [loss, optimizer, `model and optimizer ${will}restored`].filter(Boolean).join(SEPARATOR);
}
