/** Elements and icons. Everything is built from text: no HTML from anywhere is parsed. */

type Attributes = Record<string, string | boolean>;

/** Make an element. */
export function make<T extends keyof HTMLElementTagNameMap>(tag: T, attributes: Attributes = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[T] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

/** Make a button. */
export function button(attributes: Attributes, action: () => void, ...children: (Node | string)[]): HTMLButtonElement {
  const element = make('button', {type: 'button', ...attributes}, ...children);
  element.addEventListener('click', action);
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** Draw an icon from its path, in the colour of the text around it. */
export function icon(path: string, size = 20): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  const attributes = {
    width: `${size}`, height: `${size}`, viewBox: '0 0 24 24', fill: 'none', stroke: 'currentColor', 'stroke-width': '1.8',
    'stroke-linecap': 'round', 'stroke-linejoin': 'round', 'aria-hidden': 'true', focusable: 'false',
  };
  for (const [name, value] of Object.entries(attributes)) svg.setAttribute(name, value);
  const line = document.createElementNS(SVG, 'path');
  line.setAttribute('d', path);
  svg.append(line);
  return svg;
}

const RING = 'M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18z';

export const ICONS = {
  close: 'M6 6l12 12M18 6L6 18',
  menu: 'M12 5.500v.1M12 12v.1M12 18.500v.1',
  clear: 'M4 7h16M10 11v6M14 11v6M6 7l1 12a1 1 0 0 0 1 1h8a1 1 0 0 0 1-1l1-12M9 7V4.800a.8.800 0 0 1 .8-.8h4.400a.8.800 0 0 1 .8.8V7',
  copy: 'M9 9h10v11H9zM5 15H4V4h11v1',
  tick: 'M4.500 12.500l5 5 10-11',
  up: 'M7 11v9H3v-9zM7 11l4-8c1.600 0 2.600 1 2.600 2.600L13 9h6.200a2 2 0 0 1 2 2.400l-1.300 7a2 2 0 0 1-2 1.600H7',
  down: 'M17 13V4h4v9zM17 13l-4 8c-1.600 0-2.600-1-2.600-2.600L11 15H4.800a2 2 0 0 1-2-2.400l1.300-7a2 2 0 0 1 2-1.600H17',
  keep: 'M6 4h12v16.500l-6-4.500-6 4.500z',
  save: 'M12 4v11M7.500 11L12 15.500l4.500-4.500M5 20h14',
  print: 'M7 9V4h10v5M7 17H4V9h16v8h-3M7 14h10v6H7z',
  phone: 'M5 3h4l1.500 5-2.500 1.800a12 12 0 0 0 6.200 6.200L16 13.500l5 1.500v4a2 2 0 0 1-2.200 2A17.500 17.500 0 0 1 3 5.200 2 2 0 0 1 5 3z',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21a8 8 0 0 1 16 0',
  link: 'M14 4h6v6M20 4l-9 9M18 14v6H4V6h6',
  calendar: 'M4 6h16v14H4zM4 10h16M8 3v4M16 3v4M9 15l2 2 4-4',
  pill: 'M10.500 20.500a4.950 4.950 0 0 1-7-7l10-10a4.950 4.950 0 0 1 7 7zM8.500 8.500l7 7',
  heart: 'M12 20.500C5 16 3 12.500 3 9a4.800 4.800 0 0 1 9-2.300A4.800 4.800 0 0 1 21 9c0 3.500-2 7-9 11.500z',
  supported: `${RING}M8 12.300l2.800 2.700L16 9.500`,
  limited: `${RING}M9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.7.300-1 .8-1 1.700M12 16.700v.1`,
  not_supported: `${RING}M9 9l6 6M15 9l-6 6`,
  general: `${RING}M12 11v5.500M12 7.600v.1`,
  wait: `${RING}M12 7v5l3.500 2`,
  lily: 'M12 21c0-5 0-7 0-9M12 12C7.500 11 6 7.500 7 3c3 1 4.600 3.200 5 6 .4-2.800 2-5 5-6 1 4.500-.5 8-5 9zM12 19c-2.500 0-4.500-1-5.500-3M12 19c2.500 0 4.500-1 5.500-3',
  send: 'M12 20V5M5.500 11.500L12 5l6.500 6.500',
  below: 'M12 4v15M5.500 12.500L12 19l6.500-6.500',
};
