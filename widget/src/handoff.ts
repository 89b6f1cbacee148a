/** The line that says how things stand with a person: asked for, joined. Its words are the server's. */
import {button, icon, ICONS, make} from './dom';
import type {Handoff} from './protocol';

// Milliseconds between two questions how things stand, should nobody tell.
const ASK = 5_000;

export class HandoffLine {
  readonly element = make('div', {class: 'handoff', lang: 'en', dir: 'ltr', hidden: true});
  private timer: number | undefined;
  private text = '';

  constructor(
    private readonly ask: () => void,
    private readonly announce: (text: string) => void,
    private readonly say: (text: string) => void,
  ) {}

  show(handoff: Handoff | null): void {
    this.stop();
    const text = handoff?.text ?? '';
    this.element.hidden = !handoff;
    if (handoff) {
      this.timer = window.setInterval(this.ask, ASK);
      if (text !== this.text) {
        const end = button({class: 'again'}, () => this.say(handoff.button), handoff.button);
        this.element.replaceChildren(icon(handoff.state === 'taken' ? ICONS.person : ICONS.wait), make('p', {}, text), end);
        this.announce(text);
      }
    }
    this.text = text;
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
