// Colours as the browser shows them, and their contrast.

type Pixel = [number, number, number];

/** The pixel that a colour token makes on top of another one, where `root` stands. */
export function shownColour(root: HTMLElement, name: string, ground = "surface"): Pixel {
  const probe = document.createElement("span");
  root.append(probe);
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no 2d canvas");
  for (const token of [ground, name]) {
    probe.style.color = `var(--lrf-${token})`;
    context.fillStyle = getComputedStyle(probe).color;
    context.fillRect(0, 0, 1, 1);
  }
  probe.remove();
  const [red = 0, green = 0, blue = 0] = context.getImageData(0, 0, 1, 1).data;
  return [red, green, blue];
}

/** The contrast ratio of WCAG 2. */
export function contrast(a: Pixel, b: Pixel): number {
  const [lighter = 0, darker = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance(pixel: Pixel): number {
  const [red = 0, green = 0, blue = 0] = pixel.map((channel) => {
    const share = channel / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
