/** The button on a page. It loads the chat when somebody opens it, not before. */
import {fill} from './color';
import {addStyles, ENTRANCE, type Mount, type MountedChat} from './contract';
import {LAUNCHER_TEXTS} from './launcher-texts';
import {isRightToLeft, readOptions, type Options} from './options';

declare const VERSION: string;

const STYLES = `
:host { all: initial; }
@media print { :host { display: block; position: static; } .launcher, .load-failed { display: none !important; } }
.launcher {
  position: fixed; inset-block-end: max(20px, env(safe-area-inset-bottom)); z-index: 2147483000;
  display: inline-flex; align-items: center; gap: 10px; min-height: 56px; padding: 0 22px 0 18px; box-sizing: border-box;
  border: 2px solid transparent; border-radius: 28px; cursor: pointer;
  background: var(--accent); color: var(--on-accent);
  font: 600 max(16px, 1rem)/1.2 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  box-shadow: 0 1px 2px rgb(0 0 0 / .18), 0 8px 24px rgb(0 0 0 / .18); transition: transform .15s ease, box-shadow .15s ease;
}
.right { right: max(20px, env(safe-area-inset-right)); }
.left { left: max(20px, env(safe-area-inset-left)); }
.launcher:hover { transform: translateY(-1px); box-shadow: 0 2px 4px rgb(0 0 0 / .2), 0 12px 28px rgb(0 0 0 / .22); }
.launcher:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; box-shadow: 0 0 0 3px #fff; }
.launcher[aria-busy=true] { cursor: progress; }
.launcher[hidden] { display: none; }
svg { flex: none; }
.badge {
  position: absolute; inset-block-start: -8px; inset-inline-end: -4px; min-width: 26px; padding: 3px 6px; box-sizing: border-box;
  border: 2px solid #fff; border-radius: 13px; background: #b3261e; color: #fff; font-size: 13px; text-align: center;
}
.badge[hidden], .load-failed[hidden] { display: none; }
.load-failed {
  position: fixed; inset-block-end: 92px; max-width: min(320px, calc(100vw - 40px)); box-sizing: border-box; z-index: 2147483000;
  padding: 12px 16px; border: 1px solid #b3261e; border-radius: 12px; background: #fff; color: #1f2a2c;
  font: 400 max(16px, 1rem)/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 480px) { .launcher { padding: 0; width: 60px; height: 60px; justify-content: center; } .launcher .name { display: none; } }
@media (prefers-reduced-motion: reduce) { .launcher { transition: none; } .launcher:hover { transform: none; } }
@media (forced-colors: active) { .launcher, .badge { border-color: ButtonText; } }
`;
const ICON =
  'M12 3C6.5 3 2 6.8 2 11.4c0 2.6 1.4 5 3.7 6.5l-.6 3c-.1.5.4.9.8.6l3.6-1.9c.8.2 1.6.2 2.5.2 5.5 0 10-3.8 10-8.4S17.5 3 12 3Z' +
  'M7.5 10h9M7.5 13.4h6';

/** Whether the visitor had the chat open on the page before this one. */
const KEY = 'calla:open';
const remembered = {
  get open(): boolean {
    try {
      return sessionStorage.getItem(KEY) === 'yes';
    } catch {
      return false;
    }
  },
  set open(value: boolean) {
    try {
      if (value) sessionStorage.setItem(KEY, 'yes');
      else sessionStorage.removeItem(KEY);
    } catch {
      // Storage is blocked: the chat then starts closed on the next page.
    }
  },
};

