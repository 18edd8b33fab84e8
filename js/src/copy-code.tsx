// The lines that train at the chosen rate: from the kernel into the clipboard.
import { Button } from "./button.tsx";
import type { Session } from "./session.ts";

/** How long the button says that it has copied. */
const SAID = 2_000;

export function CopyCode({ session }: { session: Session }) {
  const { code } = session.view;
  const copied = code?.copied ?? false;
  return (
    <>
      <Button
        name="code"
        class="lrf-wide"
        disabled={session.out || !session.chosen || session.pending.has("code")}
        onClick={() => void copyCode(session)}
      >
        {copied ? "Copied" : "Copy code"}
      </Button>
      <span class="lrf-unseen" role="status">
        {copied && "Copied"}
      </span>
    </>
  );
}

/** Where the clipboard refuses, the lines stand here to be copied by hand. */
export function CodeLines({ session: { view } }: { session: Session }) {
  if (!view.code || view.code.copied) return null;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and is copied from by key
    <pre class="lrf-code" data-focus="lines" tabIndex={0}>
      {view.code.text}
    </pre>
  );
}

async function copyCode(session: Session): Promise<void> {
  const { view } = session;
  session.selection.flush();
  const answer = await session.command("code");
  if (!answer.ok || !answer.code) return;
  const code = { text: answer.code, copied: true };
  try {
    await navigator.clipboard.writeText(code.text);
  } catch {
    // Pages that are not from a safe address have no clipboard, and a frame may not be allowed one.
    code.copied = false;
  }
  view.update({ code });
  if (code.copied) setTimeout(() => view.code === code && view.update({ code: null }), SAID);
}
