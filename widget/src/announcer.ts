/** Reads new messages out to screen readers: referrals at once and first, the rest after. */
import {make} from './message';

// Milliseconds. A region must exist before its content, and content must change to be read.
const KEEP = 20_000;

export class Announcer {
  readonly assertive = make('div', {class: 'hidden assertive', 'aria-live': 'assertive', 'aria-atomic': 'false', 'aria-relevant': 'additions'});
  readonly polite = make('div', {class: 'hidden polite', 'aria-live': 'polite', 'aria-atomic': 'false', 'aria-relevant': 'additions'});

  /** Read a referral, interrupting whatever is being read. */
  urgent(text: string): void {
    this.put(this.assertive, text);
  }

  /** Read a message when there is quiet. */
  say(text: string): void {
    this.put(this.polite, text);
  }

  private put(region: HTMLElement, text: string): void {
    const line = make('p', {}, text);
    region.append(line);
    setTimeout(() => line.remove(), KEEP);
  }
}
