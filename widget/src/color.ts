/** Colours that stay legible, whatever accent a site chooses (WCAG 2.2, 1.4.3 and 1.4.11). */

type Rgb = [number, number, number];

const parse = (hex: string): Rgb => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as Rgb;
const format = (rgb: Rgb): string => `#${rgb.map((c) => Math.round(c).toString(16).padStart(2, '0')).join('')}`;

/** Relative luminance, 0 to 1. */
function luminance(hex: string): number {
  const [r, g, b] = parse(hex).map((c) => {
    const part = c / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast ratio of two colours, 1 to 21. */
export function contrast(one: string, other: string): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

const mix = (one: string, other: string, part: number): string => {
  const target = parse(other);
  return format(parse(one).map((c, i) => c + (target[i] - c) * part) as Rgb);
};

/** White or near-black, whichever reads better on `background`. */
export const textOn = (background: string): string =>
  contrast('#ffffff', background) >= contrast('#101414', background) ? '#ffffff' : '#101414';

/** The colour, moved towards `end` until it has the contrast to `background` that text needs. */
export function legible(color: string, background: string, end: string, ratio = 4.6): string {
  let moved = color;
  for (let part = 0; part <= 1 && contrast(moved, background) < ratio; part += 0.05) moved = mix(color, end, part);
  return moved;
}

/** The accent as a fill: moved away from the text that stands on it until that is legible. */
export function fill(accent: string): {fill: string; text: string} {
  const text = textOn(accent);
  return {fill: legible(accent, text, text === '#ffffff' ? '#000000' : '#ffffff'), text};
}
