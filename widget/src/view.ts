/**
 * What of the conversation is in view.
 *
 * A referral's first line is brought into view whatever came before or comes after it,
 * and stays there, also when the panel changes its size, until it has been seen or the
 * visitor scrolls. Answers are read from their beginning, below their question.
 */
import type {BotMessage, Kind} from './protocol';
import type {Look} from './message';
import {icon, ICONS} from './dom';

const URGENCY: Kind[] = ['emergency', 'crisis', 'urgent', 'planned', 'prescriber'];
// Milliseconds in view after which a referral counts as seen.
const SEEN = 2_000;
const GAP = 8;
// Pixels of a message that must be visible below its question.
const ENOUGH = 150;
// Below this height the messages need all the room there is.
const LOW = 150;
const KEYS = ['ArrowUp', 'ArrowDown', 'PageUp', 'PageDown', 'Home', 'End', ' '];

export class View {
  /** What stays at its place in view; nothing once the visitor scrolls. */
  private anchor: HTMLElement | undefined;
  private last: HTMLElement | undefined;
  /** Where the button leads. */
  private goal: HTMLElement | undefined;
  /** Where we scrolled to ourselves. */
  private placed = 0;
  private readonly unseen = new Map<HTMLElement, Kind>();
  private readonly timers = new Map<HTMLElement, number>();
  private readonly observer: IntersectionObserver;
  private readonly sizes: ResizeObserver;

  constructor(
    private readonly list: HTMLElement,
    flow: HTMLElement,
    private readonly jump: HTMLButtonElement,
    private readonly look: Look,
  ) {
    this.observer = new IntersectionObserver((entries) => this.looked(entries), {root: list, threshold: 0.8});
    this.sizes = new ResizeObserver(() => this.place());
    this.sizes.observe(list);
    this.sizes.observe(flow);
    for (const name of ['wheel', 'touchmove', 'pointerdown']) list.addEventListener(name, () => this.release(), {passive: true});
    list.addEventListener('keydown', (event) => KEYS.includes(event.key) && this.release());
    list.addEventListener('focusin', (event) => (event.target as HTMLElement).matches(':focus-visible') && this.release());
    list.addEventListener('scroll', () => this.scrolled(), {passive: true});
    jump.addEventListener('click', () => this.jumpThere());
  }

  stop(): void {
    this.observer.disconnect();
    this.sizes.disconnect();
    this.timers.forEach((timer) => clearTimeout(timer));
  }

  /** The visitor has said something. */
  said(article: HTMLElement): void {
    this.last = article;
    if (!this.holdsReferral()) this.anchor = article;
    this.place();
  }

  /** Something has come from the bot. */
  came(article: HTMLElement, message: BotMessage, old = false): void {
    if (isAfter(article, this.last)) this.last = article;
    if (old) return;
    if (message.kind) {
      this.unseen.set(article, message.kind);
      this.observer.observe(article.querySelector('.referral-heading') as HTMLElement);
      if (!this.keepsBefore(article, message.kind)) this.anchor = article;
    } else if (message.turn !== 'notice' && this.followsTo(article, Boolean(message.person))) {
      this.anchor = article;
    }
    this.place();
  }

  /** Show the place where somebody who comes back should read on. */
  cameBack(): void {
    const owed = this.mostUrgent();
    const turns = this.list.querySelectorAll('.turn');
    const turn = turns[turns.length - 1];
    this.anchor = owed ?? turn?.querySelector<HTMLElement>('.referral') ?? turn?.querySelector<HTMLElement>('.answer, .user') ?? undefined;
    this.place();
  }

  /** Messages of before were put above: stay where we are. */
  stay(change: () => void): void {
    const before = this.list.scrollHeight - this.list.scrollTop;
    this.release();
    change();
    this.list.scrollTop = this.list.scrollHeight - before;
  }

  forget(): void {
    this.observer.disconnect();
    this.unseen.clear();
    this.anchor = this.last = undefined;
    this.update();
  }

  /** Put the anchor at its place: its question above it if both fit, else itself at the top. */
  place(): void {
    const {anchor, list} = this;
    if (anchor?.isConnected && list.clientHeight) {
      let top = anchor.offsetTop - GAP;
      const question = anchor.closest('.turn')?.querySelector<HTMLElement>('.user');
      if (question && question !== anchor) {
        const lead = anchor.offsetTop - question.offsetTop;
        const need = Math.min(anchor.offsetHeight, Math.max(ENOUGH, list.clientHeight / 2));
        if (lead + need + 2 * GAP <= list.clientHeight) top = question.offsetTop - GAP;
      }
      list.scrollTop = top;
      this.placed = list.scrollTop;
    }
    this.update();
  }

