// The kernel draws the picture to keep; the page hands it to the browser as a download.
import type { Session } from "./session.ts";

export async function savePicture(session: Session): Promise<void> {
  const answer = await session.command("save_picture");
  if (!answer.ok || !answer.png) return;
  const bytes = Uint8Array.from(atob(answer.png), (character) => character.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "lr_finder.png";
  link.click();
  // The browser reads the picture after the click has returned.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
