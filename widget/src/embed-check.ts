/** The page /embed-check: tells whoever builds a website what keeps the chat from working on it. */
import {LANGUAGES} from './options';

interface Finding {
  good: boolean;
  text: string;
  code?: string;
}

const ATTRIBUTES = ['title', 'color', 'position', 'lang', 'server', 'theme', 'remember', 'open', 'emergency'];
const VALUES: Record<string, string[]> = {
  position: ['left', 'right'],
  lang: LANGUAGES,
  theme: ['auto', 'light', 'dark'],
  remember: ['true', 'false'],
  open: ['true', 'false'],
};
// What a policy can say; a text that says nothing of this is none.
const DIRECTIVE =
  /^([a-z]+-src(-elem|-attr)?|base-uri|form-action|frame-ancestors|sandbox|report-uri|report-to|trusted-types|require-trusted-types-for|upgrade-insecure-requests|block-all-mixed-content)$/;
const SERVER = location.origin;
const SOCKET = SERVER.replace(/^http/, 'ws');

/** The sites that the server lets in: it says so in the policy of its own pages. */
async function allowedOrigins(): Promise<string[]> {
  const page = await fetch('/chat', {method: 'HEAD', cache: 'no-store'});
  const policy = parsePolicy(page.headers.get('Content-Security-Policy') ?? '');
  return (policy.get('frame-ancestors') ?? []).filter((source) => source !== "'self'");
}

export function parsePolicy(text: string): Map<string, string[]> {
  const directives = new Map<string, string[]>();
  for (const part of text.replace(/^content-security-policy:/i, '').split(';')) {
    const [name, ...sources] = part.trim().split(/\s+/);
    if (name && !directives.has(name.toLowerCase())) directives.set(name.toLowerCase(), sources);
  }
  return directives;
}

/** Whether a list of sources lets an address through, as far as can be said without the page. */
function lets(sources: string[], address: string): boolean {
  const {protocol, host, hostname} = new URL(address);
  return sources.some((source) => {
    if (source === '*') return true;
    if (source === protocol) return true;
    const [, scheme, pattern] = /^(?:([a-z]+:)\/\/)?([^/]+)/i.exec(source) ?? [];
    if (!pattern || (scheme && scheme !== protocol && !(scheme === 'https:' && protocol === 'wss:'))) return false;
    if (pattern.startsWith('*.')) return hostname.endsWith(pattern.slice(1));
    return pattern === host || pattern === `${hostname}:*`;
  });
}

/** The sources that decide whether the script may run. */
const scriptSources = (policy: Map<string, string[]>): string[] | undefined =>
  policy.get('script-src-elem') ?? policy.get('script-src') ?? policy.get('default-src');
