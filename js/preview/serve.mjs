// npm run preview: every state on one page.
import { servePreview } from "./bundle.mjs";

const { address } = await servePreview(Number(process.env.PORT ?? 8123));
console.log(`${address}?theme=dark&width=360&state=done,failed`);
