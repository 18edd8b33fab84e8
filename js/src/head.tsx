// The title line: state, progress, and the buttons that drive the sweep. Each keeps its place.
import { Button } from "./button.tsx";
import type { Command, Session } from "./session.ts";
import { announcement, type Shown, statusText } from "./words.ts";

interface MainAction {
  label: string;
  command: Command;
}

function mainAction(state: Shown["status"]["state"], run: number): MainAction {
  if (state === "running") return { label: "Pause", command: "pause" };
  if (state === "paused") return { label: "Resume", command: "resume" };
  return { label: run > 0 ? "Run again" : "Run", command: "run" };
}

export function Head({ session, id }: { session: Session; id: string }) {
  const status = session.get("status");
  const shown: Shown = {
    status,
    settings: session.get("settings"),
    points: session.curve.length,
    secondsLeft: session.secondsLeft,
    lost: session.connection.link === "lost",
    errorType: session.get("error")?.type ?? "",
  };
  const { state, run, total } = status;
  const action = mainAction(state, run);
  const active = state === "running" || state === "paused";
  const { out, pending, view } = session;
  const text = statusText(shown);
  const share = state === "done" ? 1 : Math.min(1, total > 0 ? shown.points / total : 0);
  return (
    <>
      <div class="lrf-head">
        <span class={`lrf-dot lrf-${shown.lost ? "lost" : state}`} />
        <span class="lrf-title" id={`${id}-title`}>
          Learning-rate finder
        </span>
        <span class="lrf-status" title={text}>
          {text}
        </span>
        <span class="lrf-controls">
          {!status.follows && (
            <Button
              name="main"
              class="lrf-wide"
              disabled={out || pending.has(action.command) || (active && status.copies === true)}
              onClick={() => void session.command(action.command)}
            >
              {action.label}
            </Button>
          )}
          <Button
            name="stop"
            disabled={out || !active || pending.has("stop")}
            onClick={() => void session.command("stop")}
          >
            Stop
          </Button>
          <Button
            name="settings"
            expanded={view.settingsOpen}
            controls={`${id}-settings`}
            onClick={() => view.update({ settingsOpen: !view.settingsOpen })}
          >
            Settings
          </Button>
        </span>
      </div>
      <div
        class="lrf-progress"
        role="progressbar"
        aria-label="Progress of the sweep"
        aria-valuemin={0}
        aria-valuemax={total}
        aria-valuenow={Math.min(shown.points, total)}
        aria-valuetext={text}
      >
        <div style={{ transform: `scaleX(${share})` }} />
      </div>
      <div class="lrf-unseen" role="status">
        {announcement(shown)}
      </div>
    </>
  );
}
