/** The conversation on the screen: deep-chat's message list and input, with our messages in it. */
import {withoutMarkdown} from './deep-chat';
import type {DeepChat} from 'deep-chat';
import type {Delivery} from './connection';
import {botContent, icon, ICONS, make, suggestions, type Look} from './message';
import type {BotMessage} from './protocol';
import {THREAD_STYLES} from './styles';

const TAG = 'calla-message';
type Content = () => Node[];

/** What each message element shows, by its key: deep-chat is only given the key. */
const CONTENTS = new Map<string, Content>();
let nextKey = 0;

class CallaMessage extends HTMLElement {
  connectedCallback(): void {
    if (this.childNodes.length) return;
    const content = CONTENTS.get(this.getAttribute('key') ?? '');
    if (content) this.append(...content());
  }
}
if (!customElements.get(TAG)) customElements.define(TAG, CallaMessage);

// Milliseconds before the writing dots appear: most answers are there sooner.
const DOTS_AFTER = 300;

export class Thread {
  readonly element: HTMLElement;
  private readonly chat: DeepChat;
  private readonly shown = new Map<string, HTMLElement>();
  private replies: HTMLElement | undefined;
  private dots = false;
  private dotsTimer: number | undefined;
  private question: HTMLElement | undefined;
  private readonly whenReady: Promise<void>;

  constructor(
    private readonly look: Look,
    onSubmit: (text: string) => void,
  ) {
    const restore = withoutMarkdown();
    const chat = document.createElement('deep-chat') as DeepChat;
    this.chat = chat;
    this.element = chat;
    // Set before deep-chat looks: otherwise it asks Google for a font.
    chat.style.fontFamily = 'inherit';
    chat.chatStyle = {width: '100%', height: '100%', border: 'none', backgroundColor: 'transparent', fontSize: 'inherit'};
    chat.textInput = {placeholder: {text: look.texts.placeholder}};
    chat.displayLoadingBubble = {toggle: () => undefined};
    chat.submitButtonStyles = {position: 'outside-end'};
    chat.auxiliaryStyle = THREAD_STYLES;
    chat.errorMessages = {displayServiceErrorMessages: false};
    chat.connect = {
      websocket: true,
      // deep-chat hands us what was typed; delivery is ours (connection.ts), so that
      // nothing typed while offline is refused.
      handler: (_: unknown, signals: {onOpen(): void; newUserMessage: {listener(body: {messages?: {text?: string}[]}): void}}) => {
        signals.onOpen();
        signals.newUserMessage.listener = (body) => {
          const text = body.messages?.at(-1)?.text ?? '';
          const bubble = [...this.root.querySelectorAll<HTMLElement>('.user-message-text')].at(-1);
          bubble?.closest('.outer-message-container')?.remove();
          onSubmit(text);
        };
      },
    };
    this.whenReady = new Promise((resolve) => {
      // On a busy machine deep-chat renders twice; what was added in between would be lost.
      const settle = (): void => {
        if (chat._waitingToRender_) {
          setTimeout(settle);
          return;
        }
        restore();
        this.improve();
        resolve();
      };
      chat.onComponentRender = settle;
    });
  }

  /** Resolves when messages can be added. */
  ready(): Promise<void> {
    return this.whenReady;
  }

  private get root(): ShadowRoot {
    return this.chat.shadowRoot as ShadowRoot;
  }

  private get list(): HTMLElement {
    return this.root.getElementById('messages') as HTMLElement;
  }

  private get input(): HTMLElement {
    return this.root.getElementById('text-input') as HTMLElement;
  }

  /** Add what deep-chat leaves out: names, roles, the Space key (pinned version, tested). */
  private improve(): void {
    const {texts} = this.look;
    const {list, input} = this;
    list.setAttribute('role', 'log');
    // Messages are read out by our own regions (announcer.ts), referrals first.
    list.setAttribute('aria-live', 'off');
    list.setAttribute('aria-label', texts.conversation);
    list.tabIndex = 0;
    input.setAttribute('aria-multiline', 'true');
    input.setAttribute('enterkeyhint', 'send');
    input.tabIndex = 0;
    const send = this.root.querySelector<HTMLElement>('.input-button');
    if (send) {
      send.setAttribute('aria-label', texts.send);
      send.title = texts.send;
      send.addEventListener('keydown', (event) => {
        if (event.key !== ' ') return;
        event.preventDefault();
        send.click();
      });
    }
  }

  focus(): void {
    this.input.focus();
  }

  has(id: string): boolean {
    return this.shown.has(id);
  }

