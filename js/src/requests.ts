// Requests to the kernel: each has an id, settles once, and gives up after a while.
import type { Model, ReplyMessage, Request } from "./protocol.ts";

export type Answer =
  | { ok: true; png?: string; code?: string }
  | { ok: false; error: string; timeout?: boolean };

const NO_ANSWER =
  "The kernel has not answered. It may be busy with another cell; the request may still be done.";
const UNREACHABLE = "The kernel cannot be reached: it is gone or not connected to this page.";

export class Requests {
  #model: Pick<Model, "send">;
  #nextId = 1;
  #waiting = new Map<number, (answer: Answer) => void>();

  constructor(model: Pick<Model, "send">) {
    this.#model = model;
  }

  get outstanding(): number {
    return this.#waiting.size;
  }

  /** Send a request and resolve with the kernel's answer, or with why there is none. */
  ask(request: Request, timeout: number): Promise<Answer> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const settle = (answer: Answer) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(answer);
      };
      const timer = setTimeout(
        () => settle({ ok: false, error: NO_ANSWER, timeout: true }),
        timeout,
      );
      this.#waiting.set(id, settle);
      if (!this.#post({ ...request, id })) settle({ ok: false, error: UNREACHABLE, timeout: true });
    });
  }

  /** Send a message that is answered by something else than a reply. */
  tell(request: Request): void {
    this.#post({ ...request, id: this.#nextId++ });
  }

  /** A reply came: settle its request, unless that has already given up. */
  receive(reply: ReplyMessage): void {
    const settle = this.#waiting.get(reply.id);
    if (!settle) return;
    const { ok, png, code } = reply;
    if (ok) settle({ ok, ...(png && { png }), ...(code && { code }) });
    else settle({ ok: false, error: reply.error ?? "The kernel refused, without saying why." });
  }

  /** Settle everything that waits, when the model goes away. */
  close(): void {
    for (const settle of [...this.#waiting.values()]) {
      settle({ ok: false, error: UNREACHABLE, timeout: true });
    }
  }

  // A model whose comm is closed throws instead of sending.
  #post(message: Request & { id: number }): boolean {
    try {
      this.#model.send(message);
      return true;
    } catch (reason) {
      console.warn("lrfinder-widget: message not sent", message.kind, reason);
      return false;
    }
  }
}
