/** The words of the chat itself, in the language of the browser. What Calla answers comes from the server, in English. */
import {ar} from './texts/ar';
import {de} from './texts/de';
import {en} from './texts/en';
import {es} from './texts/es';
import {fr} from './texts/fr';

export type Texts = typeof en;

export const TEXTS: Record<string, Texts> = {en, es, fr, de, ar};

/** Put values into the places of a text: `{title}`. */
export const put = (text: string, values: Record<string, string>): string => text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
