// The number field, Apply and Undo, and what they do to the optimizer.
import { Button } from "./button.tsx";
import { CopyCode } from "./copy-code.tsx";
import { formatExact, parseRate } from "./format.ts";
import type { Applied } from "./protocol.ts";
import type { Session } from "./session.ts";
import { confirmationOf, type GroupWords, previewOf } from "./words.ts";

/** More would bury the row; the others wait behind a button. */
const SHOWN_GROUPS = 3;

const same = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * Math.abs(b);

export function ApplyRow({ session, id }: { session: Session; id: string }) {
  const { view, pending, rate } = session;
  const applied = session.get("applied");
  const optimizer = session.get("optimizer");
  const { out } = session;
  const busy = pending.has("apply") || pending.has("undo");
  const standing = optimizer.groups.every(
    ({ lr, ratio }) => ratio === null || same(lr, rate * ratio),
  );
  const confirmed = applied !== null && same(applied.lr, rate) && standing ? applied : null;
  const groups = confirmed ? confirmationOf(confirmed, optimizer) : previewOf(optimizer, rate);

  const commit = (): boolean => {
    if (view.rate === null) return true;
    const parsed = parseRate(view.rate);
    if ("problem" in parsed) {
      view.update({ rateProblem: parsed.problem });
      return false;
    }
    session.choose({ lr: parsed.value });
    session.selection.flush();
    return true;
  };
  const apply = () => {
    if (!commit()) return;
    session.selection.flush();
    void session.command("apply");
  };

  const { follows } = session.get("status");
  return (
    <div class="lrf-apply">
      <label class="lrf-soft" for={`${id}-rate`}>
        Learning rate
      </label>
      <input
        id={`${id}-rate`}
        class="lrf-input"
        data-focus="rate"
        inputMode="decimal"
        autoComplete="off"
        spellcheck={false}
        value={view.rate ?? formatExact(rate)}
        aria-invalid={view.rateProblem !== ""}
        aria-describedby={`${id}-outcome`}
        onInput={(event) => view.update({ rate: event.currentTarget.value, rateProblem: "" })}
        onKeyDown={(event) => {
          if (event.key === "Enter") commit();
          if (event.key === "Escape") view.update({ rate: null, rateProblem: "" });
        }}
        onBlur={commit}
      />
      <Button name="apply" class="lrf-main" disabled={out || busy} onClick={apply}>
        {follows ? "Choose" : "Apply"}
      </Button>
      {!follows && (
        <Button
          name="undo"
          disabled={out || busy || !applied?.undo}
          onClick={() => void session.command("undo")}
        >
          Undo
        </Button>
      )}
      <span class="lrf-outcome" id={`${id}-outcome`} aria-live="polite">
        <Outcome session={session} confirmed={confirmed} groups={groups} />
      </span>
      <CopyCode session={session} />
      {groups.length > 1 && <Groups session={session} groups={groups} />}
    </div>
  );
}

interface OutcomeProps {
  session: Session;
  confirmed: Applied | null;
  groups: GroupWords[];
}

function Outcome({ session, confirmed, groups }: OutcomeProps) {
  const { view, pending } = session;
  const problem = view.rateProblem || view.refusal("apply", "undo", "code");
  if (problem) return <span class="lrf-bad">{problem}</span>;
  if (pending.has("apply")) return <span class="lrf-soft">Applying…</span>;
  if (pending.has("undo")) return <span class="lrf-soft">Undoing…</span>;
  const [only, second] = groups;
  if (!confirmed) {
    const one = only ? `optimizer: ${only.rate}` : "";
    const preview = second ? `${groups.length} parameter groups` : one;
    return <span class="lrf-soft">{preview}</span>;
  }
  const [before] = confirmed.groups;
  return (
    <>
      <span class="lrf-ok">
        {session.get("status").follows ? "Chosen" : "Applied"} {formatExact(confirmed.lr)}
      </span>
      {before && !second && <span class="lrf-soft"> was {formatExact(before.before)}</span>}
    </>
  );
}

function Groups({ session: { view }, groups }: { session: Session; groups: GroupWords[] }) {
  const shown = view.allGroups ? groups : groups.slice(0, SHOWN_GROUPS);
  const hidden = groups.length - SHOWN_GROUPS;
  return (
    <ul class="lrf-groups" aria-label="Parameter groups">
      {shown.map(({ label, rate }, at) => (
        <li key={`${at} ${label}`}>
          <span class="lrf-soft">{label}:</span> {rate}
        </li>
      ))}
      {hidden > 0 && (
        <li>
          <Button
            name="groups"
            class="lrf-link"
            expanded={view.allGroups}
            onClick={() => view.update({ allGroups: !view.allGroups })}
          >
            {view.allGroups ? "fewer" : `+${hidden} more`}
          </Button>
        </li>
      )}
    </ul>
  );
}
