// Where the labels of rules go: beside their tick on the curve, inside the frame, off each other.
import type { Frame } from "./scales.ts";

export interface Place {
  text: string;
  /** The tick on the curve, in pixels. */
  x: number;
  y: number;
}

export interface Label extends Place {
  left: number;
  top: number;
  width: number;
}

const CHARACTER = 6.2;
const HEIGHT = 16;
const GAP = 6;

/** Lay out labels; a later one goes aside of the earlier ones, and is left out without room. */
export function placeLabels(places: readonly Place[], frame: Frame): Label[] {
  const done: Label[] = [];
  for (const [order, place] of places.entries()) {
    const width = Math.ceil(place.text.length * CHARACTER);
    const left = place.x - GAP - width;
    const right = place.x + GAP;
    const sides = order % 2 === 0 ? [left, right] : [right, left];
    const tops = [place.y + GAP, place.y - GAP - HEIGHT, place.y + GAP + HEIGHT];
    const candidates = tops.flatMap((top) =>
      sides.map((at) => ({ ...place, left: at, top, width })),
    );
    const free = candidates.find(
      (label) => fits(label, frame) && !done.some((other) => overlap(label, other)),
    );
    if (free) done.push(free);
  }
  return done;
}

function fits({ left, top, width }: Label, frame: Frame): boolean {
  return (
    left >= frame.left &&
    left + width <= frame.left + frame.width &&
    top >= frame.top &&
    top + HEIGHT <= frame.top + frame.height
  );
}

function overlap(a: Label, b: Label): boolean {
  return (
    a.left < b.left + b.width &&
    b.left < a.left + a.width &&
    a.top < b.top + HEIGHT &&
    b.top < a.top + HEIGHT
  );
}

const FLAG_CHARACTER = 7;
const FLAG_PADDING = 20;
/** Left of it stands the loss axis's name. */
const FLAG_LEFT = 42;

/** The marker's flag: its width, and how far it moves aside to stay inside the element. */
export function placeFlag(
  text: string,
  x: number,
  total: number,
): { width: number; shift: number } {
  const width = Math.ceil(text.length * FLAG_CHARACTER + FLAG_PADDING);
  const half = width / 2;
  const centre = Math.max(FLAG_LEFT + half, Math.min(total - 2 - half, x));
  return { width, shift: centre - x };
}
