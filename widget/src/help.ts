/** Whom to call: in one tap, and without the server. */
import type {Reason} from './requests';
import {icon, ICONS, make} from './dom';
import {contactButtons} from './message';
import {ownPage, type Options} from './options';
import type {Contact} from './protocol';
import type {Keep} from './storage';
import {put, type Texts} from './texts';

export type Trouble = Reason | 'slow';

export class Help {
  /** Opened from the header. */
  readonly sheet: HTMLElement;
  /** Shown by itself when the chat does not work. */
  readonly box = make('section', {class: 'trouble', hidden: true});
  private trouble: Trouble | '' = '';
  private minutes = '';
  private suggested: Contact[] = [];

  constructor(
    private readonly texts: Texts,
    private readonly options: Options,
    private readonly keep: Keep,
  ) {
    this.sheet = make('section', {class: 'sheet help-sheet', id: 'calla-help', 'aria-label': texts.help, hidden: true});
    this.draw();
  }

  /** The sentence that names the emergency number. */
  get sentence(): string {
    return put(this.texts.emergency, {number: this.number || this.texts.emergencyNumber});
  }

  /** Learn from the server whom to call; remembered for when it cannot be reached. */
  learn(contacts: Contact[], emergency: string): void {
    this.keep.set('contacts', contacts);
    this.keep.set('emergency', emergency);
    this.draw();
  }

  /** Learn whom to call from a refusal, for as long as nothing better is known. */
  suggest(contacts: Contact[]): void {
    this.suggested = contacts;
    this.draw();
  }

  /** Show what is wrong and whom to call meanwhile; return what is to be read out. */
  show(trouble: Trouble | '', seconds = 0): string {
    this.trouble = trouble;
    this.minutes = String(Math.max(1, Math.ceil(seconds / 60)));
    this.draw();
    return trouble ? `${this.reason} ${this.texts.doNotWait} ${this.sentence}` : '';
  }

  get shown(): Trouble | '' {
    return this.trouble;
  }

  private get number(): string {
    return this.keep.get('emergency', '') || this.options.emergency;
  }

  private get contacts(): Contact[] {
    const kept = this.keep.get('contacts', this.suggested) as Contact[];
    const number = this.number;
    // A number that the site gave in its tag, until the server has been asked.
    if (kept.length || !/^[\d+*# -]{2,20}$/.test(number)) return kept;
    return [{label: number, kind: 'tel', value: number.replace(/[ -]/g, '')}];
  }

  private get reason(): string {
    const {texts, trouble} = this;
    if (!trouble) return '';
    return put({...texts, policy: texts.origin}[trouble], {minutes: this.minutes});
  }

  private draw(): void {
    const {texts} = this;
    const buttons = (most = 9): HTMLElement => make('div', {class: 'contacts'}, ...contactButtons(this.contacts.slice(0, most), texts));
    const english = put(texts.english, {title: this.options.title});
    this.sheet.replaceChildren(
      make('p', {}, texts.doNotWait),
      make('p', {}, make('strong', {}, this.sentence)),
      buttons(),
      make('p', {class: 'small'}, `${texts.doctor} ${english}`),
    );
    this.box.hidden = !this.trouble;
    if (!this.trouble) return;
    this.box.setAttribute('aria-label', this.reason);
    const why = make('p', {class: 'why-not'}, icon(ICONS.wait, 18), make('span', {}, this.reason));
    const parts: HTMLElement[] = [why, make('p', {class: 'do'}, `${texts.doNotWait} `, make('strong', {}, this.sentence)), buttons(2)];
    if (this.trouble === 'origin' || this.trouble === 'policy') {
      parts.push(make('p', {}, make('a', {href: ownPage(this.options), target: '_blank', rel: 'noopener'}, texts.ownPage)));
    }
    this.box.replaceChildren(...parts);
  }
}
