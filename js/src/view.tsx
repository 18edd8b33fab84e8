import { render } from "preact";
import { Chart } from "./chart.ts";
import { lossRange } from "./loss-range.ts";
import { frameOf, lossTicks, minorRates, rateTicks } from "./scales.ts";
import type { Session } from "./session.ts";
import { followTheme, readColours } from "./theme.ts";

export function mount(session: Session, el: HTMLElement, signal: AbortSignal): void {
  const root = document.createElement("div");
  root.className = "lrf";
  const panel = document.createElement("div");
  const plot = document.createElement("div");
  root.append(plot, panel);
  el.append(root);
  const chart = new Chart(plot);
  const draw = () => {
    const width = el.clientWidth;
    if (width === 0) return;
    const { axis, curve } = session;
    const x = { low: Math.log10(axis?.low ?? 1e-7), high: Math.log10(axis?.high ?? 10) };
    const y = lossRange(curve.losses, curve.smoothed);
    const frame = frameOf(width, 270);
    const { lrs, losses, smoothed } = curve;
    chart.draw({
      width,
      height: 270,
      x,
      y,
      rateTicks: rateTicks(x, frame.width),
      minorRates: minorRates(x),
      lossTicks: lossTicks(y, frame.height),
      lrs,
      losses,
      smoothed,
      colours: readColours(root),
    });
    const status = session.get("status");
    const lr = session.get("suggestions")[0]?.lr ?? 1e-3;
    render(
      <div>
        {status.state} {status.points} of {status.total}
        <button type="button" onClick={() => session.command("stop")}>
          Stop
        </button>
        <button type="button" onClick={() => session.command("apply", lr)}>
          Apply
        </button>
      </div>,
      panel,
    );
  };
  let frame = 0;
  const later = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  };
  session.subscribe(later, signal);
  followTheme(root, later, signal);
  const observer = new ResizeObserver(later);
  observer.observe(el);
  signal.addEventListener("abort", () => {
    observer.disconnect();
    chart.destroy();
    root.remove();
  });
}