const hasNonce = (sources?: string[]): boolean => Boolean(sources?.some((source) => /^'(nonce-|strict-dynamic)/i.test(source)));

function checkPolicy(policy: Map<string, string[]>, frame: boolean): Finding[] {
  if (![...policy.keys()].some((name) => DIRECTIVE.test(name))) {
    return [{good: false, text: 'What you entered is no Content-Security-Policy. It is a header such as:', code: `script-src 'self' ${SERVER}; connect-src 'self' ${SERVER} ${SOCKET}`}];
  }
  const findings = frame ? checkFramePolicy(policy) : checkScriptPolicy(policy);
  if (policy.has('sandbox') && !policy.get('sandbox')?.includes('allow-scripts')) findings.push({good: false, text: 'The policy forbids all scripts (sandbox). Add:', code: 'allow-scripts'});
  if (findings.every(({good}) => good)) findings.unshift({good: true, text: 'The Content-Security-Policy lets the chat in.'});
  return findings;
}

/** A frame has a policy of its own: the page's only decides whether it is shown. */
function checkFramePolicy(policy: Map<string, string[]>): Finding[] {
  const frames = policy.get('frame-src') ?? policy.get('child-src') ?? policy.get('default-src');
  return frames && !lets(frames, SERVER) ? [{good: false, text: 'The policy keeps the frame out. Add to frame-src:', code: SERVER}] : [];
}

function checkScriptPolicy(policy: Map<string, string[]>): Finding[] {
  const of = (name: string): string[] | undefined => policy.get(name) ?? policy.get('default-src');
  const findings: Finding[] = [];
  const scripts = scriptSources(policy);
  const nonce = hasNonce(scripts);
  if (scripts && !nonce && !lets(scripts, SERVER)) findings.push({good: false, text: 'The policy keeps the script out. Add to script-src:', code: SERVER});
  if (nonce) findings.push({good: true, text: 'The policy uses nonces: give the tag the nonce of the page, and the chat passes it on.', code: '<script nonce="…" src="…/widget.js" defer></script>'});
  const connections = of('connect-src');
  for (const address of [SERVER, SOCKET]) {
    if (connections && !lets(connections, address)) findings.push({good: false, text: 'The policy keeps the chat from its server. Add to connect-src:', code: address});
  }
  const frames = policy.get('frame-src') ?? policy.get('child-src') ?? policy.get('default-src');
  if (frames && !lets(frames, SERVER)) findings.push({good: true, text: 'Only if you use the frame instead of the tag: add to frame-src:', code: SERVER});
  const types = policy.get('trusted-types');
  if (types && !types.includes('calla') && !types.includes('*')) findings.push({good: false, text: 'The policy names the Trusted Types that may be used. Add to trusted-types:', code: 'calla'});
  return findings;
}

/** The element of that name in a text, in an inert document: nothing in it is loaded or run. */
function elementIn(text: string, name: 'script' | 'iframe'): HTMLElement | undefined {
  const source = new RegExp(`<${name}\\b([^>]*)>`, 'i').exec(text)?.[1];
  if (source === undefined) return undefined;
  const element = document.implementation.createHTMLDocument().createElement(name);
  for (const [, key, , value] of source.matchAll(/([\w-]+)(?:\s*=\s*(["']?)([^"']*?)\2)?(?=[\s/]|$)/g)) if (/^(src$|nonce$|data-)/i.test(key)) element.setAttribute(key, value ?? '');
  return element;
}

/** Whether the chat is embedded as a frame: that needs less of the page. */
const isFrame = (tag: string): boolean => !elementIn(tag, 'script') && elementIn(tag, 'iframe') !== undefined;

function checkFrame(text: string): Finding[] {
  const address = (elementIn(text, 'iframe')?.getAttribute('src') ?? '').replace(/&amp;/g, '&');
  const [page, query] = address.split('?');
  const findings: Finding[] = [];
  if (page !== `${SERVER}/chat`) findings.push({good: false, text: `The frame shows ${address || 'nothing'}; this server's chat is:`, code: `${SERVER}/chat`});
  findings.push(...checkSettings(Object.fromEntries(new URLSearchParams(query ?? '')), ''));
  return findings.length ? findings : [{good: true, text: 'The frame is right.'}];
}

/** Settings, as attributes (with the prefix data-) or in an address. */
function checkSettings(settings: Record<string, string | undefined>, prefix: string): Finding[] {
  const findings: Finding[] = [];
  for (const [name, value] of Object.entries(settings)) {
    if (!ATTRIBUTES.includes(name)) findings.push({good: false, text: `The chat does not know ${prefix}${name}. It knows: ${ATTRIBUTES.map((one) => prefix + one).join(', ')}.`});
    else if (value && name in VALUES && !VALUES[name].includes(value.trim())) findings.push({good: false, text: `${prefix}${name} can be ${VALUES[name].join(', ')}, not ${value}.`});
    else if (value && name === 'color' && !/^#[0-9a-f]{6}$/i.test(value)) findings.push({good: false, text: `${prefix}color must look like #1f6b66, not ${value}.`});
  }
  return findings;
}

function checkTag(text: string, policy: Map<string, string[]>): Finding[] {
  const script = elementIn(text, 'script');
  if (!script) return [{good: false, text: 'No script tag was found in what you entered. It should be:', code: `<script src="${SERVER}/widget.js" defer></script>`}];
  const findings: Finding[] = [];
  const sources = scriptSources(policy);
  const byAddress = sources && !sources.some((source) => /^'strict-dynamic'$/i.test(source)) && lets(sources, SERVER);
  if (hasNonce(sources) && !byAddress && !script.hasAttribute('nonce')) {
    findings.push({good: false, text: 'The policy lets in only scripts with its nonce, and the tag has none: it is blocked. It should be:', code: `<script nonce="…" src="${SERVER}/widget.js" defer></script>`});
  }
  const address = script.getAttribute('src') ?? '';
  if (address !== `${SERVER}/widget.js` && !address.startsWith(`${SERVER}/widget.js?`)) findings.push({good: false, text: `The tag loads ${address || 'nothing'}; this server's script is:`, code: `${SERVER}/widget.js`});
  findings.push(...checkSettings(script.dataset, 'data-'));
  return findings.length ? findings : [{good: true, text: 'The tag is right.'}];
}

/** Whether the server begins a conversation now, and if not, why. */
async function checkSession(): Promise<Finding> {
  const session = await fetch('/chat/session', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'}).catch(() => undefined);
  if (session?.ok) return {good: true, text: 'The server begins conversations.'};
  if (session?.status === 403) return {good: false, text: 'The server does not know its own address, so its pages (/chat, the frame) may not use it. Whoever runs it must set:', code: `CALLA_PUBLIC_ADDRESS=${SERVER}`};
  if (session?.status === 429) {
    const {retry_after} = (await session.json().catch(() => ({}))) as {retry_after?: number};
    const minutes = Math.max(1, Math.ceil((retry_after ?? 60) / 60));
    return {good: false, text: `Too many conversations were begun from your network (each check counts as one). Try again in about ${minutes} min. If many visitors share one address, whoever runs the server can raise:`, code: 'CALLA_SESSIONS_PER_HOUR'};
  }
  return {good: false, text: `The server does not begin a conversation now (${session?.status ?? 'no answer'}).`};
}

async function check(address: string, policy: string, tag: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  const {origin, protocol, hostname} = new URL(address);
  const local = hostname === 'localhost' || hostname === '127.0.0.1';
  if (protocol === 'https:' && location.protocol === 'http:') {
    findings.push({good: false, text: 'Your page is https, this server is http: browsers block that. Put the server behind TLS (docs/operating.md).'});
  } else if (protocol === 'http:' && !local) {
    findings.push({good: false, text: 'Your page is http: what visitors write to it can be read on the way. Use https.'});
  }
  const origins = await allowedOrigins();
  if (origin === SERVER || origins.includes(origin)) findings.push({good: true, text: `The server lets ${origin} in.`});
  else {
    findings.push({good: false, text: `The server does not let ${origin} in. Whoever runs it must set:`, code: `CALLA_ALLOWED_ORIGINS="${[...origins, origin].join(' ')}"`});
    const twin = origins.find((one) => one.replace(/^https?:\/\/(www\.)?/, '') === origin.replace(/^https?:\/\/(www\.)?/, ''));
    if (twin) findings.push({good: false, text: `It does let ${twin} in: with or without www, http and https are different origins.`});
  }
  findings.push(await checkSession());
  const parsed = parsePolicy(policy);
  const frame = isFrame(tag);
  if (policy.trim()) findings.push(...checkPolicy(parsed, frame));
  if (tag.trim()) findings.push(...(frame ? checkFrame(tag) : checkTag(tag, parsed)));
  if (!tag.trim()) findings.push({good: true, text: 'The tag for your page:', code: `<script src="${SERVER}/widget.js" defer></script>`});
  return findings;
}

const field = (id: string): string => (document.getElementById(id) as HTMLInputElement).value;

document.querySelector('form')?.addEventListener('submit', (event) => {
  event.preventDefault();
  const list = document.getElementById('findings') as HTMLElement;
  check(field('address'), field('policy'), field('tag'))
    .catch((error: unknown) => [{good: false, text: `The check itself failed: ${String(error)}`}])
    .then((findings: Finding[]) => {
      list.replaceChildren(
        ...findings.map(({good, text, code}) => {
          const item = document.createElement('li');
          item.className = good ? 'good' : 'bad';
          item.append(`${good ? '✓' : '✗'} ${text} `);
          if (code) item.append(Object.assign(document.createElement('code'), {textContent: code}));
          return item;
        }),
      );
    });
});
