// A session on a fake kernel, for tests without a page.
import type { Model, Traits } from "../src/protocol.ts";
import { Session } from "../src/session.ts";
import { FakeKernel } from "./fake-kernel.ts";

export const modelOf = (kernel: FakeKernel) => kernel as unknown as Model;

export interface Opened {
  kernel: FakeKernel;
  session: Session;
  close(): void;
}

/** Open a session; `prepare` sets the kernel up before it is spoken to. */
export function open(state: Partial<Traits> = {}, prepare?: (kernel: FakeKernel) => void): Opened {
  const kernel = new FakeKernel(state);
  prepare?.(kernel);
  const controller = new AbortController();
  const session = new Session(modelOf(kernel), controller.signal);
  session.start();
  return { kernel, session, close: () => controller.abort() };
}
