/** The chat: loaded by the launcher when somebody opens it. */
import {Announcer} from './announcer';
import {Composer} from './composer';
import {Connection, type Delivery, type State} from './connection';
import {addStyles, ENTRANCE, type Hooks, type Mount, type MountedChat} from './contract';
import {Help, type Trouble} from './help';
import {spoken, type Look} from './message';
import {HandoffLine} from './handoff';
import type {Options} from './options';
import {Panel} from './panel';
import {ERASED, HISTORY_TURNS, type BotMessage, type Rating, type SessionReply} from './protocol';
import type {Reason} from './requests';
import {Keep} from './storage';
import panel from './styles/panel.css';
import screens from './styles/screens.css';
import thread from './styles/thread.css';
import {put, TEXTS, type Texts} from './texts';
import {Thread} from './thread';
import {print, save, transcript, type Transcript} from './transcript';

// Milliseconds within which somebody must know that nothing is coming, and whom to call.
const SLOW = 2_200;
// Milliseconds after which it is read out that an answer is being written.
const WRITING = 1_500;

class Chat implements MountedChat {
  private readonly texts: Texts;
  private readonly keep: Keep;
  private readonly help: Help;
  private readonly panel: Panel;
  private readonly composer: Composer;
  private readonly announcer = new Announcer();
  private readonly look: Look;
  private readonly thread: Thread;
  private readonly connection: Connection;
  private readonly said = new Map<string, string>();
  private readonly slow = new Map<string, number>();
  private reason: Reason | undefined;
  private isOpen = false;
  private unread = 0;
  private started = false;
  private loadingEarlier = false;
  private writing: number | undefined;
  private readonly person = new HandoffLine(
    () => this.connection.look(),
    (text) => this.announcer.say(text),
    (text) => this.say(text),
  );

  constructor(
    root: ShadowRoot,
    private readonly options: Options,
    private readonly hooks: Hooks,
  ) {
    const texts = (this.texts = TEXTS[options.lang]);
    addStyles(root, panel + thread + screens);
    this.keep = new Keep(options.server, options.remember);
    this.help = new Help(texts, options, this.keep);
    this.look = this.makeLook();
    this.panel = new Panel(root, options, texts, this.help, hooks, {
      save: () => {
        save(this.transcript(), this.look);
        this.announcer.say(texts.saved);
      },
      print: () => print(this.transcript(), this.look),
      clear: () => this.erase(),
      zoom: (factor) => this.zoom(factor),
      leave: () => this.leave(),
    });
    this.thread = new Thread(this.look, this.panel.jump, () => void this.loadEarlier());
    this.composer = new Composer(texts, this.keep.get('draft', ''), (text) => this.keep.set('draft', text), (text) => this.say(text));
    this.panel.assemble(this.person.element, this.thread.element, this.composer.element, this.announcer.assertive, this.announcer.polite);
    this.panel.zoom(this.keep.get('zoom', 1));
    this.connection = this.connect();
  }

  open(moveFocus: boolean): void {
    this.panel.open();
    this.isOpen = true;
    this.unread = 0;
    this.hooks.unread(0);
    this.composer.fit();
    if (!this.started) {
      this.started = true;
      // What was written before a reload and not answered is still here.
      for (const message of this.connection.pending) this.said.set(message.id, message.text);
      this.wait('start');
      void this.connection.start();
    } else this.thread.view.cameBack();
    // A keyboard on the screen would cover the conversation before it was seen.
    if (moveFocus && !matchMedia('(pointer: coarse)').matches) this.composer.focus();
    else if (moveFocus) this.panel.element.focus({preventScroll: true});
  }

  close(): void {
    this.panel.close();
    this.isOpen = false;
  }

  ask(question: unknown): void {
    this.say(String(question ?? ''));
  }

  destroy(): void {
    this.connection.stop();
    this.announcer.stop();
    this.person.stop();
    this.thread.clear();
    this.thread.view.stop();
    this.slow.forEach((timer) => clearTimeout(timer));
    clearTimeout(this.writing);
    this.panel.destroy();
  }

  // -------------------------------------------------------------------------- conversation

