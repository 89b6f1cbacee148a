/** What a site can set: attributes of the script tag, or the query of the frame's address. */
export interface Options {
  title: string;
  color: string;
  position: 'left' | 'right';
  lang: string;
  server: string;
  theme: 'auto' | 'light' | 'dark';
  /** Keep the conversation after the tab is closed (otherwise it ends with the tab). */
  remember: boolean;
  /** A page of its own (the frame) instead of a button on somebody else's page. */
  page: boolean;
  /** Open at once. */
  open: boolean;
}

const COLOR = /^#[0-9a-f]{6}$/i;
export const DEFAULT_COLOR = '#1f6b66';

/** Read the options; anything unknown or malformed falls back to the default. */
export function readOptions(script: HTMLScriptElement | null): Options {
  const data = script?.dataset ?? {};
  const page = data.mode === 'page';
  const query = new URLSearchParams(page ? location.search : '');
  const get = (name: string): string => (query.get(name) ?? data[name] ?? '').trim();
  const own = script?.src ? new URL(script.src).origin : location.origin;
  let server = own;
  try {
    // Only the site's own tag may name another server, never the address of the frame.
    if (data.server) server = new URL(data.server, location.href).origin;
  } catch {
    server = own;
  }
  const theme = get('theme');
  return {
    title: get('title').slice(0, 40) || 'Calla',
    color: COLOR.test(get('color')) ? get('color') : DEFAULT_COLOR,
    position: get('position') === 'left' ? 'left' : 'right',
    lang: get('lang').toLowerCase().slice(0, 2) || 'en',
    server,
    theme: theme === 'light' || theme === 'dark' ? theme : 'auto',
    remember: get('remember') === 'true',
    page,
    open: page || get('open') === 'true',
  };
}

/** Whether a language is written from right to left. */
export const isRightToLeft = (lang: string): boolean => ['ar', 'fa', 'he', 'ur'].includes(lang);