function start(options: Options): void {
  const texts = LAUNCHER_TEXTS[options.lang] ?? LAUNCHER_TEXTS.en;
  const host = document.createElement('div');
  host.id = 'calla-widget';
  host.lang = LAUNCHER_TEXTS[options.lang] ? options.lang : 'en';
  host.dir = isRightToLeft(host.lang) ? 'rtl' : 'ltr';
  const root = host.attachShadow({mode: 'open'});
  addStyles(root, STYLES);
  const colors = fill(options.color);
  host.style.setProperty('--accent', colors.fill);
  host.style.setProperty('--on-accent', colors.text);

  const button = document.createElement('button');
  button.type = 'button';
  button.className = `launcher ${options.position}`;
  button.setAttribute('aria-haspopup', 'dialog');
  button.setAttribute('aria-expanded', 'false');
  const icon = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  for (const [name, value] of Object.entries({
    width: '26', height: '26', viewBox: '0 0 24 24', fill: 'none', stroke: 'currentColor', 'stroke-width': '1.8',
    'stroke-linecap': 'round', 'stroke-linejoin': 'round', 'aria-hidden': 'true',
  })) {
    icon.setAttribute(name, value);
  }
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICON);
  icon.append(path);
  const name = document.createElement('span');
  name.className = 'name';
  const label = texts.ask.replace('{title}', options.title);
  name.textContent = label;
  const badge = document.createElement('span');
  badge.className = 'badge';
  badge.hidden = true;
  badge.setAttribute('aria-hidden', 'true');
  button.append(icon, name, badge);
  const news = document.createElement('div');
  news.className = 'hidden';
  news.setAttribute('role', 'status');
  const trouble = document.createElement('div');
  trouble.className = `load-failed ${options.position}`;
  trouble.setAttribute('role', 'alert');
  trouble.hidden = true;
  root.append(button, trouble, news);

  let chat: MountedChat | undefined;
  let loading: Promise<MountedChat> | undefined;

  const unread = (count: number): void => {
    badge.hidden = count === 0;
    badge.textContent = count > 9 ? '9+' : count ? String(count) : '';
    button.setAttribute('aria-label', count ? `${label}, ${texts.unread(count)}` : label);
    news.textContent = count ? texts.unread(count) : '';
  };
  unread(0);

  const closed = (): void => {
    remembered.open = false;
    button.hidden = false;
    button.setAttribute('aria-expanded', 'false');
    button.focus();
  };

  function load(): Promise<MountedChat> {
    loading ??= new Promise<MountedChat>((resolve, reject) => {
      const script = document.createElement('script');
      script.src = `${options.server}/chat/chat.js?v=${VERSION}`;
      script.async = true;
      script.addEventListener('load', () => {
        const mount = (window as unknown as Record<symbol, Mount | undefined>)[ENTRANCE];
        if (mount) resolve(mount(root, options, {closed, unread}));
        else reject(new Error('The chat did not start.'));
        script.remove();
      });
      script.addEventListener('error', () => {
        script.remove();
        reject(new Error('The chat could not be loaded.'));
      });
      document.head.append(script);
    });
    return loading;
  }

  async function open(moveFocus: boolean): Promise<void> {
    trouble.hidden = true;
    button.setAttribute('aria-busy', 'true');
    if (!chat) news.textContent = texts.loading;
    try {
      chat = await load();
      news.textContent = '';
      button.hidden = true;
      button.setAttribute('aria-expanded', 'true');
      remembered.open = !options.page;
      unread(0);
      chat.open(moveFocus);
    } catch {
      loading = undefined;
      trouble.textContent = texts.failed;
      trouble.hidden = false;
    } finally {
      button.removeAttribute('aria-busy');
    }
  }

  button.addEventListener('click', () => void open(true));
  // A page may have its own button: <button data-calla-open>.
  document.addEventListener('click', (event) => {
    if (event.target instanceof Element && event.target.closest('[data-calla-open]')) void open(true);
  });
  document.body.append(host);
  if (options.page) button.hidden = true;
  // On a phone the chat fills the screen, so there it is not opened unasked.
  if (options.open || (remembered.open && innerWidth > 480)) void open(false);
}

const options = readOptions(document.currentScript as HTMLScriptElement | null);
if (!document.getElementById('calla-widget')) {
  if (document.body) start(options);
  else document.addEventListener('DOMContentLoaded', () => start(options));
}
