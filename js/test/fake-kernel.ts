// A kernel and its comm without Jupyter: a model with traits, and the answers a test wants to see.
import { encodeFloats, type Request, type Traits } from "../src/protocol.ts";

type Listener = (...values: unknown[]) => void;
export type Sent = Request & { id: number };

export function traits(change: Partial<Traits> = {}): Traits {
  return {
    status: {
      state: "idle",
      run: 0,
      total: 100,
      points: 0,
      repeats: 1,
      starts: [0],
      text: "",
      notes: [],
      slowed: false,
      controls: "live",
      picture: 0,
    },
    settings: {
      start_lr: 1e-7,
      end_lr: 10,
      num_iter: 100,
      step_mode: "exp",
      diverge_threshold: 4,
      beta: null,
      repeats: 1,
      rule: "auto",
    },
    selection: { rule: "auto" },
    suggestions: [],
    optimizer: {
      name: "SGD",
      detail: "momentum 0.9",
      groups: [{ label: "group 0", lr: 1e-3, ratio: 1 }],
    },
    applied: null,
    loss: "cross-entropy (inferred)",
    error: null,
    curve: null,
    columns: ["lrs", "losses", "smoothed"],
    band: null,
    interval: null,
    findings: [],
    ...change,
  };
}

export class FakeKernel {
  /** Everything the page sent. */
  readonly sent: Sent[] = [];
  /** Selections that `save_changes` brought over. */
  readonly saved: unknown[] = [];
  /** Whether hello is answered, and whether binary buffers pass. */
  welcomes = true;
  buffersPass = true;
  /** What this kernel does on a request; without an entry it only replies. */
  readonly does: Partial<Record<Request["kind"], (request: Sent) => void>> = {};
  /** Refusals by kind of request. */
  readonly refuses: Partial<Record<Request["kind"], string>> = {};
  /** Kinds that get no reply. */
  readonly silentOn = new Set<Request["kind"]>(["hello"]);
  #state: Traits;
  #listeners = new Map<string, Set<Listener>>();

  constructor(state: Partial<Traits> = {}) {
    this.#state = traits(state);
  }

  get listenerCount(): number {
    return [...this.#listeners.values()].reduce((sum, listeners) => sum + listeners.size, 0);
  }

  sentOf<K extends Request["kind"]>(kind: K): (Extract<Request, { kind: K }> & { id: number })[] {
    return this.sent.filter((request) => request.kind === kind) as never;
  }

  // What the page sees of it: an anywidget model.

  get<K extends keyof Traits>(name: K): Traits[K] {
    return this.#state[name];
  }

  set<K extends keyof Traits>(name: K, value: Traits[K]): void {
    this.#state = { ...this.#state, [name]: value };
    this.#emit(`change:${name}`);
  }

  save_changes(): void {
    this.saved.push(this.#state.selection);
  }

  on(name: string, listener: Listener): void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
  }

  off(name: string, listener: Listener): void {
    this.#listeners.get(name)?.delete(listener);
  }

  send(content: unknown): void {
    const request = content as Sent;
    this.sent.push(request);
    queueMicrotask(() => this.#answer(request));
  }

  // What the kernel does.

  /** Write traits, all in one message. */
  update(change: Partial<Traits>): void {
    this.#state = { ...this.#state, ...change };
    for (const name of Object.keys(change)) this.#emit(`change:${name}`);
  }

  status(change: Partial<Traits["status"]>): void {
    this.update({ status: { ...this.#state.status, ...change } });
  }

  /** Send (learning rate, loss) pairs, and other columns beside them. */
  points(
    run: number,
    offset: number,
    pairs: number[],
    { seconds_left = 4, ...more }: Record<string, number[]> & { seconds_left?: number } = {},
  ): void {
    const { starts } = this.#state.status;
    const part = (odd: number) => pairs.filter((_, at) => at % 2 === odd);
    const columns = { lrs: part(0), losses: part(1), ...more };
    const names = Object.keys(columns);
    const head = { kind: "points", run, offset, count: pairs.length / 2, columns: names };
    this.block({ ...head, starts, seconds_left }, Object.values(columns).flat());
  }

  smoothed(run: number, values: number[]): void {
    this.block({ kind: "smoothed", run, offset: 0, count: values.length }, values);
  }

  block(head: object, values: number[]): void {
    if (this.buffersPass) this.message(head, [encodeFloats(values, "Float32")]);
    else this.message({ ...head, data: values.map(spelled) });
  }

  message(content: unknown, buffers: DataView[] = []): void {
    this.#emit("msg:custom", content, buffers);
  }

  reply(id: number, error?: string): void {
    this.message(
      error === undefined
        ? { kind: "reply", id, ok: true }
        : { kind: "reply", id, ok: false, error },
    );
  }

  #answer(request: Sent): void {
    if (request.kind === "hello" && this.welcomes) {
      const probe = this.buffersPass ? [encodeFloats([1])] : [];
      this.message({ kind: "welcome", id: request.id, probe: true }, probe);
    }
    if (this.refuses[request.kind] === undefined) this.does[request.kind]?.(request);
    if (!this.silentOn.has(request.kind)) this.reply(request.id, this.refuses[request.kind]);
  }

  #emit(name: string, ...values: unknown[]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(...values);
  }
}

function spelled(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}
