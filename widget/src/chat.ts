/** The chat: loaded by the launcher when somebody opens it. */
import {Announcer} from './announcer';
import {fill, legible} from './color';
import {Connection, type Delivery, type State} from './connection';
import {addStyles, ENTRANCE, type Hooks, type Mount, type MountedChat} from './contract';
import {icon, ICONS, make, spoken, type Look} from './message';
import {isRightToLeft, type Options} from './options';
import {ERASED, type BotMessage, type SessionReply} from './protocol';
import {PANEL_STYLES} from './styles';
import {TEXTS, type Texts} from './texts';
import {Thread} from './thread';

// Backgrounds that links and outlines stand on, light and dark (styles.ts).
const SURFACES = {light: '#f7f6f2', dark: '#1f2728'};
// Referrals are read out before anything else; the rest follows when they have begun.
const AFTER_REFERRAL = 1_500;

class Chat implements MountedChat {
  private readonly texts: Texts;
  private readonly panel: HTMLElement;
  private readonly status = make('p', {class: 'state'});
  private readonly trouble = make('p', {class: 'trouble', role: 'status', hidden: true});
  private readonly confirm: HTMLElement;
  private readonly keep = make('button', {type: 'button', class: 'choice'});
  private readonly clearButton: HTMLElement;
  private readonly announcer = new Announcer();
  private readonly thread: Thread;
  private readonly connection: Connection;
  private readonly said = new Map<string, string>();
  private isOpen = false;
  private unread = 0;
  private started = false;
  private referralAt = 0;
  private emergencyNumber = '';
  private readonly note = make('p', {class: 'note'});
  private readonly waitingFor = new Set<string>();

