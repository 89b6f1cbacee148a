/**
 * Reads out to screen readers, in one order: what is owed first is said first.
 *
 * One queue feeds two live regions. A referral interrupts (assertive) unless another has
 * just been begun; everything else waits for quiet (polite). States ("sent", "writing")
 * are dropped when something newer has come before they were read.
 */
import {make} from './dom';

// Milliseconds. Lines are added one by one: added together, screen readers may change their order.
const BETWEEN = 120;
// A referral is not interrupted by the next one within this time.
const REFERRAL = 6_000;
const KEEP = 20_000;

type Level = 'referral' | 'message' | 'state';

export class Announcer {
  readonly assertive = make('div', {class: 'hidden assertive', 'aria-live': 'assertive', 'aria-atomic': 'false', 'aria-relevant': 'additions'});
  readonly polite = make('div', {class: 'hidden polite', 'aria-live': 'polite', 'aria-atomic': 'false', 'aria-relevant': 'additions'});
  private queue: {text: string; level: Level}[] = [];
  private timer: number | undefined;
  private readonly fading = new Set<number>();
  private lastReferral = -Infinity;

  /** Read something out in its turn. */
  say(text: string, level: Level = 'message'): void {
    if (level === 'state') this.queue = this.queue.filter((line) => line.level !== 'state');
    const at = level === 'referral' ? this.queue.findIndex((line) => line.level !== 'referral') : -1;
    this.queue.splice(at < 0 ? this.queue.length : at, 0, {text, level});
    if (level !== 'state') this.queue = this.queue.filter((line) => line.level !== 'state');
    this.timer ??= window.setTimeout(() => this.next(), BETWEEN);
  }

  /** Say nothing more of what has not been said. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.fading.forEach((timer) => clearTimeout(timer));
    this.queue = [];
  }

  private next(): void {
    this.timer = undefined;
    const line = this.queue.shift();
    if (!line) return;
    let region = this.polite;
    if (line.level === 'referral') {
      const now = performance.now();
      if (now - this.lastReferral > REFERRAL) region = this.assertive;
      this.lastReferral = now;
    }
    const said = make('p', {}, line.text);
    region.append(said);
    const fades = window.setTimeout(() => {
      this.fading.delete(fades);
      said.remove();
    }, KEEP);
    this.fading.add(fades);
    if (this.queue.length) this.timer = window.setTimeout(() => this.next(), BETWEEN);
  }
}
