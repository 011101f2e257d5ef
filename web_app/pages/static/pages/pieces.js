// Which bytes the next append carries: as many as the line takes in some seconds, so that what a broken line costs stays
// small and the pauses between appends do not count. The next part is hashed while the last one is under way.

const MIB = 2 ** 20;
const FIRST = 8 * MIB;
const MOST = 64 * MIB;
const LEAST = MIB;          // on a line that breaks again and again
const AIM_SECONDS = 4;

export class Pieces {
  #file;
  #hasher;
  #size = FIRST;
  #ready = null;            // {start, end, digest: Promise}

  constructor(file, hasher) {
    this.#file = file;
    this.#hasher = hasher;
  }

  /** {start, end, final, part, digest} from byte `start`; the one after it is begun when `ahead()` is called. */
  async from(start) {
    const piece = this.#ready?.start === start ? this.#ready : this.#cut(start);
    this.#ready = null;
    return { ...piece, digest: await piece.digest };
  }

  ahead(start) {
    if (start < this.#file.size) this.#ready = this.#cut(start);
  }

  went(bytes, seconds) {
    const aim = (bytes / Math.max(seconds, 0.01)) * AIM_SECONDS;
    // Never far at once: one quick answer says little about the line.
    const wanted = Math.min(aim, this.#size * 2, MOST);
    // The last piece of a file is short and tells nothing of what longer ones would do.
    if (bytes >= this.#size || aim < this.#size) this.#size = Math.max(wanted, Math.min(this.#size, FIRST));
  }

  /** An append did not arrive whole: what is lost with the next one shall be less. */
  broke() {
    this.#size = Math.max(LEAST, this.#size / 2);
    this.#ready = null;
  }

  #cut(start) {
    const step = Math.floor(this.#size / MIB) * MIB;
    const end = Math.min(start + step, this.#file.size);
    const part = this.#file.slice(start, end);
    return {
      start, end, part, final: end === this.#file.size, digest: this.#hasher.digest(part),
    };
  }
}
