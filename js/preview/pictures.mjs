// npm run pictures -- FOLDER [STATE,STATE...]: what the states look like, in both themes, wide and narrow.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright";
import { launchOptions } from "../chromium.mjs";
import { servePreview } from "./bundle.mjs";

const [folder, list = ""] = process.argv.slice(2);
const states = list.split(",").filter(Boolean);
if (!folder) throw new Error("name the folder for the pictures: npm run pictures -- FOLDER");
mkdirSync(folder, { recursive: true });

const { server, address } = await servePreview();
const browser = await chromium.launch(launchOptions);
for (const theme of ["light", "dark"]) {
  for (const width of [760, 360]) {
    const page = await browser.newPage({
      viewport: { width: width + 40, height: 700 },
      deviceScaleFactor: 1.5,
    });
    page.on("pageerror", (error) => console.error(error));
    page.on("console", (message) => console.log(message.type(), message.text()));
    const wanted = states.length > 0 ? `&state=${states.join()}` : "";
    await page.goto(`${address}?theme=${theme}&width=${width}${wanted}`);
    if (states.length === 0 || states.includes("lost")) {
      await page.locator("#lost").getByText("not connected").first().waitFor({ timeout: 10_000 });
    }
    const settings = page.locator("#settings").getByRole("button", { name: "Settings" });
    if (await settings.count()) {
      await settings.click();
      await page.locator("#settings").getByLabel("From").fill("0.1");
      await page.locator("#settings").getByLabel("From").press("Tab");
      await page.locator("#settings").getByText("must be greater").first().waitFor();
    }
    await page.screenshot({ path: join(folder, `${theme}-${width}.png`), fullPage: true });
    await page.close();
  }
}
await browser.close();
server.close();