  /** Show what the visitor said. */
  user(id: string, text: string): void {
    if (this.shown.has(id)) return;
    this.dropReplies();
    this.question = this.add(id, 'user', () => [
      make('span', {class: 'hidden'}, `${this.look.texts.you}: `),
      make('div', {class: 'said', dir: 'auto'}, text),
      make('p', {class: 'delivery', hidden: true}),
    ]);
    this.scrollToEnd();
  }

  /** Say below a message of the visitor how far it has come. */
  delivery(id: string, delivery: Delivery, retry: () => void): void {
    const line = this.shown.get(id)?.querySelector<HTMLElement>('.delivery');
    if (!line) return;
    const text = {waiting: this.look.texts.waiting, later: this.look.texts.later, failed: this.look.texts.failed, sending: '', done: ''}[delivery];
    line.hidden = !text;
    line.replaceChildren(...(text ? [icon(ICONS.wait, 16), make('span', {}, text)] : []));
    if (delivery === 'failed') {
      const again = make('button', {type: 'button', class: 'again'}, this.look.texts.again);
      again.addEventListener('click', retry);
      line.append(again);
    }
    if (text) this.scrollToEnd();
  }

  /** Show a message of the bot; false if it is there already. */
  bot(message: BotMessage): boolean {
    if (this.shown.has(message.id)) return false;
    const look = message.kind ? `referral ${message.kind}` : message.turn === 'notice' ? 'notice' : 'answer';
    this.add(message.id, 'ai', () => botContent(message, this.look), look);
    this.dropReplies();
    if (message.buttons?.length) this.offer(message.buttons);
    this.scrollToQuestion();
    return true;
  }

  /** Remove a message. */
  remove(id: string): void {
    this.shown.get(id)?.closest('.outer-message-container')?.remove();
    this.shown.delete(id);
  }

  /** Mark where the earlier conversation ends. */
  divide(): void {
    this.remove('divider');
    this.add('divider', 'ai', () => [make('p', {}, this.look.texts.earlier)], 'divider');
  }

  /** Show or hide that an answer is being written. */
  typing(on: boolean): void {
    clearTimeout(this.dotsTimer);
    if (on === this.dots) return;
    const toggle = (): void => {
      this.dots = on;
      const loading = this.chat.displayLoadingBubble as {toggle?: (config?: object) => void};
      if (on) loading.toggle?.({});
      else loading.toggle?.();
      this.root.querySelectorAll('.deep-chat-loading-message-bubble').forEach((bubble) => {
        bubble.setAttribute('role', 'img');
        bubble.setAttribute('aria-label', this.look.texts.typing.replace('{title}', this.look.title));
      });
    };
    if (on) {
      this.dotsTimer = window.setTimeout(() => {
        toggle();
        this.scrollToEnd();
      }, DOTS_AFTER);
    } else toggle();
  }

  /** Take everything off the screen. */
  clear(): void {
    this.typing(false);
    this.dropReplies();
    this.chat.clearMessages(false);
    for (const element of this.shown.values()) element.closest('.outer-message-container')?.remove();
    this.shown.clear();
    this.question = undefined;
  }

  private add(id: string, role: 'user' | 'ai', content: Content, look = ''): HTMLElement {
    const key = String(nextKey++);
    CONTENTS.set(key, content);
    // The only HTML that deep-chat ever gets from us: our own element and a number.
    this.chat.addMessage({html: `<${TAG} key="${key}"></${TAG}>`, role});
    CONTENTS.delete(key);
    const element = this.root.querySelector<HTMLElement>(`${TAG}[key="${key}"]`) as HTMLElement;
    element.closest('.message-bubble')?.classList.add(...(look || 'user').split(' '));
    this.shown.set(id, element);
    return element;
  }

  private offer(titles: string[]): void {
    const holder = this.list.querySelector('.outer-message-container:last-of-type')?.parentElement ?? this.list;
    this.replies = suggestions(titles, this.look);
    holder.append(this.replies);
  }

  private dropReplies(): void {
    // The focus must not get lost with the button that had it.
    if (this.replies?.contains(this.root.activeElement)) this.input.focus();
    this.replies?.remove();
    this.replies = undefined;
  }

  scrollToEnd(): void {
    requestAnimationFrame(() => (this.list.scrollTop = this.list.scrollHeight));
  }

  /** Keep the question at the top while its answers come in, so that they are read from their beginning. */
  private scrollToQuestion(): void {
    const question = this.question?.closest<HTMLElement>('.outer-message-container');
    // After deep-chat's own scrolling, which it does in a timeout.
    setTimeout(() =>
      requestAnimationFrame(() => {
        if (question?.isConnected) this.list.scrollTop = question.offsetTop - this.list.offsetTop - 4;
        else this.list.scrollTop = this.list.scrollHeight;
      }),
    );
  }
}

