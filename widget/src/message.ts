/** How one message looks. Everything is built from text: no HTML from anywhere is parsed. */
import type {BotMessage, Kind} from './protocol';
import type {Texts} from './texts';

export interface Actions {
  ask(question: string): void;
  rate(message: string, value: 'up' | 'down' | 'none'): void;
  copy(text: string): Promise<boolean>;
  announce(text: string): void;
}

export interface Look {
  texts: Texts;
  title: string;
  lang: string;
  actions: Actions;
}

type Attributes = Record<string, string | boolean>;

/** Make an element. */
export function make(tag: string, attributes: Attributes = {}, ...children: (Node | string)[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
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

export const ICONS = {
  close: 'M6 6l12 12M18 6L6 18',
  clear: 'M4 7h16M10 11v6M14 11v6M6 7l1 12a1 1 0 0 0 1 1h8a1 1 0 0 0 1-1l1-12M9 7V4.8a.8.8 0 0 1 .8-.8h4.4a.8.8 0 0 1 .8.8V7',
  copy: 'M9 9h10v11H9zM5 15H4V4h11v1',
  tick: 'M4.5 12.5l5 5 10-11',
  up: 'M7 11v9H3v-9zM7 11l4-8c1.6 0 2.6 1 2.6 2.6L13 9h6.2a2 2 0 0 1 2 2.4l-1.3 7a2 2 0 0 1-2 1.6H7',
  down: 'M17 13V4h4v9zM17 13l-4 8c-1.6 0-2.6-1-2.6-2.6L11 15H4.800a2 2 0 0 1-2-2.400l1.300-7a2 2 0 0 1 2-1.600H17',
  phone: 'M5 3h4l1.500 5-2.500 1.800a12 12 0 0 0 6.200 6.200L16 13.500l5 1.500v4a2 2 0 0 1-2.200 2A17.500 17.500 0 0 1 3 5.200 2 2 0 0 1 5 3z',
  calendar: 'M4 6h16v14H4zM4 10h16M8 3v4M16 3v4M9 15l2 2 4-4',
  pill: 'M10.500 20.500a4.950 4.950 0 0 1-7-7l10-10a4.950 4.950 0 0 1 7 7zM8.500 8.500l7 7',
  heart: 'M12 20.500C5 16 3 12.500 3 9a4.800 4.800 0 0 1 9-2.300A4.800 4.800 0 0 1 21 9c0 3.500-2 7-9 11.500z',
  supported: 'M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM8 12.300l2.800 2.700L16 9.500',
  limited: 'M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.7.300-1 .8-1 1.700M12 16.700v.1',
  not_supported: 'M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM9 9l6 6M15 9l-6 6',
  general: 'M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM12 11v5.500M12 7.600v.1',
  wait: 'M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM12 7v5l3.500 2',
  lily: 'M12 21c0-5 0-7 0-9M12 12C7.500 11 6 7.500 7 3c3 1 4.600 3.200 5 6 .4-2.800 2-5 5-6 1 4.500-.5 8-5 9zM12 19c-2.500 0-4.500-1-5.500-3M12 19c2.500 0 4.500-1 5.500-3',
  send: 'M12 20V5M5.500 11.500L12 5l6.500 6.500',
};

const REFERRAL_ICONS: Record<Kind, string> = {
  emergency: ICONS.phone,
  crisis: ICONS.heart,
  urgent: ICONS.phone,
  planned: ICONS.calendar,
  prescriber: ICONS.pill,
};

/** Lay out a text: paragraphs at blank lines, lists at "- ", other lines as they are. */
export function layOut(text: string): HTMLElement {
  const body = make('div', {class: 'body', lang: 'en', dir: 'ltr'});
  for (const block of text.split(/\n\s*\n/)) {
    let list: HTMLElement | undefined;
    for (const line of block.split('\n').map((one) => one.trim())) {
      if (!line) continue;
      if (line.startsWith('- ')) {
        if (!list) body.append((list = make('ul')));
        list.append(make('li', {}, line.slice(2)));
      } else {
        list = undefined;
        body.append(make('p', {}, line));
      }
    }
  }
  return body;
}

/** Only web links are links; the server has checked them, this is the second look. */
export function safeLink(url: string): string | undefined {
  try {
    const parsed = new URL(url);
    return parsed.protocol === 'https:' || parsed.protocol === 'http:' ? parsed.href : undefined;
  } catch {
    return undefined;
  }
}

/** A message as plain text, for the clipboard. */
export function plain(message: BotMessage, texts: Texts): string {
  const lines = [message.text];
  if (message.evidence?.text) lines.push(message.evidence.text);
  if (message.sources?.length) {
    lines.push(`${texts.sources}:`, ...message.sources.map((s) => `- ${s.organisation}, ${s.title}: ${s.url}`));
  }
  return lines.join('\n');
}

/** What is read out when a message arrives. */
export function spoken(message: BotMessage, look: Look): string {
  const heading = message.kind ? look.texts.referrals[message.kind] : look.title;
  const parts = [`${heading}: ${message.text}`];
  if (message.evidence?.text) parts.push(message.evidence.text);
  if (message.buttons?.length) parts.push(`${look.texts.suggestions}: ${message.buttons.length}`);
  return parts.join('\n');
}

function sourcesOf(message: BotMessage, look: Look): HTMLElement | undefined {
  const items = (message.sources ?? []).flatMap((source) => {
    const href = safeLink(source.url);
    if (!href) return [];
    const link = make('a', {href, target: '_blank', rel: 'noopener noreferrer'}, `${source.organisation}: ${source.title}`);
    link.append(make('span', {class: 'hidden'}, ` (${look.texts.newTab})`));
    return [make('li', {dir: 'auto'}, link)];
  });
  if (!items.length) return undefined;
  const box = make('div', {class: 'sources'}, make('p', {class: 'small-heading'}, look.texts.sources), make('ul', {}, ...items));
  const date = new Date(`${message.reviewed ?? ''}T12:00:00`);
  if (!Number.isNaN(date.getTime())) {
    const written = new Intl.DateTimeFormat(look.lang, {dateStyle: 'medium'}).format(date);
    box.append(make('p', {class: 'checked'}, look.texts.checked.replace('{date}', written)));
  }
  return box;
}

function badgeOf(message: BotMessage, look: Look): HTMLElement | undefined {
  const label = message.evidence?.label;
  if (!label || !(label in look.texts.labels)) return undefined;
  // The sentence of the server, without the word that the badge already says.
  const sentence = (message.evidence?.text ?? '').replace(/^Evidence: [^.]*\.\s*/, '');
  const badge = make('p', {class: `evidence ${label}`}, make('span', {class: 'badge'}, icon(ICONS[label], 18), look.texts.labels[label]));
  if (label !== 'general' && sentence) badge.append(make('span', {class: 'why', lang: 'en', dir: 'ltr'}, sentence));
  return badge;
}

function toolsOf(message: BotMessage, look: Look): HTMLElement | undefined {
  if (!message.rated && !message.kind) return undefined;
  const tools = make('div', {class: 'tools'});
  const copy = make('button', {type: 'button', class: 'tool copy', 'aria-label': look.texts.copy, title: look.texts.copy}, icon(ICONS.copy));
  copy.addEventListener('click', () => {
    void look.actions.copy(plain(message, look.texts)).then((done) => {
      if (!done) return;
      copy.replaceChildren(icon(ICONS.tick));
      look.actions.announce(look.texts.copied);
      setTimeout(() => copy.replaceChildren(icon(ICONS.copy)), 2000);
    });
  });
  tools.append(copy);
  if (message.rated) {
    const thumbs = (['up', 'down'] as const).map((value) => {
      const thumb = make(
        'button',
        {type: 'button', class: `tool ${value}`, 'aria-label': look.texts[value], title: look.texts[value], 'aria-pressed': 'false'},
        icon(ICONS[value]),
      );
      thumb.addEventListener('click', () => {
        const pressed = thumb.getAttribute('aria-pressed') === 'true';
        thumbs.forEach((other) => other.setAttribute('aria-pressed', 'false'));
        thumb.setAttribute('aria-pressed', String(!pressed));
        look.actions.rate(message.id, pressed ? 'none' : value);
        if (!pressed) look.actions.announce(look.texts.thanks);
      });
      return thumb;
    });
    tools.append(...thumbs);
  }
  return tools;
}

/** Buttons that ask a question when pressed. */
export function suggestions(titles: string[], look: Look): HTMLElement {
  const group = make('div', {class: 'replies', role: 'group', 'aria-label': look.texts.suggestions});
  for (const title of titles) {
    const button = make('button', {type: 'button', class: 'reply', lang: 'en', dir: 'ltr'}, title);
    button.addEventListener('click', () => look.actions.ask(title));
    group.append(button);
  }
  return group;
}

/** Everything inside the bubble of a bot message, without its suggestions. */
export function botContent(message: BotMessage, look: Look): Node[] {
  const content: Node[] = [];
  if (message.kind) {
    content.push(
      make('p', {class: 'referral-heading'}, icon(REFERRAL_ICONS[message.kind], 22), make('strong', {}, look.texts.referrals[message.kind])),
    );
  } else {
    content.push(make('span', {class: 'hidden'}, `${look.title}: `));
  }
  content.push(layOut(message.text));
  for (const part of [badgeOf(message, look), sourcesOf(message, look), toolsOf(message, look)]) {
    if (part) content.push(part);
  }
  return content;
}
