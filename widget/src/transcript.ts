/** The conversation as a file or on paper: with date, sources and the questions for the doctor. */
import {addStyles} from './contract';
import {make} from './dom';
import {plain, type Look} from './message';
import type {Thread} from './thread';
import {put} from './texts';

export interface Transcript {
  title: string;
  note: string;
  questions: string[];
  entries: {who: string; time: string; text: string}[];
}

/** Collect what is said on paper and in the file. */
export function transcript(thread: Thread, questions: string[], note: string, look: Look): Transcript {
  const date = new Intl.DateTimeFormat(look.lang, {dateStyle: 'long', timeStyle: 'short'}).format(new Date());
  const entries = thread.all.flatMap(({text, time, messages}) => [
    ...(text ? [{who: look.texts.you, time, text}] : []),
    // The greeting offers buttons, which paper does not have.
    ...messages.filter(({turn}) => turn !== 'welcome').map((message) => ({who: message.person ?? look.title, time: text ? time : '', text: plain(message, look)})),
  ]);
  return {title: put(look.texts.document, {title: look.title, date}), note, questions, entries};
}

const heading = (who: string, time: string): string => (time ? `${who} (${time})` : who);

/** Offer the conversation as a text file. */
export function save(t: Transcript, look: Look): void {
  const lines = [t.title, t.note, ''];
  if (t.questions.length) lines.push(`${look.texts.questions}:`, ...t.questions.map((question) => `[ ] ${question}`), '');
  for (const {who, time, text} of t.entries) lines.push(`${heading(who, time)}:`, text, '');
  const url = URL.createObjectURL(new Blob([lines.join('\r\n')], {type: 'text/plain;charset=utf-8'}));
  const link = make('a', {href: url, download: `${look.title.toLowerCase().replace(/[^a-z0-9]+/g, '-')}-${new Date().toISOString().slice(0, 10)}.txt`});
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

const PAPER = `
body { margin: 0; color: #000; background: #fff; font: 11pt/1.45 system-ui, sans-serif; }
h1 { font-size: 15pt; } h2 { font-size: 11pt; margin: 12pt 0 2pt; } p { margin: 0 0 3pt; overflow-wrap: anywhere; } article { break-inside: avoid; }
.questions { border: 1pt solid #000; padding: 0 10pt 6pt; } .questions ul { list-style: "\\2610\\00a0\\00a0"; }
`;

/** Print the conversation alone, not the page around the chat. */
export function print(t: Transcript, look: Look): void {
  const frame = make('iframe', {title: t.title, 'aria-hidden': 'true', tabindex: '-1'});
  frame.style.cssText = 'position:fixed;width:0;height:0;border:0';
  document.documentElement.append(frame);
  const view = frame.contentWindow as Window & typeof globalThis;
  const page = view.document;
  page.title = t.title;
  page.documentElement.lang = look.lang;
  addStyles(page, PAPER, view);
  const lines = (text: string): HTMLElement[] => text.split('\n').filter((line) => line.trim()).map((line) => make('p', {dir: 'auto'}, line));
  page.body.append(make('h1', {}, t.title), ...lines(t.note));
  if (t.questions.length) {
    page.body.append(make('div', {class: 'questions'}, make('h2', {}, look.texts.questions), make('ul', {}, ...t.questions.map((one) => make('li', {dir: 'auto'}, one)))));
  }
  for (const {who, time, text} of t.entries) page.body.append(make('article', {}, make('h2', {}, heading(who, time)), ...lines(text)));
  view.addEventListener('afterprint', () => frame.remove());
  window.setTimeout(() => frame.remove(), 600_000);
  view.print();
}