  private connect(): Connection {
    return new Connection(this.options.server, this.keep, {
      state: (state, reason, seconds) => this.showState(state, reason, seconds),
      session: (session) => this.begin(session),
      user: (turn, text) => this.thread.user(turn, text),
      bot: (message) => this.receive(message),
      done: (turn) => this.finished(turn),
      delivery: (turn, delivery) => this.delivered(turn, delivery),
      notice: (turn, message) => this.notice(turn, message),
      erased: () => this.wipe(),
      handoff: (handoff) => {
        this.thread.silent = handoff?.state === 'taken';
        this.panel.showNote(this.thread.silent);
        this.person.show(handoff);
      },
      contacts: (contacts) => this.help.suggest(contacts),
    });
  }

  private say(text: string): void {
    const said = text.trim();
    if (!said) return;
    const id = newId();
    this.thread.user(id, said);
    this.said.set(id, said);
    this.connection.say(id, said);
  }

  private begin(session: SessionReply): void {
    this.arrived('start');
    this.help.learn(session.welcome?.contacts ?? [], session.emergency_number ?? '');
    this.panel.showNote();
    const fresh = !this.thread.has('welcome:utter_web_welcome');
    if (session.welcome && fresh) {
      this.thread.bot(session.welcome);
      if (!session.history.length && !this.said.size) this.announcer.say(spoken(session.welcome, this.look));
    }
    let shown = 0;
    for (const turn of session.history) {
      if (!this.thread.has(turn.id)) shown += 1;
      this.thread.user(turn.id, turn.text, turn.time);
      turn.messages.forEach((message) => this.thread.bot(message, turn.id, turn.time));
    }
    if (shown && fresh) {
      this.thread.divide();
      this.thread.offerEarlier(session.history.length >= HISTORY_TURNS);
    }
    for (const message of this.connection.pending) this.thread.user(message.id, message.text);
    if (fresh) this.thread.view.cameBack();
  }

  private receive(message: BotMessage): void {
    this.arrived(message.turn);
    if (!this.thread.bot(message)) return;
    this.announcer.say(spoken(message, this.look), message.kind ? 'referral' : 'message');
    // With buttons it only asks whether to erase.
    if (ERASED.includes(message.name) && !message.buttons?.length) this.onlyKeep(message);
    this.count();
  }

  private notice(turn: string, message: BotMessage): void {
    this.thread.notice(turn, {...message, id: `${message.id}:${turn}`});
    this.announcer.say(spoken(message, this.look));
    this.count();
  }

  private finished(turn: string): void {
    this.arrived(turn);
    this.said.delete(turn);
    this.thread.dropNotices(turn);
  }

  private delivered(turn: string, told: Delivery): void {
    // Where the chat is not allowed at all, nothing is promised.
    const refused = this.reason === 'origin' || this.reason === 'policy';
    const delivery = told === 'waiting' && refused ? 'unavailable' : told;
    this.thread.delivery(turn, delivery, () => this.repeat(turn));
    const {texts} = this;
    if (delivery === 'sending') this.wait(turn);
    else if (delivery !== 'sent') this.arrived(turn);
    if (delivery === 'sent' && !this.thread.silent) {
      const typing = put(texts.typing, {title: this.options.title});
      clearTimeout(this.writing);
      this.writing = window.setTimeout(() => this.slow.has(turn) && this.announcer.say(typing, 'state'), WRITING);
    }
    const unavailable = `${texts.origin} ${texts.doNotWait} ${this.help.sentence}`;
    const state = {sending: '', sent: texts.sent, waiting: texts.waiting, unavailable, later: texts.later, failed: texts.failed, done: ''}[delivery];
    if (state) this.announcer.say(state, 'state');
  }

  private repeat(turn: string): void {
    const text = this.said.get(turn);
    if (!text) return;
    this.thread.remove(turn);
    this.thread.dropNotices(turn);
    this.say(text);
  }

  private count(): void {
    if (this.isOpen) return;
    this.unread += 1;
    this.hooks.unread(this.unread);
  }

  private async loadEarlier(): Promise<void> {
    const {oldest} = this.thread;
    if (!oldest || this.loadingEarlier) return;
    this.loadingEarlier = true;
    this.thread.offerEarlier(true, true);
    const turns = await this.connection.earlier(oldest).catch(() => undefined);
    this.loadingEarlier = false;
    if (turns) this.thread.prepend(turns);
    this.thread.offerEarlier(!turns || turns.length >= HISTORY_TURNS);
  }

  // --------------------------------------------------------------------------- what is slow

