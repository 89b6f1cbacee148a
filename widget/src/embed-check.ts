/** The page /embed-check: tells whoever builds a website what keeps the chat from working on it. */
import {LANGUAGES} from './options';

interface Finding {
  good: boolean;
  text: string;
  code?: string;
}

const ATTRIBUTES = ['title', 'color', 'position', 'lang', 'server', 'theme', 'remember', 'open', 'emergency'];
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

function checkPolicy(text: string): Finding[] {
  const policy = parsePolicy(text);
  const of = (name: string): string[] | undefined => policy.get(name) ?? policy.get('default-src');
  const findings: Finding[] = [];
  const scripts = policy.get('script-src-elem') ?? of('script-src');
  const nonce = scripts?.some((source) => /^'(nonce-|strict-dynamic)/.test(source));
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
  if (policy.has('sandbox') && !policy.get('sandbox')?.includes('allow-scripts')) findings.push({good: false, text: 'The policy forbids all scripts (sandbox). Add:', code: 'allow-scripts'});
  if (findings.every(({good}) => good)) findings.unshift({good: true, text: 'The Content-Security-Policy lets the chat in.'});
  return findings;
}

function checkTag(text: string): Finding[] {
  // An inert document: nothing in it is loaded or run.
  const page = document.implementation.createHTMLDocument();
  const source = /<script\b([^>]*)>/i.exec(text)?.[1];
  if (source === undefined) return [{good: false, text: 'No script tag was found in what you entered. It should be:', code: `<script src="${SERVER}/widget.js" defer></script>`}];
  const script = page.createElement('script');
  for (const [, name, , value] of source.matchAll(/([\w-]+)(?:\s*=\s*(["']?)([^"']*?)\2)?(?=[\s/]|$)/g)) script.setAttribute(name, value ?? '');
  const findings: Finding[] = [];
  const address = script.getAttribute('src') ?? '';
  if (address !== `${SERVER}/widget.js` && !address.startsWith(`${SERVER}/widget.js?`)) findings.push({good: false, text: `The tag loads ${address || 'nothing'}; this server's script is:`, code: `${SERVER}/widget.js`});
  for (const name of Object.keys(script.dataset)) {
    if (!ATTRIBUTES.includes(name)) findings.push({good: false, text: `The chat does not know data-${name}. It knows: ${ATTRIBUTES.map((one) => `data-${one}`).join(', ')}.`});
  }
  const {color, lang} = script.dataset;
  if (color && !/^#[0-9a-f]{6}$/i.test(color)) findings.push({good: false, text: `data-color must look like #1f6b66, not ${color}.`});
  if (lang && !LANGUAGES.includes(lang)) findings.push({good: false, text: `data-lang can be ${LANGUAGES.join(', ')}, not ${lang}.`});
  return findings.length ? findings : [{good: true, text: 'The tag is right.'}];
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
  const session = await fetch('/chat/session', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'}).catch(() => undefined);
  if (session?.ok) findings.push({good: true, text: 'The server begins conversations.'});
  else if (session?.status === 403) findings.push({good: false, text: 'The server does not know its own address, so its pages (/chat, the frame) may not use it. Whoever runs it must set:', code: `CALLA_PUBLIC_ADDRESS=${SERVER}`});
  else findings.push({good: false, text: `The server does not begin a conversation now (${session?.status ?? 'no answer'}).`});
  if (policy.trim()) findings.push(...checkPolicy(policy));
  if (tag.trim()) findings.push(...checkTag(tag));
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
