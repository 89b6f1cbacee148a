/** What the browser keeps: the token, and messages that have not been answered yet. */

export interface Pending {
  id: string;
  text: string;
}

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

  get token(): string | undefined {
    return this.read('token') || undefined;
  }

  set token(value: string | undefined) {
    this.write('token', value);
  }

  get pending(): Pending[] {
    try {
      const parsed: unknown = JSON.parse(this.read('pending') || '[]');
      if (!Array.isArray(parsed)) return [];
      return parsed.filter((p): p is Pending => typeof p?.id === 'string' && typeof p?.text === 'string');
    } catch {
      return [];
    }
  }

  set pending(value: Pending[]) {
    this.write('pending', value.length ? JSON.stringify(value) : undefined);
  }

  private read(name: string): string {
    const key = `calla:${this.server}:${name}`;
    return (this.storage ? this.storage.getItem(key) : this.memory.get(key)) ?? '';
  }

  private write(name: string, value: string | undefined): void {
    const key = `calla:${this.server}:${name}`;
    try {
      if (value === undefined) {
        this.memory.delete(key);
        this.storage?.removeItem(key);
      } else {
        this.memory.set(key, value);
        this.storage?.setItem(key, value);
      }
    } catch {
      // Full or blocked: the conversation goes on, it only does not survive a reload.
    }
  }
}