  /** Something is expected; should it not come soon, say whom to call. */
  private wait(what: string): void {
    clearTimeout(this.slow.get(what));
    this.slow.set(what, window.setTimeout(() => !this.reason && this.trouble('slow'), SLOW));
  }

  private arrived(what: string): void {
    clearTimeout(this.slow.get(what));
    this.slow.delete(what);
    if (!this.slow.size && this.help.shown === 'slow') this.trouble('');
  }

  private trouble(trouble: Trouble | '', seconds?: number): void {
    const text = this.help.show(trouble, seconds);
    if (text) this.announcer.say(text, 'state');
  }

  private showState(state: State, reason?: Reason, seconds?: number): void {
    const {texts, panel} = this;
    panel.element.dataset.state = state;
    panel.state.textContent = {connecting: texts.connecting, ready: texts.ready, offline: texts.notConnected, refused: texts.notConnected}[state];
    // While it is tried again, what was wrong stays to be read.
    if (state !== 'connecting' && (state !== 'ready' || this.help.shown !== 'slow')) this.trouble(reason ?? '', seconds);
    if (state !== 'connecting') this.reason = reason;
    if (state === 'refused') this.tellIntegrator(reason);
  }

  /** The visitor is told whom to call; who built the page finds the cause in the console. */
  private tellIntegrator(reason?: Reason): void {
    const {server} = this.options;
    const cure =
      reason === 'policy'
        ? `its Content-Security-Policy lacks ${server} (and its ws address) in connect-src`
        : `the server does not know its origin: add ${location.origin} to CALLA_ALLOWED_ORIGINS`;
    console.error(`Calla: this website may not use the chat; ${cure}. See ${server}/embed-check`);
  }

  // -------------------------------------------------------------------------------- erasing

  private erase(): void {
    void this.connection.erase().then((done) => {
      if (!done) {
        this.trouble(this.reason ?? 'offline');
        return;
      }
      this.wipe();
      this.announcer.say(this.texts.erased);
      void this.connection.start();
    });
  }

  private wipe(): void {
    this.said.clear();
    for (const what of [...this.slow.keys()]) this.arrived(what);
    this.keep.set('thumbs', {});
    this.keep.set('questions', {});
    this.keep.set('draft', '');
    this.composer.clear();
    this.person.show(null);
    this.thread.clear();
  }

  /** The conversation was erased by a message: only the confirmation stays. */
  private onlyKeep(message: BotMessage): void {
    this.keep.set('thumbs', {});
    this.keep.set('questions', {});
    this.thread.clear();
    this.thread.bot(message);
  }

  // ------------------------------------------------------------------------ what is offered

  private makeLook(): Look {
    const {keep} = this;
    return {
      texts: this.texts,
      title: this.options.title,
      lang: navigator.language.startsWith(this.options.lang) ? navigator.language : this.options.lang,
      heading: this.options.page ? 'h2' : 'h3',
      actions: {
        ask: (question) => this.say(question),
        rate: (message, value) => this.rate(message, value),
        rated: (message) => keep.get('thumbs', {})[message] ?? '',
        copy: (text) => copy(text),
        announce: (text) => this.announcer.say(text),
        kept: (turn) => turn in keep.get('questions', {}),
        keep: (turn) => this.keepQuestion(turn),
      },
    };
  }

  private rate(message: string, value: Rating): void {
    const thumbs = {...this.keep.get('thumbs', {})};
    if (value === 'none') delete thumbs[message];
    else thumbs[message] = value;
    this.keep.set('thumbs', thumbs);
    this.connection.rate(message, value);
  }

  private keepQuestion(turn: string): boolean {
    const questions = {...this.keep.get('questions', {})};
    const kept = !(turn in questions);
    if (kept) questions[turn] = this.thread.all.find((one) => one.id === turn)?.text ?? '';
    else delete questions[turn];
    this.keep.set('questions', questions);
    return kept;
  }

  private transcript(): Transcript {
    const questions = Object.values(this.keep.get('questions', {})).filter((text) => text);
    return transcript(this.thread, questions, `${this.texts.doctor} ${this.help.sentence}`, this.look);
  }

  private zoom(factor: number): void {
    this.keep.set('zoom', factor);
    this.panel.zoom(factor);
    this.composer.fit();
    this.announcer.say(put(this.texts.size, {percent: String(factor * 100)}), 'state');
  }

  private leave(): void {
    this.close();
    this.hooks.closed();
  }
}

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
