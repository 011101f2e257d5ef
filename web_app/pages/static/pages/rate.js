// How fast an upload goes and what the progress bar may show. Fed with what the services tier says that it has, which may be
// less than before: bytes of a request that broke off. Knows nothing of the network or the DOM.

const SMOOTHING_SECONDS = 6;
const SPEED_KNOWN_AFTER = 2;    // seconds; an estimate from less is a guess
const STALLED_AFTER = 8;        // seconds without a new byte

export class Meter {
  constructor(total, now, offset = 0) {
    this.total = total;
    this.offset = offset;       // what was reported last
    this.started = now;
    this.moved = now;           // when the offset last changed
    this.at = now;              // when it was last reported
    this.perSecond = 0;
    this.from = offset;         // what the bar showed at that moment
    this.step = 0;              // ms over which it glides up to `offset`
  }

  report(offset, now) {
    if (offset < this.offset) {
      this.from = this.offset = offset;
      this.resumed(now);
      return;
    }
    const seconds = (now - this.at) / 1000;
    if (seconds > 0) {
      const sample = (offset - this.offset) / seconds;
      const weight = this.perSecond === 0 ? 1 : 1 - Math.exp(-seconds / SMOOTHING_SECONDS);
      this.perSecond += (sample - this.perSecond) * weight;
    }
    this.from = this.shown(now);
    this.step = Math.min(now - this.at, 1500);
    if (offset > this.offset) this.moved = now;
    this.offset = offset;
    this.at = now;
  }

  /** What to draw at `now`: glides towards the last acknowledged offset, and is never ahead of it. */
  shown(now) {
    const progress = this.step > 0 ? Math.min(1, Math.max(0, (now - this.at) / this.step)) : 1;
    return Math.floor(this.from + (this.offset - this.from) * progress);
  }

  /** Bytes go again after a pause, which says nothing about how fast the line is. */
  resumed(now) {
    this.from = this.shown(now);
    this.step = 0;
    this.at = this.moved = now;
  }

  stalled(now) {
    return now - this.moved > STALLED_AFTER * 1000;
  }

  /** Bytes a second, or null while nobody can say. */
  speed(now) {
    const known = now - this.started >= SPEED_KNOWN_AFTER * 1000 && this.perSecond > 0;
    return known && !this.stalled(now) ? this.perSecond : null;
  }

  secondsLeft(now) {
    const speed = this.speed(now);
    return speed === null ? null : (this.total - this.offset) / speed;
  }
}
