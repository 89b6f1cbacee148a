/** The messages between chat and server (docs/widget.md). */
export type Kind = 'emergency' | 'crisis' | 'urgent' | 'planned' | 'prescriber';
export type Label = 'supported' | 'limited' | 'not_supported' | 'general';

export interface BotMessage {
  id: string;
  turn: string;
  name: string;
  text: string;
  kind?: Kind;
  evidence?: {label: Label; text: string};
  sources?: {organisation: string; title: string; url: string}[];
  reviewed?: string;
  buttons?: string[];
  rated?: boolean;
}

export interface Turn {
  id: string;
  text: string;
  messages: BotMessage[];
}

export interface SessionReply {
  ok: boolean;
  error?: string;
  token: string;
  resumed: boolean;
  history: Turn[];
  running: string[];
  welcome: BotMessage | null;
  emergency_number: string | null;
  max_length: number;
  retry_after?: number;
}

export interface Reply {
  ok: boolean;
  error?: string;
  message?: BotMessage;
  retry_after?: number;
  token?: string;
  history?: Turn[];
  running?: string[];
  messages?: BotMessage[];
}

/** The response that tells that a conversation has been erased. */
export const ERASED = 'utter_chat/delete_my_data';
