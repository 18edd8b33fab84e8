// Is a kernel there, and do its binary buffers arrive? Found out by saying hello.
import { decodeFloats } from "./protocol.ts";

const SECOND_HELLO = 1_000;
const GIVE_UP = 5_000;

export type Link = "connecting" | "live" | "lost";

export interface ConnectionEvents {
  hello(binary: boolean | null): void;
  changed(): void;
}

export class Connection {
  link: Link = "connecting";
  /** Whether buffers arrive: null until the first welcome. */
  binary: boolean | null = null;
  /** When the kernel was last heard, by `performance.now()`. */
  lastHeard = -Infinity;
  #events: ConnectionEvents;

  constructor(events: ConnectionEvents) {
    this.#events = events;
  }

  start(signal: AbortSignal): void {
    this.#events.hello(null);
    // The kernel's subshell may still be in the making at the first hello; the second one passes
    // through it, and tells what the first welcome brought.
    const second = setTimeout(() => this.#events.hello(this.binary), SECOND_HELLO);
    const patience = setTimeout(() => {
      if (this.link === "connecting") this.#become("lost");
    }, GIVE_UP);
    signal.addEventListener("abort", () => {
      clearTimeout(second);
      clearTimeout(patience);
    });
  }

  /** Anything came from the kernel. */
  heard(): void {
    this.lastHeard = performance.now();
    this.#become("live");
  }

  /** The kernel answered hello; a probe without its buffer means that this host drops buffers. */
  welcome(buffers: readonly DataView[] | undefined): void {
    const probe = buffers?.[0];
    const arrived = probe !== undefined && decodeFloats(probe)[0] === 1;
    const learned = this.binary === null;
    this.binary = arrived;
    if (learned && !arrived) this.#events.hello(false);
  }

  /** A block came without its buffer: say so; false when that was known already. */
  lostBuffer(): boolean {
    if (this.binary === false) return false;
    this.binary = false;
    this.#events.hello(false);
    return true;
  }

  /** A question went unanswered: give up, if nothing was heard for as long as `patience`. */
  doubt(patience = GIVE_UP): void {
    if (performance.now() - this.lastHeard >= patience) this.#become("lost");
  }

  #become(link: Link): void {
    if (this.link === link) return;
    this.link = link;
    this.#events.changed();
  }
}
