// What may be wrong with the curve, a bar each, and the button that tries it otherwise.
import { Button } from "./button.tsx";
import type { Session } from "./session.ts";

/** More would bury the row that chooses; the kernel sends the most severe first. */
const SHOWN = 2;

export function Findings({ session }: { session: Session }) {
  const { view, pending } = session;
  const findings = session.get("findings");
  const shown = view.allFindings ? findings : findings.slice(0, SHOWN);
  const hidden = findings.length - SHOWN;
  return (
    <div class="lrf-findings">
      {shown.map(({ name, severity, text, changes, action }) => (
        <div key={name} class={`lrf-finding lrf-${severity}`}>
          <span class="lrf-message">
            <b aria-hidden="true">{severity === "info" ? "i" : "!"}</b>
            {text}
          </span>
          {action && (
            <Button
              name={`finding-${name}`}
              disabled={session.out || pending.has("run")}
              onClick={() => void session.command("run", changes)}
            >
              {action}
            </Button>
          )}
        </div>
      ))}
      {hidden > 0 && (
        <Button
          name="more"
          class="lrf-more"
          expanded={view.allFindings}
          onClick={() => view.update({ allFindings: !view.allFindings })}
        >
          {view.allFindings ? "Fewer" : `${hidden} more`}
        </Button>
      )}
    </div>
  );
}
