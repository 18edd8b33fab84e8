// The fold-out: settings of the next run. The kernel judges them; smoothing acts at once.
import type { ComponentChildren } from "preact";
import type { Settings } from "./protocol.ts";
import type { Session } from "./session.ts";
import { changeSetting, shownValue } from "./settings-draft.ts";

const USUAL_BETA = "0.98";

export function SettingsPanel({ session, id }: { session: Session; id: string }) {
  const { view } = session;
  const lagFree = shownValue(session, "beta") === "";
  const field = (name: keyof Settings, label: string, hint?: string) => (
    <NumberField session={session} name={name} label={label} hint={hint} id={id} />
  );
  return (
    <fieldset class="lrf-settings" id={`${id}-settings`} hidden={!view.settingsOpen}>
      <legend class="lrf-unseen">Settings of the next run</legend>
      <div class="lrf-fields">
        {field("start_lr", "From")}
        {field("end_lr", "To")}
        {field("num_iter", "Points")}
        {field("repeats", "Repeats")}
        <Field label="Steps" id={`${id}-step_mode`}>
          <select
            id={`${id}-step_mode`}
            class="lrf-input"
            data-focus="step_mode"
            value={shownValue(session, "step_mode")}
            onChange={(event) =>
              void changeSetting(session, "step_mode", event.currentTarget.value)
            }
          >
            <option value="exp">exponential</option>
            <option value="linear">linear</option>
          </select>
        </Field>
        {field("diverge_threshold", "Stop at × best loss", "off")}
        <Field label="Smoothing" id={`${id}-smoothing`}>
          <select
            id={`${id}-smoothing`}
            class="lrf-input"
            data-focus="smoothing"
            value={lagFree ? "lag-free" : "ema"}
            onChange={(event) => {
              const beta = event.currentTarget.value === "ema" ? USUAL_BETA : "";
              void changeSetting(session, "beta", beta);
            }}
          >
            <option value="lag-free">lag-free</option>
            <option value="ema">moving average</option>
          </select>
        </Field>
        <NumberField session={session} name="beta" label="Beta" id={id} unavailable={lagFree} />
      </div>
      <p class="lrf-hint" id={`${id}-settings-outcome`} aria-live="polite">
        {view.settingsProblem ? (
          <span class="lrf-bad">{view.settingsProblem}</span>
        ) : (
          <span class="lrf-soft">For the next run; smoothing acts at once.</span>
        )}
      </p>
    </fieldset>
  );
}

function Field(props: { label: string; id: string; children: ComponentChildren }) {
  return (
    <div class="lrf-field">
      <label class="lrf-soft" for={props.id}>
        {props.label}
      </label>
      {props.children}
    </div>
  );
}

interface NumberFieldProps {
  session: Session;
  name: keyof Settings;
  label: string;
  id: string;
  hint?: string | undefined;
  unavailable?: boolean;
}

function NumberField({ session, name, label, id, hint, unavailable = false }: NumberFieldProps) {
  const { view } = session;
  const drafted = view.draft[name] !== undefined;
  return (
    <Field label={label} id={`${id}-${name}`}>
      <input
        id={`${id}-${name}`}
        class="lrf-input"
        data-focus={name}
        inputMode="decimal"
        autoComplete="off"
        spellcheck={false}
        placeholder={hint}
        disabled={unavailable}
        value={shownValue(session, name)}
        aria-invalid={drafted && view.settingsProblem !== ""}
        aria-describedby={`${id}-settings-outcome`}
        onInput={(event) =>
          view.update({ draft: { ...view.draft, [name]: event.currentTarget.value } })
        }
        onChange={(event) => void changeSetting(session, name, event.currentTarget.value)}
      />
    </Field>
  );
}
