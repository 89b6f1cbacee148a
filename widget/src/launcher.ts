/** The button on a page. It loads the chat when somebody opens it, not before. */
import {fill} from './color';
import {addStyles, ENTRANCE, type Mount, type MountedChat} from './contract';
import {launcherTexts} from './launcher-texts';
import {isRightToLeft, ownScript, readOptions, type Options} from './options';
import styles from './styles/launcher.css';

declare const VERSION: string;

type Shared = Window & {[ENTRANCE]?: Mount; [RUNNING]?: Launcher; [TRUST]?: Trust; Calla?: unknown; trustedTypes?: Policies};
interface Trust {
  createScriptURL(url: string): string;
}
interface Policies {
  createPolicy(name: string, rules: Trust): Trust;
}
const RUNNING = Symbol.for('calla.launcher');
const TRUST = Symbol.for('calla.trust');
const shared = window as Shared;

const ICON =
  'M12 3C6.5 3 2 6.8 2 11.4c0 2.6 1.4 5 3.7 6.5l-.6 3c-.1.5.4.9.8.6l3.6-1.9c.8.2 1.6.2 2.5.2 5.5 0 10-3.8 10-8.4S17.5 3 12 3Z' +
  'M7.5 10h9M7.5 13.4h6';

/** Whether the visitor had the chat open on the page before this one. */
const KEY = 'calla:open';
function remembered(open?: boolean): boolean {
  try {
    if (open !== undefined) sessionStorage.setItem(KEY, open ? 'yes' : '');
    return sessionStorage.getItem(KEY) === 'yes';
  } catch {
    // Storage is blocked: the chat then starts closed on the next page.
    return false;
  }
}

function make(tag: string, className: string, attributes: Record<string, string> = {}, text = ''): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const anchor = (href: string, text: string): HTMLElement => make('a', '', {href}, text);

// Milliseconds of loading after which it is said whom to call instead.
const SLOW = 2_200;

/** Whether this is a browser of the last two years: the youngest thing that the chat needs came in 2024. */
const supported = (): boolean => CSS.supports('color', 'light-dark(#000, #fff)');

class Launcher extends EventTarget {
  private readonly host = make('div', '');
  private readonly button = make('button', 'launcher', {type: 'button', 'aria-haspopup': 'dialog', 'aria-expanded': 'false'}) as HTMLButtonElement;
  private readonly badge = make('span', 'badge');
  private readonly news = make('div', 'hidden', {role: 'status'});
  private readonly trouble = make('div', 'load-failed', {role: 'alert'});
  private readonly texts;
  private readonly label: string;
  private readonly observer: MutationObserver;
  private root!: ShadowRoot;
  private chat: MountedChat | undefined;
  private loading: Promise<MountedChat> | undefined;
  private ended = false;

  constructor(private readonly options: Options) {
    super();
    this.texts = launcherTexts(options.lang);
    this.label = this.texts.ask.replace('{title}', options.title);
    this.observer = new MutationObserver((changes) => this.removed(changes));
    document.addEventListener('click', this.onClick);
    if (!supported()) {
      this.link();
      return;
    }
    this.draw();
    // A body that is exchanged (Turbo, htmx) does not take the chat along.
    document.documentElement.append(this.host);
    this.above(true);
    this.observer.observe(document.documentElement, {childList: true});
    // On a phone the chat fills the screen (screens.css), so there it is not opened unasked.
    if (options.page || ((options.open || remembered()) && innerWidth > 480 && innerHeight > 420)) void this.load(false);
  }

  /** Open the chat. */
  open(): void {
    void this.load(true);
  }

  /** Close the chat; the button is there again. */
  close(): void {
    if (this.options.page || !this.button.hidden) return;
    this.chat?.close();
    this.closed();
  }

  /** Open the chat and ask; without a text it is only opened. */
  ask(question?: unknown): void {
    void this.load(true).then(() => this.chat?.ask(question));
  }

  /** Take the widget off the page, with everything that belongs to it. */
  destroy(): void {
    if (this.ended) return;
    this.ended = true;
    this.observer.disconnect();
    document.removeEventListener('click', this.onClick);
    this.chat?.destroy();
    this.host.remove();
    delete shared[RUNNING];
    if (shared.Calla === this) delete shared.Calla;
    this.tell('destroy');
  }

  private draw(): void {
    const {options, button, host} = this;
    host.id = 'calla-widget';
    host.lang = options.lang;
    host.dir = isRightToLeft(options.lang) ? 'rtl' : 'ltr';
    const colors = fill(options.color);
    host.style.setProperty('--accent', colors.fill);
    host.style.setProperty('--on-accent', colors.text);
    this.root = host.attachShadow({mode: 'open'});
    addStyles(this.root, styles);
    const drawn = (tag: string, name: string, value: string): Element => {
      const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
      element.setAttribute(name, value);
      return element;
    };
    const icon = drawn('svg', 'viewBox', '0 0 24 24');
    icon.append(drawn('path', 'd', ICON));
    button.append(icon, make('span', 'name', {}, this.label), this.badge);
    button.classList.add(options.position);
    button.hidden = options.page;
    button.addEventListener('click', () => this.open());
    this.trouble.classList.add(options.position);
    this.trouble.hidden = true;
    this.root.append(button, this.trouble, this.news);
    this.unread(0);
  }

