/** Plain requests to the server, and why they fail. */
import type {Reply} from './protocol';
import type {Keep} from './storage';

/**
 * Why there is no connection. `busy`: the server has too much to do; `limited`: too many
 * conversations from this network; `origin`: the operator has not allowed this website;
 * `policy`: the website's own Content-Security-Policy forbids it.
 */
export type Reason = 'offline' | 'busy' | 'limited' | 'origin' | 'policy';

// Milliseconds.
const REQUEST_LIMIT = 40_000;
const SESSION_LIMIT = 12_000;
const VIOLATION_LIMIT = 300;

export class Requests {
  /** The site's own policy has been seen to forbid asking the server. */
  private readonly violation: Promise<boolean>;

  constructor(
    private readonly server: string,
    private readonly keep: Keep,
    private readonly ended: AbortSignal,
  ) {
    this.violation = new Promise((resolve) => {
      const onViolation = (event: SecurityPolicyViolationEvent): void => {
        if (event.disposition === 'enforce' && event.effectiveDirective === 'connect-src' && event.blockedURI.startsWith(server)) resolve(true);
      };
      document.addEventListener('securitypolicyviolation', onViolation, {signal: ended});
    });
  }

  /** Send a request in the name of the conversation. */
  async send(name: string, data: object): Promise<Reply> {
    const token = this.keep.get('token', '');
    const answer = await fetch(`${this.server}/chat/${name}`, {
      method: 'POST',
      headers: {'Content-Type': 'application/json', ...(token ? {Authorization: `Bearer ${token}`} : {})},
      body: JSON.stringify(data),
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      signal: this.within(name === 'session' ? SESSION_LIMIT : REQUEST_LIMIT),
    });
    return (await answer.json()) as Reply;
  }

  /** Find out why a request never came to the server: a browser does not tell the page. */
  async diagnose(): Promise<Reason> {
    if (this.ended.aborted || !navigator.onLine) return 'offline';
    // The browser tells of a violation only some time after the request has failed.
    const late = new Promise<boolean>((resolve) => window.setTimeout(resolve, VIOLATION_LIMIT, false));
    if (await Promise.race([this.violation, late])) return 'policy';
    if (this.server === location.origin) return 'offline';
    // Files may be read from everywhere. If they can be had and the conversation still
    // cannot, the server has not been told to trust this website.
    const probe = {cache: 'no-store', credentials: 'omit', signal: this.within(SESSION_LIMIT)} as const;
    const reached = await fetch(`${this.server}/chat/icon.svg`, probe).then((answer) => answer.ok, () => false);
    if (!reached) return 'offline';
    return this.send('session', {}).then(() => 'offline' as const, () => 'origin' as const);
  }

  private within(limit: number): AbortSignal {
    return AbortSignal.any([this.ended, AbortSignal.timeout(limit)]);
  }
}
