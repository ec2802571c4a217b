/** Messages on their way into a call: put in at one end, taken by the transport as fast as flow control lets it. */

export class SendQueue<T> implements AsyncIterable<T> {
  readonly #messages: T[] = [];
  #ended = false;
  #wake: (() => void) | null = null;
  #onTaken: ((message: T) => void) | null = null;
  #mayTake: () => boolean = () => true;

  /** `mayTake` holds messages back while it says no (see {@link nudge}); `onTaken` hears of each that goes out. */
  limit(options: { readonly mayTake: () => boolean; readonly onTaken: (message: T) => void }): void {
    this.#mayTake = options.mayTake;
    this.#onTaken = options.onTaken;
  }

  /** Messages that wait. */
  get length(): number {
    return this.#messages.length;
  }

  push(message: T): void {
    this.#messages.push(message);
    this.nudge();
  }

  /** Takes a message back; false where it has gone out. */
  remove(message: T): boolean {
    const at = this.#messages.indexOf(message);
    if (at >= 0) this.#messages.splice(at, 1);
    return at >= 0;
  }

  /** No more messages will come; those that wait still go out. */
  end(): void {
    this.#ended = true;
    this.nudge();
  }

  /** Looks again whether a message may go out. */
  nudge(): void {
    this.#wake?.();
    this.#wake = null;
  }

  // A plain iterator, not a generator: the transport may end it while it waits for a message.
  [Symbol.asyncIterator](): AsyncIterator<T> {
    const next = async (): Promise<IteratorResult<T>> => {
      for (;;) {
        const message = this.#mayTake() ? this.#messages.shift() : undefined;
        if (message !== undefined) {
          this.#onTaken?.(message);
          return { done: false, value: message };
        }
        if (this.#ended && this.#messages.length === 0) return { done: true, value: undefined };
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    const end = async (): Promise<IteratorResult<T>> => {
      this.#messages.length = 0;
      this.end();
      return { done: true, value: undefined };
    };
    return { next, return: end, throw: end };
  }
}
