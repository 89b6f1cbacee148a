/** Where the visitor writes. */
import {icon, ICONS, make} from './dom';
import type {Texts} from './texts';

export class Composer {
  readonly element: HTMLFormElement;
  private readonly field: HTMLTextAreaElement;

  constructor(texts: Texts, draft: string, onDraft: (text: string) => void, onSubmit: (text: string) => void) {
    this.field = make('textarea', {rows: '1', 'aria-label': texts.placeholder, placeholder: texts.placeholder, enterkeyhint: 'send', dir: 'auto'});
    const send = make('button', {type: 'submit', class: 'send', 'aria-label': texts.send, title: texts.send}, icon(ICONS.send, 22));
    this.element = make('form', {class: 'composer'}, this.field, send);
    this.field.value = draft;
    this.field.addEventListener('input', () => {
      this.fit();
      onDraft(this.field.value);
    });
    this.field.addEventListener('keydown', (event) => {
      // While a word is being composed (Chinese, Japanese, Korean), Enter chooses it; some
      // browsers tell so only by the number 229.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.submit(onDraft, onSubmit);
    });
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit(onDraft, onSubmit);
    });
  }

  focus(): void {
    this.field.focus({preventScroll: true});
  }

  clear(): void {
    this.field.value = '';
    this.fit();
  }

  /** Grow with what is written; the styles say how far. */
  fit(): void {
    this.field.style.height = 'auto';
    const borders = this.field.offsetHeight - this.field.clientHeight;
    if (this.field.value) this.field.style.height = `${this.field.scrollHeight + borders}px`;
  }

  private submit(onDraft: (text: string) => void, onSubmit: (text: string) => void): void {
    const text = this.field.value.trim();
    if (text) {
      this.clear();
      onDraft('');
      onSubmit(text);
    }
    this.field.focus({preventScroll: true});
  }
}
