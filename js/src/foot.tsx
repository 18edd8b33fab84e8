// Below the controls: what went wrong, what to know, and what the sweep works on.
import type { Session } from "./session.ts";
import { footText } from "./words.ts";

const QUEUED = "This kernel handles clicks only when the running cell ends.";

export function Problems({ session }: { session: Session }) {
  const error = session.get("error");
  const refusal = session.view.refusal("run", "pause", "resume", "stop", "save_picture");
  return (
    <div class="lrf-problems" role="alert">
      {error && (
        <div class="lrf-problem">
          <b>{error.type}</b>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long message scrolls, by key too */}
          <span class="lrf-message" data-focus="message" tabIndex={0}>
            {error.message}
          </span>
          {error.where && <code>{error.where}</code>}
        </div>
      )}
      {refusal && <div class="lrf-problem">{refusal}</div>}
    </div>
  );
}

export function Foot({ session }: { session: Session }) {
  const status = session.get("status");
  const active = status.state === "running" || status.state === "paused";
  const applied = session.get("applied");
  const notes = [...status.notes, ...(applied?.notes ?? [])];
  if (active && status.controls === "queued") notes.push(QUEUED);
  return (
    <div class="lrf-foot">
      <div>{footText(session.get("loss"), session.get("optimizer"), status)}</div>
      {applied?.warnings.map((warning) => (
        <div key={warning} class="lrf-warning">
          {warning}
        </div>
      ))}
      {notes.map((note) => (
        <div key={note} class="lrf-note">
          {note}
        </div>
      ))}
    </div>
  );
}
