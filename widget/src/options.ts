/** What a site can set: attributes of the script tag, or the query of the script's or the frame's address. */
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
  /** Whom to call in an emergency, known also when the server was never reached. */
  emergency: string;
  /** The clinic to call, as the server's own pages name it. */
  clinic?: string;
  /** Nonce of the site's Content-Security-Policy. */
  nonce: string;
}

const COLOR = /^#[0-9a-f]{6}$/i;
export const LANGUAGES = ['en', 'es', 'fr', 'de', 'ar'];

/** Find a script by its address, also inside (open) shadow roots. */
function find(root: Document | ShadowRoot, src: string): HTMLScriptElement | null {
  const here = [...root.querySelectorAll('script')].find((script) => script.src === src);
  if (here) return here;
  for (const element of root.querySelectorAll('*')) {
    const inside = element.shadowRoot && find(element.shadowRoot, src);
    if (inside) return inside;
  }
  return null;
}

/** Our own tag and address. Modules, import() and shadow roots know no currentScript. */
export function ownScript(): {tag: HTMLScriptElement | null; src: string} {
  const current = document.currentScript;
  if (current instanceof HTMLScriptElement && current.src) return {tag: current, src: current.src};
  const src = /https?:\/\/[^\s()]+?\/widget\.js(\?[^\s():]*)?/.exec(new Error().stack ?? '')?.[0] ?? '';
  return {tag: src ? find(document, src) : null, src};
}

/** Read the options; anything unknown or malformed falls back to the default. */
export function readOptions({tag, src}: {tag: HTMLScriptElement | null; src: string}): Options {
  const data = tag?.dataset ?? {};
  const page = data.mode === 'page';
  const queries = [new URLSearchParams(page ? location.search : ''), new URLSearchParams(src.split('?')[1] ?? '')];
  const get = (name: string): string => (queries[0].get(name) ?? data[name] ?? queries[1].get(name) ?? '').trim();
  let server = src ? new URL(src).origin : location.origin;
  try {
    // Only the site's own tag may name another server, never the address of the frame.
    if (data.server) server = new URL(data.server, location.href).origin;
  } catch {
    console.warn('Calla: data-server?');
  }
  const theme = get('theme');
  const wanted = [get('lang'), ...(navigator.languages ?? [])].map((lang) => lang.toLowerCase().slice(0, 2));
  return {
    title: get('title').slice(0, 40) || 'Calla',
    color: COLOR.test(get('color')) ? get('color') : '#1f6b66',
    position: get('position') === 'left' ? 'left' : 'right',
    lang: wanted.find((lang) => LANGUAGES.includes(lang)) ?? 'en',
    server,
    theme: theme === 'light' || theme === 'dark' ? theme : 'auto',
    remember: get('remember') === 'true',
    page,
    open: get('open') === 'true',
    emergency: get('emergency').slice(0, 40),
    clinic: data.clinic,
    nonce: tag?.nonce || document.querySelector<HTMLScriptElement>('script[nonce]')?.nonce || '',
  };
}

/** The chat on a page of its own, as the site has set it. */
export const ownPage = ({server, title, color, lang, theme}: Options): string => `${server}/chat?${new URLSearchParams({title, color, lang, theme})}`;

/** Whether a language is written from right to left. */
export const isRightToLeft = (lang: string): boolean => lang === 'ar';
