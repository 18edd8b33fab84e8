// What the user chose. The page writes it, at once for the eye and throttled for the wire.
import type { Model, Selection } from "./protocol.ts";

/** Each write has the kernel answer and the host react, which costs frames of the drag. */
const INTERVAL = 200;
/** How long after the last write an echo of an earlier one is still taken for an echo. */
const ECHO = 500;

export class SelectionWriter {
  #model: Model;
  #moved: () => void;
  #changed: () => void;
  #local: Selection | null = null;
  #holders = 0;
  #unsent = false;
  #lastSent = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #forget: ReturnType<typeof setTimeout> | undefined;

  /** `moved` is called at each step of a drag, `changed` now and then and when it ends. */
  constructor(model: Model, moved: () => void, changed: () => void, signal: AbortSignal) {
    this.#model = model;
    this.#moved = moved;
    this.#changed = changed;
    signal.addEventListener("abort", () => {
      this.flush();
      clearTimeout(this.#forget);
    });
  }

  get value(): Selection {
    return this.#local ?? this.#model.get("selection") ?? { rule: "auto" };
  }

  /** Whether a pointer holds the marker, so that nothing else may move it. */
  get held(): boolean {
    return this.#holders > 0;
  }

  hold(): void {
    this.#holders++;
  }

  /** The pointer let go: send the last position now. */
  release(): void {
    this.#holders = Math.max(0, this.#holders - 1);
    this.flush();
    this.#forgetLater();
  }

  choose(selection: Selection): void {
    this.#local = selection;
    this.#unsent = true;
    const wait = this.#lastSent + INTERVAL - performance.now();
    if (wait <= 0) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), wait);
    if (this.held) this.#moved();
    else this.#changed();
  }

  /** Send what is not sent yet. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#unsent || !this.#local) return;
    this.#unsent = false;
    this.#lastSent = performance.now();
    this.#model.set("selection", this.#local);
    this.#model.save_changes();
    this.#changed();
    this.#forgetLater();
  }

  // From then on the model's value counts, also one that the kernel set meanwhile.
  #forgetLater(): void {
    clearTimeout(this.#forget);
    if (this.#holders > 0) return;
    this.#forget = setTimeout(() => {
      this.#local = null;
      this.#changed();
    }, ECHO);
  }
}
