/** The conversation on the screen: turns, each a question with what was answered to it. */
import type {Delivery} from './connection';
import {button, icon, ICONS, make} from './dom';
import {botArticle, firstWords, headingOf, named, subjectOf, timeOf, type Look} from './message';
import type {BotMessage, Turn} from './protocol';
import {put} from './texts';
import {View} from './view';

// Milliseconds before it is said that a message is being sent or answered: mostly it is done sooner.
const SOON = 300;
// Longer messages of the visitor are folded, so that they hide no answer.
const LONG = 220;
const LINES = 5;

export class Thread {
  readonly element: HTMLElement;
  readonly view: View;
  /** A person has the conversation: the program writes nothing. */
  silent = false;
  private readonly flow = make('div', {class: 'flow'});
  private readonly more: HTMLButtonElement;
  private readonly turns = new Map<string, HTMLElement>();
  private readonly shown = new Map<string, HTMLElement>();
  private readonly messages = new Map<string, BotMessage>();
  private readonly names = new Map<string, number>();
  private readonly timers = new Map<string, number>();

  constructor(
    private readonly look: Look,
    jump: HTMLButtonElement,
    earlier: () => void,
  ) {
    this.more = button({class: 'more', hidden: true}, earlier, look.texts.more);
    const list = make(
      'div',
      // Messages are read out by our own regions (announcer.ts), referrals first.
      {class: 'messages', role: 'log', 'aria-live': 'off', 'aria-label': look.texts.conversation, tabindex: '0'},
      this.more,
      this.flow,
    );
    this.element = list;
    this.view = new View(list, this.flow, jump, look);
    list.addEventListener('scroll', () => {
      if (list.scrollTop < 40 && !this.more.hidden && !this.more.disabled && list.dataset.touched) earlier();
    });
    for (const name of ['wheel', 'touchmove', 'keydown']) list.addEventListener(name, () => (list.dataset.touched = 'yes'), {passive: true});
  }

  has(id: string): boolean {
    return this.shown.has(id);
  }

  /** Turns in their order, as they are shown: for files and paper. */
  get all(): {id: string; text: string; time: string; messages: BotMessage[]}[] {
    return [...this.flow.querySelectorAll<HTMLElement>('.turn')].map((turn) => ({
      id: turn.dataset.turn ?? '',
      text: turn.querySelector('.said')?.textContent ?? '',
      time: turn.querySelector('.time')?.textContent ?? '',
      messages: [...turn.querySelectorAll<HTMLElement>('.message[data-id]')].flatMap((one) => this.messages.get(one.dataset.id ?? '') ?? []),
    }));
  }

  /** The oldest turn that is shown. */
  get oldest(): string | undefined {
    return this.flow.querySelector<HTMLElement>('.turn:has(.user)')?.dataset.turn;
  }

  /** Say whether there are older messages on the server. */
  offerEarlier(offer: boolean, busy = false): void {
    this.more.hidden = !offer;
    this.more.disabled = busy;
  }

  /** Put older turns above what is shown. */
  prepend(turns: Turn[]): void {
    this.view.stay(() => {
      const first = this.flow.querySelector('.turn:has(.user)');
      for (const turn of turns) {
        if (this.turns.has(turn.id)) continue;
        const place = this.turn(turn.id);
        first?.before(place);
        place.append(this.userArticle(turn.id, turn.text, turn.time));
        turn.messages.forEach((message) => this.insert(place, message, turn.time));
      }
    });
  }

  /** Show what the visitor said. */
  user(id: string, text: string, time?: number): void {
    if (this.shown.has(id)) return;
    const turn = this.turn(id);
    const article = this.userArticle(id, text, time);
    turn.prepend(article);
    this.view.said(article);
  }

  /** Show a message of the bot under its question; false if it is there already. */
  bot(message: BotMessage, under = message.turn, time?: number): boolean {
    if (this.shown.has(message.id)) return false;
    const article = this.insert(this.turn(under), message, time);
    this.settle(under);
    this.view.came(article, message, time !== undefined);
    return true;
  }

  /** A text of the channel itself (too many, busy), under the message that it is about. */
  notice(under: string, message: BotMessage): void {
    this.remove(message.id);
    this.bot(message, under);
  }

  /** What was said about a message while it waited is past. */
  dropNotices(turn: string): void {
    this.turns.get(turn)?.querySelectorAll<HTMLElement>('.notice').forEach((notice) => this.remove(notice.dataset.id ?? ''));
  }

  remove(id: string): void {
    this.shown.get(id)?.remove();
    this.shown.delete(id);
    this.messages.delete(id);
  }

