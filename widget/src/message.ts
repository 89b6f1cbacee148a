/** How one message looks. */
import {button, icon, ICONS, make} from './dom';
import {isRightToLeft} from './options';
import {REASONS, type BotMessage, type Contact, type Kind, type Rating} from './protocol';
import {put, type Texts} from './texts';

export interface Actions {
  ask(question: string): void;
  rate(message: string, value: Rating): void;
  copy(text: string): Promise<boolean>;
  announce(text: string): void;
  /** Keep the question of a turn for the doctor, or not; true if it is kept now. */
  keep(turn: string): boolean;
  /** What was chosen before a reload. */
  rated(message: string): string;
  kept(turn: string): boolean;
}

export interface Look {
  texts: Texts;
  title: string;
  /** For dates and times. */
  lang: string;
  /** Level of a message's heading: the one below the title's. */
  heading: 'h2' | 'h3';
  actions: Actions;
}

const REFERRAL_ICONS: Record<Kind, string> = {
  emergency: ICONS.phone,
  crisis: ICONS.heart,
  urgent: ICONS.phone,
  planned: ICONS.calendar,
  prescriber: ICONS.pill,
};

/** Lay out a text: paragraphs at blank lines, lists at "- ", other lines as they are. */
export function layOut(text: string, lang = 'en'): HTMLElement {
  const body = make('div', {class: 'body', lang, dir: isRightToLeft(lang) ? 'rtl' : 'ltr'});
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

/** The address behind a contact, if it is one that can be called or opened. */
function addressOf({kind, value}: Contact): string | undefined {
  if (kind === 'tel') return /^\+?[\d*#-]{2,20}$/.test(value) ? `tel:${value}` : undefined;
  const link = safeLink(value);
  return link?.startsWith('https:') ? link : undefined;
}

/** One button for each contact. */
export function contactButtons(contacts: Contact[], texts: Texts): HTMLElement[] {
  return contacts.flatMap((contact) => {
    const href = addressOf(contact);
    if (!href) return [];
    const tel = contact.kind === 'tel';
    const label = put(tel ? texts.call : texts.visit, {label: contact.label});
    const link = make('a', {class: 'contact', href, dir: 'auto'}, icon(tel ? ICONS.phone : ICONS.link, 18), make('span', {}, label));
    if (!tel) {
      link.target = '_blank';
      link.rel = 'noopener noreferrer';
      link.append(make('span', {class: 'hidden'}, ` (${texts.newTab})`));
    }
    return [link];
  });
}

/**
 * Each button stands right after the sentence that names it ("Call 112" is not the way to ask
 * about a medicine); what no sentence names, after the first.
 */
function placeContacts(text: HTMLElement, contacts: Contact[], {texts, lang}: Look): void {
  const blocks = [...text.children];
  const places = new Map<Element, HTMLElement>();
  for (const contact of contacts) {
    const block = blocks.find((one) => one.textContent?.includes(contact.label)) ?? blocks[0];
    const place = places.get(block) ?? make('div', {class: 'contacts', lang});
    places.set(block, place);
    place.append(...contactButtons([contact], texts));
    if (block) block.after(place);
    else text.append(place);
  }
}

/** The date of a review, as the visitor writes dates; empty if there is none. */
export function reviewDate(reviewed: string | undefined, lang: string): string {
  const date = new Date(`${reviewed ?? ''}T12:00:00`);
  return Number.isNaN(date.getTime()) ? '' : new Intl.DateTimeFormat(lang, {dateStyle: 'medium'}).format(date);
}

/** A message as plain text, for the clipboard and for files. */
export function plain(message: BotMessage, look: Look): string {
  const {texts} = look;
  const lines = message.kind ? [`${texts.referrals[message.kind]}:`, message.text] : [message.text];
  if (message.evidence?.text) lines.push(message.evidence.text);
  if (message.sources?.length) {
    lines.push(`${texts.sources}:`, ...message.sources.map((s) => `- ${s.organisation}, ${s.title}: ${s.url}`));
    const date = reviewDate(message.reviewed, look.lang);
    if (date) lines.push(put(texts.checked, {date}));
  }
  return lines.join('\n');
}

/** The bot is called as the site calls it, also in its own words. */
export const named = (message: BotMessage, {title}: Look): BotMessage =>
  title === 'Calla' ? message : {...message, text: message.text.replace(/\bCalla\b/g, title)};

/** What is read out when a message arrives. */
export function spoken(unnamed: BotMessage, look: Look): string {
  const message = named(unnamed, look);
  const parts = [`${headingOf(message, look)}: ${message.text}`];
  if (message.evidence?.text) parts.push(message.evidence.text);
  if (message.contacts?.length && message.turn !== 'welcome') parts.push(...message.contacts.map((contact) => put(look.texts.call, {label: contact.label})));
  if (message.buttons?.length) parts.push(`${look.texts.suggestions}: ${message.buttons.length}`);
  return parts.join('\n');
}

export function headingOf(message: BotMessage, look: Look): string {
  if (message.person) return put(look.texts.person, {name: message.person});
  return message.kind ? look.texts.referrals[message.kind] : look.title;
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
  const date = reviewDate(message.reviewed, look.lang);
  if (date) box.append(make('p', {class: 'checked'}, put(look.texts.checked, {date})));
  return box;
}

function badgeOf(message: BotMessage, look: Look): HTMLElement | undefined {
  const label = message.evidence?.label;
  if (!label || !(label in look.texts.labels)) return undefined;
  // The sentence of the server, without the word that the badge already says.
  const sentence = (message.evidence?.text ?? '').replace(/^Evidence: [^.]*\.\s*/, '');
  const badge = make('p', {class: `evidence ${label}`}, make('span', {class: 'label'}, icon(ICONS[label], 18), look.texts.labels[label]));
  if (label !== 'general' && sentence) badge.append(make('span', {class: 'why', lang: 'en', dir: 'ltr'}, sentence));
  return badge;
}

/** A small button below a message; its name says which message it belongs to. */
function tool(kind: 'copy' | 'keep' | 'up' | 'down', label: string, subject: string, action: () => void): HTMLButtonElement {
  return button({class: `tool ${kind}`, 'aria-label': `${label}: ${subject}`, title: label}, action, icon(ICONS[kind]));
}

function toolsOf(message: BotMessage, look: Look, subject: string): HTMLElement[] {
  if (!message.rated && !message.kind) return [];
  const {texts, actions} = look;
  const copy = tool('copy', texts.copy, subject, () => {
    void actions.copy(plain(message, look)).then((done) => {
      if (!done) return;
      copy.replaceChildren(icon(ICONS.tick));
      actions.announce(texts.copied);
      window.setTimeout(() => copy.replaceChildren(icon(ICONS.copy)), 2000);
    });
  });
  const keep = tool('keep', texts.keep, subject, () => {
    const kept = actions.keep(message.turn);
    keep.setAttribute('aria-pressed', String(kept));
    actions.announce(kept ? texts.kept : texts.unkept);
  });
  keep.setAttribute('aria-pressed', String(actions.kept(message.turn)));
  const row = make('div', {class: 'tools'}, copy, keep);
  return message.rated ? [row, thumbsOf(message, look, subject, row)] : [row];
}

/** Add thumbs to a row of tools; return the question for the reason of a thumb down. */
function thumbsOf(message: BotMessage, look: Look, subject: string, row: HTMLElement): HTMLElement {
  const {texts, actions} = look;
  const reasons = REASONS.map((reason) =>
    button({class: 'reason', 'aria-pressed': 'false'}, () => choose(reason === value ? 'down' : reason), texts.reasons[reason]),
  );
  const ask = make('div', {class: 'reasons', role: 'group', 'aria-label': `${texts.why} (${subject})`}, make('p', {}, texts.why), ...reasons);
  const up = tool('up', texts.up, subject, () => choose(value === 'up' ? 'none' : 'up'));
  const down = tool('down', texts.down, subject, () => choose(value === 'none' || value === 'up' ? 'down' : 'none'));
  let value = 'none';
  const show = (chosen: string): void => {
    value = chosen;
    const bad = chosen !== 'none' && chosen !== 'up';
    up.setAttribute('aria-pressed', String(chosen === 'up'));
    down.setAttribute('aria-pressed', String(bad));
    ask.hidden = !bad;
    reasons.forEach((one, at) => one.setAttribute('aria-pressed', String(REASONS[at] === chosen)));
  };
  const choose = (chosen: Rating): void => {
    show(chosen);
    actions.rate(message.id, chosen);
    if (chosen !== 'none') actions.announce(chosen === 'down' ? `${texts.thanks} ${texts.why}` : texts.thanks);
  };
  show(actions.rated(message.id) || 'none');
  row.append(up, down);
  return ask;
}

/** Buttons that ask a question when pressed. */
function suggestions(titles: string[], look: Look, subject: string): HTMLElement {
  const group = make('div', {class: 'replies', role: 'group', 'aria-label': `${look.texts.suggestions}: ${subject}`});
  for (const title of titles) {
    const reply = button({class: 'reply', lang: 'en', dir: 'ltr'}, () => {
      reply.classList.add('asked');
      look.actions.ask(title);
    }, title);
    group.append(reply);
  }
  return group;
}

/** The time of a message, small. */
export function timeOf(seconds: number | undefined, lang: string): HTMLElement {
  const date = seconds === undefined ? new Date() : new Date(seconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  const written = new Intl.DateTimeFormat(lang, today ? {timeStyle: 'short'} : {dateStyle: 'short', timeStyle: 'short'}).format(date);
  return make('time', {class: 'time', datetime: date.toISOString()}, written);
}

let labels = 0;

/** A message of the bot: an article with a heading; what is owed first is a region with a name. */
export function botArticle(message: BotMessage, look: Look, subject: string, time?: number): HTMLElement {
  const style = message.kind ? `referral ${message.kind}` : message.turn === 'notice' ? 'notice' : message.person ? 'answer person' : 'answer';
  const id = `calla-heading-${(labels += 1)}`;
  const article = make('article', {class: `message ${style}`, 'aria-labelledby': id, tabindex: '-1'});
  const parts: (HTMLElement | undefined)[] = [];
  if (message.kind) {
    const words = make('span', {}, headingOf(message, look), make('span', {class: 'hidden'}, `: ${subject}`));
    parts.push(make(look.heading, {class: 'referral-heading', id}, icon(REFERRAL_ICONS[message.kind], 22), words));
  } else if (message.person) {
    parts.push(make(look.heading, {class: 'person-heading', id}, headingOf(message, look), make('span', {class: 'hidden'}, `: ${subject}`)));
  } else {
    parts.push(make(look.heading, {class: 'hidden', id}, `${headingOf(message, look)}: ${subject}`));
  }
  const text = layOut(message.text, message.language);
  // The welcome brings whom to call for the header, not for itself.
  if (message.turn !== 'welcome') placeContacts(text, message.contacts ?? [], look);
  parts.push(text, badgeOf(message, look), sourcesOf(message, look), ...toolsOf(message, look, subject));
  const body = parts.filter((part) => part !== undefined);
  if (message.turn !== 'notice' && message.turn !== 'welcome') body.push(timeOf(time, look.lang));
  if (message.kind) article.append(make('section', {'aria-labelledby': id}, ...body));
  else article.append(...body);
  if (message.buttons?.length) article.append(suggestions(message.buttons, look, subject));
  return article;
}

/** Enough of a text to tell it from others. */
export const firstWords = (text = ''): string => text.trim().split(/\s+/, 6).join(' ');

/** How a message is called where several have the same buttons: its title, or its first words. */
export const subjectOf = (message: BotMessage): string => message.title || firstWords(message.text);
