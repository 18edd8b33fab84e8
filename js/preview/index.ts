// Draws the state named in the address: ?state=done&theme=dark&width=760
import newWidget from "../src/index.ts";
import type { Model } from "../src/protocol.ts";
import { FakeKernel } from "../test/fake-kernel.ts";
import { STATES } from "./states.ts";

const wanted = new URLSearchParams(location.search);
const theme = wanted.get("theme") ?? "light";
document.documentElement.dataset.theme = theme;
document.body.style.background = theme === "dark" ? "#111" : "#fff";

for (const name of wanted.get("state")?.split(",") ?? Object.keys(STATES)) {
  const kernel = new FakeKernel();
  const play = STATES[name];
  if (!play) throw new Error(`no state is called ${name}`);
  if (name === "lost") play(kernel);
  const el = document.createElement("div");
  el.id = name;
  el.style.width = `${wanted.get("width") ?? 760}px`;
  el.style.marginBottom = "20px";
  document.body.append(el);
  const model = kernel as unknown as Model;
  const widget = newWidget();
  widget.initialize({ model });
  widget.render({ model, el });
  if (name !== "lost") play(kernel);
  Object.assign(window, { [`kernel_${name}`]: kernel });
}