  /** Say below a message of the visitor how far it has come. */
  delivery(id: string, delivery: Delivery, retry: () => void): void {
    const line = this.shown.get(id)?.querySelector<HTMLElement>('.delivery');
    if (!line) return;
    clearTimeout(this.timers.get(id));
    const {texts} = this.look;
    const text = {waiting: texts.waiting, unavailable: texts.origin, later: texts.later, failed: texts.failed, sending: texts.sending, sent: texts.sent, done: ''}[delivery];
    const show = (): void => {
      line.hidden = !text;
      line.replaceChildren(...(text ? [icon(delivery === 'sent' ? ICONS.tick : ICONS.wait, 16), make('span', {}, text)] : []));
      if (delivery === 'failed') line.append(button({class: 'again', 'aria-label': `${texts.again}: ${firstWords(line.parentElement?.querySelector('.said')?.textContent ?? "")}`}, retry, texts.again));
      if (delivery === 'sent') this.write(id);
    };
    if (delivery === 'sending' || delivery === 'sent') this.timers.set(id, window.setTimeout(show, SOON));
    else {
      show();
      this.settle(id, false);
    }
  }

  /** Mark where the earlier conversation ends. */
  divide(): void {
    this.flow.querySelector('.divider')?.remove();
    this.flow.append(make('p', {class: 'divider'}, make('span', {}, this.look.texts.earlier)));
  }

  clear(): void {
    this.timers.forEach((timer) => clearTimeout(timer));
    this.flow.replaceChildren();
    this.more.hidden = true;
    for (const map of [this.turns, this.shown, this.messages, this.names, this.timers]) map.clear();
    this.view.forget();
  }

  /** Show that an answer is being written. */
  private write(id: string): void {
    const turn = this.turns.get(id);
    if (!turn || this.silent || turn.querySelector('.dots')) return;
    const label = put(this.look.texts.typing, {title: this.look.title});
    turn.append(make('p', {class: 'dots', role: 'img', 'aria-label': label}, make('span'), make('span'), make('span')));
  }

  /** An answer has come, or will not for now: nothing is being written any more. */
  private settle(id: string, answered = true): void {
    if (answered) clearTimeout(this.timers.get(id));
    const turn = this.turns.get(id);
    turn?.querySelector('.dots')?.remove();
    if (answered) turn?.querySelector<HTMLElement>('.delivery')?.setAttribute('hidden', '');
  }

  private turn(id: string): HTMLElement {
    let turn = this.turns.get(id);
    if (!turn) {
      turn = make('div', {class: 'turn', 'data-turn': id});
      this.turns.set(id, turn);
      this.flow.append(turn);
    }
    return turn;
  }

  /** Referrals stand before answers, whatever came first. */
  private insert(turn: HTMLElement, message: BotMessage, time?: number): HTMLElement {
    const own = named(message, this.look);
    const article = botArticle(own, this.look, this.unique(subjectOf(own), headingOf(own, this.look)), time);
    article.dataset.id = message.id;
    const before = message.kind ? turn.querySelector('.answer, .notice, .dots') : turn.querySelector('.dots');
    if (before) before.before(article);
    else turn.append(article);
    this.shown.set(message.id, article);
    this.messages.set(message.id, own);
    return article;
  }

  /** Messages about the same have different names, so that their buttons have too. */
  private unique(subject: string, heading: string): string {
    const key = `${heading} ${subject}`;
    const count = (this.names.get(key) ?? 0) + 1;
    this.names.set(key, count);
    return count > 1 ? `${subject} (${count})` : subject;
  }

  private userArticle(id: string, text: string, time?: number): HTMLElement {
    const {texts, lang} = this.look;
    const heading = `calla-said-${id}`;
    const said = make('div', {class: 'said', dir: 'auto'}, text);
    const article = make('article', {class: 'message user', 'aria-labelledby': heading, tabindex: '-1'}, make(this.look.heading, {class: 'hidden', id: heading}, texts.you), said);
    if (text.length > LONG || text.split('\n').length > LINES) {
      const show = (folded: boolean): void => {
        const label = folded ? texts.showAll : texts.showLess;
        said.classList.toggle('folded', folded);
        fold.setAttribute('aria-expanded', String(!folded));
        fold.setAttribute('aria-label', `${label}: ${firstWords(text)}`);
        fold.textContent = label;
      };
      const fold = button({class: 'fold'}, () => show(!said.matches('.folded')));
      show(true);
      article.append(fold);
    }
    article.append(make('p', {class: 'delivery', hidden: true}), timeOf(time, lang));
    this.shown.set(id, article);
    return article;
  }
}
