/** What the browser keeps: the token, what is not answered yet, the draft, thumbs and choices. */

export interface Pending {
  id: string;
  text: string;
}

interface Kept {
  token: string;
  pending: Pending[];
  draft: string;
  /** Thumbs, by message. */
  thumbs: Record<string, string>;
  /** Questions for the doctor, by turn. */
  questions: Record<string, string>;
  contacts: {label: string; kind: string; value: string}[];
  emergency: string;
  zoom: number;
}
// What belongs to one conversation and goes with it.
const PERSONAL = ['token', 'pending', 'draft', 'thumbs', 'questions'] as const;

/**
 * Kept for the tab only, unless the site says otherwise: computers are shared. Where a
 * browser blocks storage (some do inside frames), it lasts until the page is left.
 */
export class Keep {
  private readonly memory = new Map<string, string>();
  private readonly storage: Storage | undefined;

  constructor(
    private readonly server: string,
    remember: boolean,
  ) {
    try {
      this.storage = remember ? localStorage : sessionStorage;
      this.storage.getItem('calla');
    } catch {
      this.storage = undefined;
    }
  }

  /** Read a value; anything malformed counts as not there. */
  get<N extends keyof Kept>(name: N, otherwise: Kept[N]): Kept[N] {
    try {
      const text = this.memory.get(name) ?? this.storage?.getItem(this.key(name)) ?? '';
      const value: unknown = JSON.parse(text);
      const alike = typeof value === typeof otherwise && Array.isArray(value) === Array.isArray(otherwise) && value !== null;
      return alike ? (value as Kept[N]) : otherwise;
    } catch {
      return otherwise;
    }
  }

  set<N extends keyof Kept>(name: N, value: Kept[N]): void {
    const text = JSON.stringify(value);
    // Memory is read first only where storage does not work: another tab may have written.
    try {
      if (!this.storage) throw new Error('blocked');
      this.storage.setItem(this.key(name), text);
      this.memory.delete(name);
    } catch {
      // Full or blocked: the conversation goes on, it only does not survive a reload.
      this.memory.set(name, text);
    }
  }

  /** The messages that are not answered yet. */
  get pending(): Pending[] {
    return this.get('pending', []).filter((p) => typeof p?.id === 'string' && typeof p?.text === 'string');
  }

  /** Forget the conversation; choices such as the size of the text stay. */
  forget(): void {
    for (const name of PERSONAL) {
      this.memory.delete(name);
      try {
        this.storage?.removeItem(this.key(name));
      } catch {
        // Blocked: then nothing is there either.
      }
    }
  }

  private key(name: string): string {
    return `calla:${this.server}:${name}`;
  }
}
