/** What the launcher and the chat, two separately loaded files, know of each other. */
import type {Options} from './options';

export interface Hooks {
  /** The visitor closed the chat. */
  closed(): void;
  /** This many messages have come in while the chat was closed. */
  unread(count: number): void;
}

export interface MountedChat {
  open(moveFocus: boolean): void;
  close(): void;
}

export type Mount = (root: ShadowRoot, options: Options, hooks: Hooks) => MountedChat;

/** Where the chat leaves its entrance for the launcher, without a name on the host's page. */
export const ENTRANCE = Symbol.for('calla.chat');

/** Give a shadow root styles in a way that a strict Content-Security-Policy allows. */
export function addStyles(root: ShadowRoot, css: string): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}
