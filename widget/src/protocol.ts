/** The messages between chat and server (docs/widget.md). */
export type Kind = 'emergency' | 'crisis' | 'urgent' | 'planned' | 'prescriber';
export type Label = 'supported' | 'limited' | 'not_supported' | 'general';

/** Whom to call, ready for a button. */
export interface Contact {
  label: string;
  kind: 'tel' | 'https';
  value: string;
}

export interface BotMessage {
  id: string;
  turn: string;
  name: string;
  text: string;
  title?: string;
  kind?: Kind;
  /** ISO 639 code of the text, where it is not English. */
  language?: string;
  contacts?: Contact[];
  evidence?: {label: Label; text: string};
  sources?: {organisation: string; title: string; url: string}[];
  reviewed?: string;
  buttons?: string[];
  rated?: boolean;
  /** A person, not the program, wrote this. */
  person?: string;
}

export interface Turn {
  id: string;
  text: string;
  /** Seconds since 1970; without it the message has just been written. */
  time?: number;
  messages: BotMessage[];
}

/** How things stand with a person; words and button are the server's. */
export interface Handoff {
  state: 'waiting' | 'taken';
  text: string;
  /** What the visitor says to end it. */
  button: string;
}

export interface Reply {
  ok: boolean;
  error?: string;
  message?: BotMessage;
  retry_after?: number;
  token?: string;
  history?: Turn[];
  running?: string[];
  /** Nothing is known of it if it is left out. */
  handoff?: Handoff | null;
  /** Answers; with a refusal, the referrals that are owed all the same. */
  messages?: BotMessage[];
}

export interface SessionReply extends Reply {
  token: string;
  history: Turn[];
  running: string[];
  welcome: BotMessage | null;
  emergency_number: string | null;
  max_length: number;
}

/** Thumbs, and what was missing: fixed words, never text of the visitor. */
export const REASONS = ['not_my_question', 'too_little', 'hard_to_read', 'seems_wrong'] as const;
export type Reason = (typeof REASONS)[number];
export type Rating = 'up' | 'down' | 'none' | Reason;

/** Responses that tell that a conversation has been erased, or will be. */
export const ERASED = ['utter_erased', 'utter_erased_passed_on', 'utter_erasure_noted', 'utter_chat/delete_my_data'];
/** Turns that the server sends at once; older ones are asked for. */
export const HISTORY_TURNS = 20;