  /** Whoever else scrolls (a scroll bar, a screen reader, a search in the page) is not fought. */
  private scrolled(): void {
    if (Math.abs(this.list.scrollTop - this.placed) > 2) this.release();
    this.update();
  }

  private release(): void {
    this.anchor = undefined;
  }

  private holdsReferral(): boolean {
    return this.anchor !== undefined && this.unseen.has(this.anchor);
  }

  /** Whether an unseen referral stays where it is although another one has come. */
  private keepsBefore(article: HTMLElement, kind: Kind): boolean {
    const held = this.anchor && this.unseen.get(this.anchor);
    if (!held || !this.anchor) return false;
    const sameTurn = this.anchor.closest('.turn') === article.closest('.turn');
    const more = URGENCY.indexOf(held) - URGENCY.indexOf(kind);
    return sameTurn ? more <= 0 : more < 0;
  }

  /** Whether the view goes to an answer that has come. */
  private followsTo(article: HTMLElement, person: boolean): boolean {
    if (this.holdsReferral()) return false;
    if (!this.anchor) return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight - article.offsetHeight < ENOUGH;
    // The first answer of a turn is the one to be read from its beginning, and an answer
    // that is being read does not go away because the next question has been answered too.
    // What a person writes comes bit by bit, and is followed.
    return person || this.anchor.classList.contains('user');
  }

  private mostUrgent(): HTMLElement | undefined {
    const waiting = [...this.unseen].filter(([article]) => article.isConnected);
    return waiting.sort(([, a], [, b]) => URGENCY.indexOf(a) - URGENCY.indexOf(b))[0]?.[0];
  }

  private looked(entries: IntersectionObserverEntry[]): void {
    for (const {target, isIntersecting} of entries) {
      const article = target.closest<HTMLElement>('.message');
      if (!article) continue;
      clearTimeout(this.timers.get(article));
      this.timers.delete(article);
      if (!isIntersecting) continue;
      const seen = (): void => {
        if (document.visibilityState !== 'visible') {
          this.timers.set(article, window.setTimeout(seen, SEEN));
          return;
        }
        this.unseen.delete(article);
        this.observer.unobserve(target);
        this.update();
      };
      this.timers.set(article, window.setTimeout(seen, SEEN));
    }
  }

  /** Offer a way to what is out of view: a referral first, else the newest message. */
  private update(): void {
    const {list, jump} = this;
    const view = list.getBoundingClientRect();
    const outside = (element: HTMLElement | undefined): number => {
      if (!element?.isConnected) return 0;
      const head = element.getBoundingClientRect().top;
      return head > view.bottom - 24 ? 1 : head < view.top - 12 ? -1 : 0;
    };
    const owed = [...this.unseen.keys()].find((article) => outside(article));
    const goal = (this.goal = owed ?? (outside(this.last) === 1 ? this.nextBelow(view.bottom) : undefined));
    jump.hidden = !goal || list.clientHeight + jump.offsetHeight < LOW;
    if (!goal || jump.hidden) return;
    const kind = owed && this.unseen.get(owed);
    const label = kind ? this.look.texts.referrals[kind] : this.look.texts.newest;
    const state = `${label} ${outside(goal)}`;
    if (jump.dataset.state === state) return;
    jump.dataset.state = state;
    jump.className = `jump ${kind ?? ''} ${outside(goal) < 0 ? 'upwards' : ''}`;
    jump.replaceChildren(icon(ICONS.below, 18), label);
  }

  private nextBelow(bottom: number): HTMLElement | undefined {
    return [...this.list.querySelectorAll<HTMLElement>('.message')].find((message) => message.getBoundingClientRect().top > bottom - 24);
  }

  private jumpThere(): void {
    const {goal} = this;
    if (!goal?.isConnected) return;
    this.anchor = goal;
    this.place();
    goal.focus({preventScroll: true});
  }
}

const isAfter = (one: Node, other: Node | undefined): boolean => !other || Boolean(other.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING);
