// The rules as a row of radio buttons, each with its learning rate.
import { formatRate } from "./format.ts";
import type { Suggestion } from "./protocol.ts";
import type { Session } from "./session.ts";

const NOT_YET = "Suggestions appear when the curve has turned; drag the marker to choose now.";

/** Chips nobody sees: they keep the room that the real ones will need at this width. */
const ROOM = [
  "Suggested",
  "Steepest",
  "Minimum",
  "Minimum / 10",
  "Valley",
  "Slide",
  "Balanced",
  "Before explosion",
];

const STEPS: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export function Chips({ session }: { session: Session }) {
  const suggestions = session.get("suggestions");
  const selection = session.selection.value;
  const chosen = "rule" in selection ? selection.rule : null;
  const entry = suggestions.some(({ rule }) => rule === chosen) ? chosen : suggestions[0]?.rule;
  const choose = (rule: string) => session.choose({ rule });

  const onKeyDown = (event: KeyboardEvent, at: number) => {
    const last = suggestions.length - 1;
    const step = STEPS[event.key];
    let to = step === undefined ? -1 : (at + step + suggestions.length) % suggestions.length;
    if (event.key === "Home") to = 0;
    if (event.key === "End") to = last;
    const next = suggestions[to];
    if (!next || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    choose(next.rule);
    const group = (event.currentTarget as HTMLElement).parentElement;
    group?.querySelectorAll<HTMLElement>("[role=radio]")[to]?.focus();
  };

  return (
    <div class="lrf-pick">
      <div class="lrf-chips lrf-room" aria-hidden="true">
        {ROOM.map((label) => (
          <span key={label} class="lrf-chip">
            {label} <span>5.6e-3</span>
          </span>
        ))}
      </div>
      {suggestions.length === 0 ? (
        <span class="lrf-soft lrf-empty">
          {session.ended ? session.get("status").unsuggested : NOT_YET}
        </span>
      ) : (
        <div class="lrf-chips" role="radiogroup" aria-label="Rule">
          {suggestions.map((suggestion, at) => (
            <Chip
              key={suggestion.rule}
              suggestion={suggestion}
              checked={suggestion.rule === chosen}
              entry={suggestion.rule === entry}
              onClick={() => choose(suggestion.rule)}
              onKeyDown={(event) => onKeyDown(event, at)}
            />
          ))}
        </div>
      )}
    </div>
  );
}

interface ChipProps {
  suggestion: Suggestion;
  checked: boolean;
  entry: boolean;
  onClick(): void;
  onKeyDown(event: KeyboardEvent): void;
}

function Chip({ suggestion, checked, entry, onClick, onKeyDown }: ChipProps) {
  const { rule, label, lr, why } = suggestion;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a chip is a radio with one tab stop for all of them
    <button
      type="button"
      class="lrf-chip"
      role="radio"
      aria-checked={checked}
      tabIndex={entry ? 0 : -1}
      data-focus={`rule-${rule}`}
      title={why}
      onClick={onClick}
      onKeyDown={onKeyDown}
    >
      {label} <span>{formatRate(lr)}</span>
    </button>
  );
}
