// One per model, made in `initialize`: holds the curve and speaks with the kernel. Views draw it.
import { chosenRate } from "./choice.ts";
import { Connection } from "./connection.ts";
import { Curve } from "./curve.ts";
import {
  type BandMessage,
  blockOf,
  decodeFloats,
  type KernelMessage,
  type Model,
  type PointsMessage,
  type Request,
  type Selection,
  type Settings,
  type SmoothedMessage,
  TRAITS,
  type Traits,
} from "./protocol.ts";
import { type Answer, Requests } from "./requests.ts";
import { SelectionWriter } from "./selection.ts";
import { ViewState } from "./view-state.ts";

/** How long a running sweep may be silent before the page asks. */
const SILENCE = 500;
const RESYNC_TIMEOUT = 2_000;
const COMMAND_TIMEOUT = 10_000;
/** A kernel that handles messages only between cells may be silent for long without being gone. */
const QUEUED_PATIENCE = 60_000;

const ENDED = new Set(["done", "stopped", "failed"]);

export type Command = Exclude<Request["kind"], "hello" | "resync" | "configure" | "picture">;

/** Hears of every change; of one that only moves the marker, that it is no more than that. */
export type Watcher = (change: "all" | "marker") => void;

export class Session {
  readonly model: Model;
  readonly curve = new Curve();
  readonly connection: Connection;
  readonly requests: Requests;
  readonly selection: SelectionWriter;
  readonly view: ViewState;
  /** Commands that wait for their answer. */
  readonly pending = new Set<Command>();
  secondsLeft: number | null = null;
  /** Learning rates at the ends of the axis: those of the shown run. */
  axis: { run: number; low: number; high: number } | null = null;
  #watchers = new Set<Watcher>();
  #resyncing = false;
  #resyncAgain = false;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #pointers = new Set<number>();
  #pictureAsked = 0;
  #signal: AbortSignal;

  constructor(model: Model, signal: AbortSignal) {
    this.model = model;
    this.#signal = signal;
    this.requests = new Requests(model);
    this.view = new ViewState(() => this.changed());
    this.selection = new SelectionWriter(
      model,
      () => this.#tell("marker"),
      () => this.changed(),
      signal,
    );
    this.connection = new Connection({
      hello: (binary) => this.requests.tell({ kind: "hello", binary }),
      changed: () => this.changed(),
    });
  }

