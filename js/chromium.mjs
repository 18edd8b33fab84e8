// Which Chromium the tests drive: the one that is named, Debian's, or else Playwright's own.
import { existsSync } from "node:fs";

const DEBIAN = "/usr/bin/chromium";

const executablePath = process.env.CHROMIUM || (existsSync(DEBIAN) ? DEBIAN : undefined);

export const launchOptions = {
  ...(executablePath ? { executablePath } : {}),
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};
