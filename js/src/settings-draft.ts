// Settings as they are typed: kept until the kernel takes them, sent together.
import { formatExact, parseNumber } from "./format.ts";
import type { Settings } from "./protocol.ts";
import type { Session } from "./session.ts";
import type { Draft } from "./view-state.ts";

/** Settings that may be empty, which switches them off. */
const OPTIONAL = new Set<keyof Settings>(["diverge_threshold", "beta"]);
/** Numbers that are no learning rates are asked for with one of their own kind. */
const EXAMPLES: Partial<Record<keyof Settings, string>> = {
  num_iter: "100",
  repeats: "3",
  diverge_threshold: "4",
  beta: "0.98",
};
const WORDS = new Set<keyof Settings>(["step_mode", "rule"]);

/** A setting as its field shows it: as typed, else as the kernel has it. */
export function shownValue(session: Session, name: keyof Settings): string {
  const typed = session.view.draft[name];
  if (typed !== undefined) return typed;
  const value = session.get("settings")[name];
  if (value === null) return "";
  if (typeof value === "string") return value;
  return name === "start_lr" || name === "end_lr" ? formatExact(value) : String(value);
}

export type ParsedDraft = { settings: Partial<Settings> } | { problem: string };

/** The settings that a draft spells, or what is wrong with the first that spells none. */
export function parseDraft(draft: Draft): ParsedDraft {
  const settings: Record<string, number | string | null> = {};
  for (const [key, text] of Object.entries(draft)) {
    const name = key as keyof Settings;
    if (WORDS.has(name)) settings[name] = text;
    else if (OPTIONAL.has(name) && text.trim() === "") settings[name] = null;
    else {
      const parsed = parseNumber(text, EXAMPLES[name]);
      if ("problem" in parsed) return parsed;
      settings[name] = parsed.value;
    }
  }
  return { settings: settings as Partial<Settings> };
}

/** Send a changed setting, with the others that wait: a range is often only valid as a whole. */
export async function changeSetting(
  session: Session,
  name: keyof Settings,
  text: string,
): Promise<void> {
  const { view } = session;
  const draft = { ...view.draft, [name]: text };
  view.update({ draft });
  const parsed = parseDraft(draft);
  if ("problem" in parsed) {
    view.update({ settingsProblem: parsed.problem });
    return;
  }
  const answer = await session.configure(parsed.settings);
  if (!answer.ok) {
    view.update({ settingsProblem: answer.error });
    return;
  }
  // What was typed while the kernel answered stays.
  const left = Object.entries(view.draft).filter(
    ([key, now]) => now !== draft[key as keyof Settings],
  );
  view.update({ draft: Object.fromEntries(left), settingsProblem: "" });
}
