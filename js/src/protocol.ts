// What the kernel and the page say to each other: types, and blocks of numbers in both encodings.

export type State = "idle" | "running" | "paused" | "done" | "stopped" | "failed" | "closed";

export interface Status {
  state: State;
  run: number;
  total: number;
  points: number;
  /** How many sweeps the run has, and where those that have begun do so. */
  repeats: number;
  starts: number[];
  text: string;
  /** Why a sweep that has ended suggests nothing. */
  unsuggested?: string;
  notes: string[];
  slowed: boolean;
  controls: "live" | "queued";
  picture: number;
  /** The journal of a sweep that runs elsewhere; nothing for one of this kernel's. */
  follows?: string;
  /** Whether copies are trained on an executor: curves come whole, and nothing can be paused. */
  copies?: boolean;
}

export interface Settings {
  start_lr: number;
  end_lr: number;
  num_iter: number;
  step_mode: "exp" | "linear";
  diverge_threshold: number | null;
  beta: number | null;
  repeats: number;
  rule: string;
}

export type Selection = { rule: string } | { lr: number };

export interface Suggestion {
  rule: string;
  label: string;
  lr: number;
  index: number;
  why: string;
}

export interface Optimizer {
  name: string;
  detail: string;
  /** Each group's rate, as a multiple of the one to set; null where Apply leaves it alone. */
  groups: { label: string; lr: number; ratio: number | null }[];
}

export interface Applied {
  lr: number;
  groups: { label: string; before: number; after: number }[];
  /** What was brought along, and what could not be, in sentences. */
  notes: string[];
  warnings: string[];
  undo: boolean;
}

export interface SweepError {
  type: string;
  message: string;
  where: string;
}

export interface Finding {
  name: string;
  severity: "info" | "warning" | "error";
  text: string;
  changes: Partial<Settings>;
  /** What its button says; empty when nothing is to be changed. */
  action: string;
}

export interface Traits {
  status: Status;
  settings: Settings;
  selection: Selection;
  suggestions: Suggestion[];
  optimizer: Optimizer;
  applied: Applied | null;
  loss: string;
  error: SweepError | null;
  /** The finished curve: of each of its columns, the numbers of all sweeps. */
  curve: DataView | null;
  columns: string[];
  band: DataView | null;
  interval: [number, number] | null;
  findings: Finding[];
}

export const TRAITS = [
  "status",
  "settings",
  "selection",
  "suggestions",
  "optimizer",
  "applied",
  "loss",
  "error",
  "curve",
  "columns",
  "band",
  "interval",
  "findings",
] as const satisfies readonly (keyof Traits)[];

/** The part of an anywidget model that this front end uses. */
export interface Model {
  get<K extends keyof Traits>(name: K): Traits[K];
  set<K extends keyof Traits>(name: K, value: Traits[K]): void;
  save_changes(): void;
  send(content: unknown): void;
  on(name: string, callback: (...values: never[]) => void): void;
  off(name: string, callback: (...values: never[]) => void): void;
}

type JsonNumber = number | string;

export interface PointsMessage {
  kind: "points";
  run: number;
  offset: number;
  count: number;
  /** What the block holds, column after column. */
  columns: string[];
  starts: number[];
  seconds_left: number | null;
  data?: JsonNumber[];
}

export interface SmoothedMessage {
  kind: "smoothed";
  run: number;
  /** The line is replaced from this point on; what lies before is as it was sent. */
  offset: number;
  count: number;
  data?: JsonNumber[];
}

/** The band, where buffers are dropped: lower ends, medians, upper ends. */
export interface BandMessage {
  kind: "band";
  run: number;
  count: number;
  data?: JsonNumber[];
}

export interface ReplyMessage {
  kind: "reply";
  id: number;
  ok: boolean;
  error?: string;
  png?: string;
  code?: string;
}

export interface WelcomeMessage {
  kind: "welcome";
  id: number;
  probe: boolean;
}

export type KernelMessage =
  | PointsMessage
  | SmoothedMessage
  | BandMessage
  | ReplyMessage
  | WelcomeMessage;

export type Request =
  | { kind: "hello"; binary: boolean | null }
  | { kind: "resync"; run: number; have: number; smoothed: boolean }
  | { kind: "run"; run: number; settings?: Partial<Settings> }
  | { kind: "pause" | "resume" | "stop" | "picture" | "save_picture"; run: number }
  | { kind: "configure"; settings: Partial<Settings> }
  | { kind: "apply"; lr: number }
  | { kind: "code"; schedule: "one_cycle" | "warmup_cosine" | "constant"; lr: number }
  | { kind: "undo" };

type Numbers = "Float32" | "Float64";

/** Numbers of a little-endian block, which may start at any byte; exact ones unless said. */
export function decodeFloats(block: DataView, as: Numbers = "Float64"): Float64Array {
  const size = as === "Float32" ? 4 : 8;
  const values = new Float64Array(Math.floor(block.byteLength / size));
  for (let i = 0; i < values.length; i++) values[i] = block[`get${as}`](i * size, true);
  return values;
}

/** The inverse of `decodeFloats`. */
export function encodeFloats(
  values: ArrayLike<number>,
  as: Numbers = "Float64",
): DataView<ArrayBuffer> {
  const size = as === "Float32" ? 4 : 8;
  const block = new DataView(new ArrayBuffer(values.length * size));
  for (let i = 0; i < values.length; i++) block[`set${as}`](i * size, values[i] ?? NaN, true);
  return block;
}

/** The numbers a message carries, as a buffer or as JSON; null when neither has all of them. */
export function blockOf(
  message: { data?: JsonNumber[] },
  buffers: readonly DataView[] | undefined,
  length: number,
): Float64Array | null {
  const buffer = buffers?.[0];
  if (buffer?.byteLength === length * 4) return decodeFloats(buffer, "Float32");
  // Number() reads the spellings "NaN", "Infinity" and "-Infinity" that JSON lacks.
  if (message.data?.length === length) return Float64Array.from(message.data, Number);
  return length === 0 ? new Float64Array(0) : null;
}
