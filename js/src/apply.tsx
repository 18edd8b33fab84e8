// The number field, Apply and Undo, and what they do to the optimizer.
import { Button } from "./button.tsx";
import { CopyCode } from "./copy-code.tsx";
import { formatExact, parseRate } from "./format.ts";
import type { Session } from "./session.ts";
import { appliedParts, goodParts, previewParts } from "./words.ts";

const same = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * Math.abs(b);

export function ApplyRow({ session, id }: { session: Session; id: string }) {
  const { view, pending, rate } = session;
  const applied = session.get("applied");
  const { groups } = session.get("optimizer");
  const { out } = session;
  const busy = pending.has("apply") || pending.has("undo");
  const standing = groups.every((group) => same(group.lr, rate * group.ratio));
  const confirmed = applied !== null && same(applied.lr, rate) && standing;

  const commit = (): boolean => {
    if (view.rate === null) return true;
    const parsed = parseRate(view.rate);
    if ("problem" in parsed) {
      view.update({ rateProblem: parsed.problem });
      return false;
    }
    view.update({ rate: null, rateProblem: "" });
    session.selection.choose({ lr: parsed.value });
    session.selection.flush();
    return true;
  };
  const apply = () => {
    if (!commit()) return;
    session.selection.flush();
    void session.command("apply");
  };

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
      <Button name="apply" class="lrf-main" disabled={out || busy || confirmed} onClick={apply}>
        Apply
      </Button>
      <Button
        name="undo"
        disabled={out || busy || !applied?.undo}
        onClick={() => void session.command("undo")}
      >
        Undo
      </Button>
      <Outcome session={session} confirmed={confirmed} id={`${id}-outcome`} />
      <span class="lrf-good lrf-soft">
        {goodParts(session.get("interval")).map((part) => (
          <i key={part}>{part} </i>
        ))}
      </span>
      <CopyCode session={session} />
    </div>
  );
}

interface OutcomeProps {
  session: Session;
  confirmed: boolean;
  id: string;
}

function Outcome({ session, confirmed, id }: OutcomeProps) {
  const { view, pending, rate } = session;
  const applied = session.get("applied");
  const problem = view.rateProblem || view.refusal("apply", "undo", "code");
  let content = <Parts of={previewParts(session.get("optimizer"), rate)} />;
  if (problem) content = <span class="lrf-bad">{problem}</span>;
  else if (pending.has("apply")) content = <Parts of={["Applying…"]} />;
  else if (pending.has("undo")) content = <Parts of={["Undoing…"]} />;
  else if (applied && confirmed) {
    const [done, ...before] = appliedParts(applied);
    content = (
      <>
        <span class="lrf-part lrf-ok">{done}</span>
        <Parts of={before} />
      </>
    );
  }
  return (
    <span class="lrf-outcome" id={id} aria-live="polite">
      {content}
    </span>
  );
}

function Parts({ of: parts }: { of: string[] }) {
  return parts.map((part) => (
    <span key={part} class="lrf-part lrf-soft">
      {part.split(/(?<=: )/).map((piece) => (
        <span key={piece}>{piece}</span>
      ))}
    </span>
  ));
}