  /** Instead of silence: a link to the chat's own page, or there whom to call. */
  private link(): void {
    const {host, options} = this;
    if (options.page) host.append(...this.failure());
    else {
      host.style.cssText = 'position:fixed;bottom:20px;right:20px;padding:14px;background:canvas';
      host.append(this.elsewhere());
    }
    document.body.append(host);
  }

  private elsewhere(): HTMLElement {
    return anchor(`${this.options.server}/chat`, this.label);
  }

  /** Into the top layer, where transforms, stacking and overflow of the site do not reach; or back. */
  private above(on: boolean): void {
    const {host} = this;
    if (this.options.page || typeof host.showPopover !== 'function') return;
    if (on) {
      host.popover = 'manual';
      host.showPopover();
    } else host.removeAttribute('popover');
  }

  private removed(changes: MutationRecord[]): void {
    if (this.host.isConnected) return;
    // Everything was exchanged: stay. Only we were taken away: somebody wants us gone.
    const all = changes.some(({removedNodes}) => [...removedNodes].some((node) => node.nodeName === 'BODY'));
    if (!all) this.destroy();
    else {
      document.documentElement.append(this.host);
      this.above(true);
    }
  }

  private readonly onClick = (event: Event): void => {
    // A page may have its own button: <button data-calla-open>, also inside a component.
    if (event.composedPath().some((one) => one instanceof Element && one.hasAttribute('data-calla-open'))) this.open();
  };

  private tell(type: string, detail?: unknown): void {
    this.dispatchEvent(new CustomEvent(type, {detail}));
  }

  /** What is said where there is no chat: whom to call, in one tap where that is a number. */
  private failure(): (Node | string)[] {
    const {emergency, clinic} = this.options;
    return [this.texts.failed, ...[emergency || this.texts.number, clinic ?? ''].map((one) => {
      const number = /\+?\d[\d -]+\d$/.exec(one);
      return number ? anchor(`tel:${number[0].replace(/[ -]/g, '')}`, one) : ` ${one}`;
    })];
  }

  private fail(): void {
    this.trouble.replaceChildren(...this.failure(), this.elsewhere());
    this.trouble.hidden = false;
  }

  private unread(count: number): void {
    const {badge, texts} = this;
    const text = texts.unread.replace('{count}', `${count}`);
    badge.hidden = count === 0;
    badge.textContent = count > 9 ? '9+' : `${count || ''}`;
    this.button.setAttribute('aria-label', count ? `${this.label}, ${text}` : this.label);
    this.news.textContent = count ? text : '';
    if (count) this.tell('unread', count);
  }

  private closed(): void {
    remembered(false);
    this.button.hidden = false;
    this.button.setAttribute('aria-expanded', 'false');
    this.button.focus();
    this.tell('close');
  }

  private mounted(): Promise<MountedChat> {
    this.loading ??= loadChat(this.options).then((mount) =>
      mount(this.root, this.options, {
        closed: () => this.closed(),
        unread: (count) => this.unread(count),
        above: (on) => this.above(on),
      }),
    );
    return this.loading;
  }

  private async load(moveFocus: boolean): Promise<void> {
    const {button, trouble} = this;
    if (this.ended) return;
    if (!this.root) return location.assign(`${this.options.server}/chat`);
    const slow = setTimeout(() => this.fail(), SLOW);
    button.setAttribute('aria-busy', 'true');
    if (!this.chat) this.news.textContent = `${this.label} …`;
    try {
      this.chat = await this.mounted();
      this.news.textContent = '';
      trouble.hidden = true;
      const wasThere = button.hidden;
      button.hidden = true;
      button.setAttribute('aria-expanded', 'true');
      remembered(!this.options.page);
      this.chat.open(moveFocus);
      if (!wasThere) this.tell('open');
    } catch (error) {
      this.loading = undefined;
      this.fail();
      console.error(`Calla: see ${this.options.server}/embed-check`, error);
      this.tell('error');
    } finally {
      clearTimeout(slow);
      button.removeAttribute('aria-busy');
    }
  }
}

/** A script address that sites with Trusted Types accept (policy "calla": our own server only). */
function trusted(url: string, server: string): string {
  if (!shared.trustedTypes) return url;
  shared[TRUST] ??= shared.trustedTypes.createPolicy('calla', {
    createScriptURL: (one) => {
      if (new URL(one).origin !== server) throw new TypeError(one);
      return one;
    },
  });
  return shared[TRUST].createScriptURL(url);
}

function loadChat(options: Options): Promise<Mount> {
  return new Promise((resolve, reject) => {
    // Loaded before, by a tag that was taken away again.
    if (shared[ENTRANCE]) return resolve(shared[ENTRANCE]);
    const script = document.createElement('script');
    script.src = trusted(`${options.server}/chat/chat.js?v=${VERSION}`, options.server);
    if (options.nonce) script.nonce = options.nonce;
    const done = (): void => {
      script.remove();
      const mount = shared[ENTRANCE];
      if (mount) resolve(mount);
      else reject(new Error('chat.js'));
    };
    script.addEventListener('load', done);
    script.addEventListener('error', done);
    document.head.append(script);
  });
}

function begin(): void {
  const options = readOptions(own);
  if (shared[RUNNING]) {
    console.warn('Calla: already here');
    return;
  }
  const launcher = (shared[RUNNING] = new Launcher(options));
  // Not where the site uses the name for something else.
  shared.Calla ??= launcher;
}

// The tag is only known while the script runs for the first time.
const own = ownScript();
if (document.body) begin();
else document.addEventListener('DOMContentLoaded', begin);
