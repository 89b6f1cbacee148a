/** What the launcher and the chat, two separately loaded files, know of each other. */
import type {Options} from './options';

export interface Hooks {
  /** The visitor closed the chat. */
  closed(): void;
  /** This many messages have come in while the chat was closed. */
  unread(count: number): void;
  /** Put the widget above everything on the page, or (to print) back into it. */
  above(on: boolean): void;
}

export interface MountedChat {
  open(moveFocus: boolean): void;
  close(): void;
  /** Ask a question as if the visitor had typed it. */
  ask(question: unknown): void;
  /** Take everything back: elements, listeners, connections. What was said stays on the server. */
  destroy(): void;
}

export type Mount = (root: ShadowRoot, options: Options, hooks: Hooks) => MountedChat;

/** Where the chat leaves its entrance for the launcher, without a name on the host's page. */
export const ENTRANCE = Symbol.for('calla.chat');

/** Give a shadow root styles in a way that a strict Content-Security-Policy allows. */
export function addStyles(root: Document | ShadowRoot, css: string, view: typeof globalThis = globalThis): void {
  const sheet = new view.CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}
