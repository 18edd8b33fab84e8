// What a view must find again when the host re-creates it: zoom, fold-out, drafts, focus, refusals.

import type { FocusMemory } from "./focus.ts";
import type { Settings } from "./protocol.ts";
import type { Command } from "./session.ts";

export type Draft = Partial<Record<keyof Settings, string>>;

export class ViewState {
  /** Visible range in decades (log10 of the learning rate), or null for the whole axis. */
  zoom: { low: number; high: number } | null = null;
  /** Whether a plain drag zooms instead of moving the marker. */
  zooming = false;
  settingsOpen = false;
  /** Settings as typed that the kernel has not taken yet. */
  draft: Draft = {};
  settingsProblem = "";
  /** The number field as typed, while it differs from the chosen rate. */
  rate: string | null = null;
  rateProblem = "";
  /** Whether findings beyond the first two are shown. */
  allFindings = false;
  /** Whether parameter groups beyond the first three are shown. */
  allGroups = false;
  /** The lines that were asked for: in the clipboard, or to be copied by hand. */
  code: { text: string; copied: boolean } | null = null;
  /** The control that has the keyboard, and the view it is in. */
  focus: FocusMemory | null = null;
  #refusals = new Map<Command, string>();
  #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  update(change: Partial<Omit<ViewState, "update" | "refusal" | "setRefusal">>): void {
    Object.assign(this, change);
    this.#changed();
  }

  refusal(...commands: Command[]): string {
    for (const command of commands) {
      const text = this.#refusals.get(command);
      if (text) return text;
    }
    return "";
  }

  setRefusal(command: Command, text: string | null): void {
    if (text === null) this.#refusals.delete(command);
    else this.#refusals.set(command, text);
    this.#changed();
  }
}
