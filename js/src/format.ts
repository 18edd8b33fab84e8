// Numbers as they are written and read: learning rates, losses, time left.

/** A learning rate for reading: 7.9e-3, 0.25, 10. */
export function formatRate(rate: number, digits = 2): string {
  if (!Number.isFinite(rate) || rate === 0) return String(rate);
  const rounded = Number(rate.toPrecision(digits));
  const size = Math.abs(rounded);
  if (size >= 0.1 && size < 1e4) return String(rounded);
  return rounded.toExponential().replace("e+", "e");
}

/** A learning rate with all the digits it was given, or three when it has endlessly many. */
export function formatExact(rate: number): string {
  for (let digits = 1; digits <= 6; digits++) {
    const rounded = Number(rate.toPrecision(digits));
    if (Math.abs(rounded - rate) <= 1e-9 * Math.abs(rate)) return formatRate(rate, digits);
  }
  return formatRate(rate, 3);
}

// Made once: it takes longer than what it formats.
const DECIMAL = new Intl.NumberFormat("en-US", {
  useGrouping: false,
  maximumSignificantDigits: 15,
});

/** A number without an exponent, which ARIA's values do not know. */
export function formatDecimal(value: number): string {
  return DECIMAL.format(value);
}

export function formatLoss(loss: number): string {
  if (!Number.isFinite(loss)) return Number.isNaN(loss) ? "not a number" : "infinite";
  const size = Math.abs(loss);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return loss.toExponential(2).replace("e+", "e");
  if (size >= 100) return loss.toFixed(1);
  return size >= 1 ? loss.toFixed(2) : loss.toPrecision(3);
}

export function formatTimeLeft(seconds: number): string {
  if (seconds < 59.5) return `${Math.max(1, Math.round(seconds))} s left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min left`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
}

export type Parsed = { value: number } | { problem: string };

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A number as typed, or in plain words what is wrong with it. */
export function parseNumber(text: string, example = "3e-4"): Parsed {
  const trimmed = text.trim().replace("−", "-");
  if (!NUMBER.test(trimmed)) {
    const wrong = trimmed && `“${text.trim()}” is not a number. `;
    return { problem: `${wrong}Write a number such as ${example}.` };
  }
  return { value: Number(trimmed) };
}

/** A learning rate as typed: a number above zero. */
export function parseRate(text: string): Parsed {
  const parsed = parseNumber(text);
  if ("problem" in parsed) return parsed;
  if (parsed.value > 0 && Number.isFinite(parsed.value)) return parsed;
  return { problem: `A learning rate is a number above zero (got ${text.trim()}).` };
}