  constructor(
    private readonly root: ShadowRoot,
    private readonly options: Options,
    private readonly hooks: Hooks,
  ) {
    const lang = TEXTS[options.lang] ? options.lang : 'en';
    this.texts = TEXTS[lang];
    const {texts} = this;
    addStyles(root, PANEL_STYLES);
    const look: Look = {
      texts,
      title: options.title,
      lang,
      actions: {
        ask: (question) => this.say(question, true),
        rate: (message, value) => this.connection.rate(message, value),
        copy: (text) => copy(text),
        announce: (text) => this.announcer.say(text),
      },
    };
    this.thread = new Thread(look, (text) => this.say(text));
    this.connection = new Connection(options.server, options.remember, {
      state: (state) => this.showState(state),
      session: (session) => this.begin(session),
      user: (turn, text) => this.thread.user(turn, text),
      bot: (message) => this.receive(message),
      done: (turn) => this.finished(turn),
      delivery: (turn, delivery) => this.delivered(turn, delivery),
      notice: (message) => this.notice(message),
      erased: () => this.wipe(),
    });

    this.clearButton = this.button('clear', texts.clear, () => this.ask());
    const header = make(
      'header',
      {},
      make('span', {class: 'mark', 'aria-hidden': 'true'}, icon(ICONS.lily, 26)),
      make('div', {class: 'who'}, make(options.page ? 'h1' : 'h2', {class: 'title', id: 'calla-title'}, options.title), this.status),
      this.clearButton,
    );
    if (!options.page) header.append(this.button('close', texts.close, () => this.leave()));
    this.keep.textContent = texts.clearNo;
    this.keep.addEventListener('click', () => this.answered(false));
    const erase = make('button', {type: 'button', class: 'choice primary'}, texts.clearYes);
    erase.addEventListener('click', () => this.answered(true));
    this.confirm = make(
      'div',
      {class: 'confirm', role: 'alertdialog', 'aria-modal': 'true', 'aria-labelledby': 'calla-question', hidden: true},
      make('div', {}, make('p', {id: 'calla-question'}, texts.clearQuestion), make('div', {class: 'choices'}, this.keep, erase)),
    );
    this.panel = make(
      'section',
      {
        class: options.page ? 'panel page' : `panel ${options.position}`,
        role: options.page ? 'main' : 'dialog',
        'aria-labelledby': 'calla-title',
        'data-theme': options.theme,
        lang,
        dir: isRightToLeft(lang) ? 'rtl' : 'ltr',
        hidden: true,
      },
      header,
      this.note,
      this.trouble,
      make('div', {class: 'chat'}, this.thread.element, this.confirm),
      this.announcer.assertive,
      this.announcer.polite,
    );
    this.showNote();
    this.paint();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.paint());
    this.panel.addEventListener('keydown', (event) => this.onKey(event));
    root.append(this.panel);
  }

  open(moveFocus: boolean): void {
    this.panel.hidden = false;
    this.isOpen = true;
    this.unread = 0;
    this.hooks.unread(0);
    void this.thread.ready().then(() => {
      if (!this.started) {
        this.started = true;
        // What was written before a reload and not answered is still here.
        for (const message of this.connection.pending) this.waitingFor.add(message.id);
        void this.connection.start();
      }
      if (moveFocus) this.thread.focus();
    });
  }

  close(): void {
    this.panel.hidden = true;
    this.isOpen = false;
  }

  // -------------------------------------------------------------------------- conversation

  private say(text: string, keepFocus = false): void {
    const said = text.trim();
    if (!said) return;
    const id = newId();
    this.thread.user(id, said);
    this.said.set(id, said);
    this.waitingFor.add(id);
    this.connection.say(id, said);
    if (!keepFocus) this.thread.focus();
  }

  private begin(session: SessionReply): void {
    this.emergencyNumber = session.emergency_number ?? '';
    this.showNote();
    const fresh = !this.thread.has('welcome:utter_web_welcome');
    if (session.welcome && fresh) {
      const {buttons, ...rest} = session.welcome;
      const quiet = session.history.length > 0 || this.waitingFor.size > 0;
      this.thread.bot(quiet ? rest : {...rest, buttons});
      if (!quiet) this.announcer.say(spoken(session.welcome, {...this.look()}));
    }
    let shown = 0;
    for (const turn of session.history) {
      if (!this.thread.has(turn.id)) shown += 1;
      this.thread.user(turn.id, turn.text);
      turn.messages.forEach((message) => this.thread.bot(message));
    }
    if (shown && fresh) this.thread.divide();
    for (const message of this.connection.pending) this.thread.user(message.id, message.text);
    this.thread.scrollToEnd();
  }

  private receive(message: BotMessage): void {
    if (!this.thread.bot(message)) return;
    if (message.kind) {
      this.referralAt = performance.now();
      this.announcer.urgent(spoken(message, this.look()));
    } else {
      const wait = Math.max(0, this.referralAt + AFTER_REFERRAL - performance.now());
      setTimeout(() => this.announcer.say(spoken(message, this.look())), wait);
    }
    if (message.name === ERASED) this.onlyKeep(message);
    this.count();
  }

  private notice(message: BotMessage): void {
    this.thread.remove(message.id);
    this.thread.bot(message);
    this.announcer.say(spoken(message, this.look()));
    this.count();
  }

  private finished(turn: string): void {
    this.waitingFor.delete(turn);
    this.said.delete(turn);
    this.thread.typing(this.waitingFor.size > 0 && this.connection.pending.length > 0);
  }

  private delivered(turn: string, delivery: Delivery): void {
    this.thread.delivery(turn, delivery, () => this.repeat(turn));
    if (delivery === 'sending') this.thread.typing(true);
    if (delivery === 'waiting' || delivery === 'later' || delivery === 'failed') this.thread.typing(false);
    if (delivery === 'failed') this.waitingFor.delete(turn);
  }

  private repeat(turn: string): void {
    const text = this.said.get(turn);
    if (!text) return;
    this.thread.remove(turn);
    this.say(text);
  }

  private count(): void {
    if (this.isOpen) return;
    this.unread += 1;
    this.hooks.unread(this.unread);
  }

  // -------------------------------------------------------------------------------- erasing

  private ask(): void {
    this.confirm.hidden = false;
    this.keep.focus();
  }

  private answered(yes: boolean): void {
    this.confirm.hidden = true;
    this.clearButton.focus();
    if (!yes) return;
    void this.connection.erase().then((done) => {
      if (!done) {
        this.showTrouble(this.texts.offline);
        return;
      }
      this.wipe();
      this.announcer.say(this.texts.erased);
      void this.connection.start();
      this.thread.focus();
    });
  }

  private wipe(): void {
    this.waitingFor.clear();
    this.said.clear();
    this.thread.clear();
  }

  /** The conversation was erased by a message: only the confirmation stays. */
  private onlyKeep(message: BotMessage): void {
    this.thread.clear();
    this.thread.bot(message);
  }

  // ---------------------------------------------------------------------------------- looks

  private look(): Look {
    return {texts: this.texts, title: this.options.title, lang: this.options.lang, actions: NO_ACTIONS};
  }

  private button(kind: 'clear' | 'close', label: string, action: () => void): HTMLElement {
    const button = make('button', {type: 'button', class: `icon-button ${kind}`, 'aria-label': label, title: label}, icon(ICONS[kind], 22));
    button.addEventListener('click', action);
    return button;
  }

  private showNote(): void {
    const number = this.emergencyNumber || this.texts.emergencyNumber;
    const emergency = this.texts.emergency.replace('{number}', number);
    this.note.replaceChildren(`${this.texts.doctor} `, make('strong', {}, emergency), this.texts.english ? ` ${this.texts.english}` : '');
  }

  private showState(state: State): void {
    this.status.textContent = {connecting: this.texts.connecting, ready: this.texts.ready, offline: this.texts.connecting, refused: ''}[state];
    this.showTrouble({offline: this.texts.offline, refused: this.texts.notAllowed, connecting: '', ready: ''}[state]);
    this.panel.dataset.state = state;
  }

  private showTrouble(text: string): void {
    this.trouble.hidden = !text;
    this.trouble.replaceChildren(...(text ? [icon(ICONS.wait), make('span', {}, text)] : []));
  }

  private paint(): void {
    const {theme, color} = this.options;
    const dark = theme === 'dark' || (theme === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
    const colors = fill(color);
    const style = this.panel.style;
    style.setProperty('--accent', colors.fill);
    style.setProperty('--on-accent', colors.text);
    style.setProperty('--link', dark ? legible(color, SURFACES.dark, '#ffffff', 5) : legible(color, SURFACES.light, '#000000', 5));
  }

  // ------------------------------------------------------------------------------- keyboard

  private onKey(event: KeyboardEvent): void {
    if (event.key === 'Escape') {
      event.stopPropagation();
      if (!this.confirm.hidden) this.answered(false);
      else if (!this.options.page) this.leave();
    } else if (event.key === 'Tab' && !this.confirm.hidden) {
      const choices = [...this.confirm.querySelectorAll('button')];
      const at = choices.indexOf(this.root.activeElement as HTMLButtonElement);
      choices[(at + (event.shiftKey ? choices.length - 1 : 1)) % choices.length].focus();
      event.preventDefault();
    }
  }

  private leave(): void {
    this.close();
    this.hooks.closed();
  }
}

const NO_ACTIONS = {ask: () => undefined, rate: () => undefined, copy: async () => false, announce: () => undefined};

/** An id that the server accepts and nobody can guess. */
function newId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Copy, also where the modern way is not allowed (insecure pages, frames). */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement('textarea');
    field.value = text;
    field.style.position = 'fixed';
    field.style.opacity = '0';
    document.body.append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    return done;
  }
}

const mount: Mount = (root, options, hooks) => new Chat(root, options, hooks);
(window as unknown as Record<symbol, Mount>)[ENTRANCE] = mount;