  /** Listen to the model and say hello; everything ends with the signal. */
  start(): void {
    for (const trait of TRAITS) this.#listen(`change:${trait}`, () => this.#traitChanged(trait));
    this.#listen("msg:custom", (message: KernelMessage, buffers?: DataView[]) =>
      this.#receive(message, buffers),
    );
    this.#signal.addEventListener("abort", () => {
      clearTimeout(this.#silence);
      this.requests.close();
      this.#watchers.clear();
    });
    this.#takeFinishedCurve();
    this.#fitAxis();
    this.connection.start(this.#signal);
    const { state } = this.get("status");
    if (state !== "idle" && state !== "closed" && this.curve.length === 0) void this.resync();
    this.#watch();
  }

  get<K extends keyof Traits>(name: K): Traits[K] {
    return this.model.get(name);
  }

  /** The chosen learning rate. */
  get rate(): number {
    const axis = this.axis ?? {
      low: this.get("settings").start_lr,
      high: this.get("settings").end_lr,
    };
    return chosenRate(this.selection.value, this.get("suggestions"), this.get("optimizer"), axis);
  }

  /** Whether that rate was chosen, by hand or by a rule, and is not just the optimizer's. */
  get chosen(): boolean {
    const { value } = this.selection;
    return "lr" in value || this.get("suggestions").some(({ rule }) => rule === value.rule);
  }

  /** Whether nobody is there to ask. */
  get out(): boolean {
    return this.connection.link === "lost" || this.get("status").state === "closed";
  }

  get ended(): boolean {
    return ENDED.has(this.get("status").state);
  }

  /** Call `watcher` after every change, until the signal. */
  subscribe(watcher: Watcher, signal: AbortSignal): void {
    this.#watchers.add(watcher);
    signal.addEventListener("abort", () => this.#watchers.delete(watcher));
  }

  changed(): void {
    this.#tell("all");
  }

  /** Ask the kernel for something the user wants; a refusal is shown beside what was asked. */
  async command(kind: Command, settings?: Partial<Settings>): Promise<Answer> {
    const request = this.#requestFor(kind, settings);
    this.pending.add(kind);
    this.view.setRefusal(kind, null);
    const answer = await this.requests.ask(request, COMMAND_TIMEOUT);
    this.pending.delete(kind);
    if (!answer.ok) this.view.setRefusal(kind, answer.error);
    this.changed();
    return answer;
  }

  /** Choose a rate; what was left in the number field was meant for another one. */
  choose(selection: Selection): void {
    this.view.rate = null;
    this.view.rateProblem = "";
    this.selection.choose(selection);
  }

  configure(settings: Partial<Settings>): Promise<Answer> {
    return this.requests.ask({ kind: "configure", settings }, COMMAND_TIMEOUT);
  }

  /** Ask for what this page lacks; one such request at a time. */
  async resync(): Promise<void> {
    if (this.#resyncing) {
      this.#resyncAgain = true;
      return;
    }
    this.#resyncing = true;
    this.#resyncAgain = false;
    const { run, length } = this.curve;
    const answer = await this.requests.ask(
      { kind: "resync", run, have: length, smoothed: true },
      RESYNC_TIMEOUT,
    );
    this.#resyncing = false;
    if (!answer.ok && answer.timeout) this.#suspect();
    if (this.#resyncAgain && answer.ok) void this.resync();
    this.#watch();
  }

  pointerDown(id: number): void {
    this.#pointers.add(id);
  }

  pointerUp(id: number): void {
    this.#pointers.delete(id);
    this.#offerPicture();
  }

  #tell(change: "all" | "marker"): void {
    for (const watcher of this.#watchers) watcher(change);
  }

  #requestFor(kind: Command, settings?: Partial<Settings>): Request {
    if (kind === "apply") return { kind, lr: this.rate };
    if (kind === "code") return { kind, schedule: "one_cycle", lr: this.rate };
    if (kind === "undo") return { kind };
    const { run } = this.get("status");
    return kind === "run" && settings ? { kind, run, settings } : { kind, run };
  }

  #listen(name: string, callback: (...values: never[]) => void): void {
    this.model.on(name, callback);
    this.#signal.addEventListener("abort", () => this.model.off(name, callback));
  }

  #traitChanged(trait: keyof Traits): void {
    // `selection` also changes by this page's own hand, which says nothing about the kernel.
    if (trait !== "selection") this.#heard();
    if (trait === "curve" || trait === "columns") this.#takeFinishedCurve();
    if (trait === "band") this.#takeBand();
    if (trait === "status") {
      const { run, starts } = this.get("status");
      if (run > this.curve.run) this.curve.begin(run);
      this.curve.divide(run, starts);
      if (this.ended) {
        this.secondsLeft = null;
        if (this.get("status").points > this.curve.length) void this.resync();
      }
    }
    if (trait === "applied") this.view.setRefusal("apply", null);
    // Several traits arrive in one message but change one by one: the axis reads two of them.
    queueMicrotask(() => {
      this.#fitAxis();
      this.#offerPicture();
      this.changed();
    });
  }

  #receive(message: KernelMessage, buffers: DataView[] | undefined): void {
    this.#heard();
    if (message.kind === "points") this.#takePoints(message, buffers);
    else if (message.kind === "smoothed") this.#takeSmoothed(message, buffers);
    else if (message.kind === "reply") this.requests.receive(message);
    else if (message.kind === "welcome") this.connection.welcome(buffers);
    else if (message.kind === "band") this.#takeBandMessage(message, buffers);
    this.#offerPicture();
    this.changed();
  }

  #takePoints(message: PointsMessage, buffers: DataView[] | undefined): void {
    const { run, offset, columns } = message;
    const values = blockOf(message, buffers, columns.length * message.count);
    if (!values) {
      if (this.connection.lostBuffer()) void this.resync();
      return;
    }
    const outcome = this.curve.append(run, offset, columns, values);
    this.curve.divide(run, message.starts);
    if (outcome === "gap") void this.resync();
    if (outcome !== "stale") this.secondsLeft = message.seconds_left;
  }

  #takeSmoothed(message: SmoothedMessage, buffers: DataView[] | undefined): void {
    const values = blockOf(message, buffers, message.count);
    if (!values) return;
    const outcome = this.curve.smooth(message.run, message.offset, values);
    if (outcome === "stale") return;
    if (outcome === "gap" || message.offset + message.count > this.curve.length) void this.resync();
  }

  #takeFinishedCurve(): void {
    const block = this.get("curve");
    const { run, starts } = this.get("status");
    const columns = this.get("columns");
    if (!block?.byteLength || columns.length === 0 || run < this.curve.run) return;
    this.curve.replace(run, columns, decodeFloats(block));
    this.curve.divide(run, starts);
    this.#takeBand();
  }

  #takeBand(): void {
    const block = this.get("band");
    if (block?.byteLength && this.get("status").run === this.curve.run) {
      this.curve.setBand(decodeFloats(block));
    }
  }

  #takeBandMessage(message: BandMessage, buffers: DataView[] | undefined): void {
    const values = blockOf(message, buffers, 3 * message.count);
    if (values && message.run === this.curve.run) this.curve.setBand(values);
  }

  // The settings are those of the next run, so the axis keeps what they were when this one began.
  #fitAxis(): void {
    const { run, state } = this.get("status");
    const { start_lr: low, end_lr: high } = this.get("settings");
    const begun = this.axis !== null && this.axis.run === run && this.curve.length > 0;
    if (begun || (this.axis?.run === run && state !== "idle")) return;
    const { lrs } = this.curve.line;
    // Points of a sweep in progress have the digits of float32: that is no other end.
    const farther = (rate: number, end: number) =>
      Math.fround(rate) === Math.fround(end) ? end : rate;
    const first = farther(lrs[0] ?? low, low);
    const last = farther(lrs[lrs.length - 1] ?? high, high);
    this.axis = { run, low: Math.min(low, first), high: Math.max(high, last) };
  }

  #heard(): void {
    this.connection.heard();
    this.#watch();
  }

  #watch(): void {
    clearTimeout(this.#silence);
    if (this.#signal.aborted || this.get("status").state !== "running") return;
    // Nobody is there to ask; whatever is heard from the kernel begins this again.
    if (this.connection.link === "lost") return;
    this.#silence = setTimeout(() => {
      if (!this.#resyncing) void this.resync();
    }, SILENCE);
  }

  #suspect(): void {
    const queued = this.get("status").controls === "queued";
    this.connection.doubt(queued ? QUEUED_PATIENCE : undefined);
  }

  // The kernel's answer makes the host re-create this view, which must not happen under a pointer.
  #offerPicture(): void {
    const { run, picture } = this.get("status");
    const due = this.ended && this.curve.length > 0 && picture !== run;
    if (!due || this.#pictureAsked === run || this.#pointers.size > 0) return;
    if (this.connection.link !== "live") return;
    this.#pictureAsked = run;
    // Nobody asked for the picture, so nobody is told when there is none.
    void this.requests.ask({ kind: "picture", run }, COMMAND_TIMEOUT);
  }
}
