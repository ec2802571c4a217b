/** One direction of a call over the simulated wire: chunks that have arrived and wait to be read. */
export class WirePipe implements AsyncIterable<Uint8Array> {
  readonly #chunks: Uint8Array[] = [];
  #end: { readonly error: unknown } | null = null;
  #wake: (() => void) | null = null;

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#nudge();
  }

  /** What has arrived is still read; then it ends well, or by the error. */
  end(error: unknown = null): void {
    this.#end ??= { error };
    this.#nudge();
  }

  /** Ends at once, by the error if there is one, whatever is still to be read. */
  break(error: unknown): void {
    this.#chunks.length = 0;
    this.#end = { error };
    this.#nudge();
  }

  #nudge(): void {
    this.#wake?.();
    this.#wake = null;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      for (;;) {
        const value = this.#chunks.shift();
        if (value !== undefined) return { done: false, value };
        if (this.#end !== null) {
          if (this.#end.error !== null) throw this.#end.error;
          return { done: true, value: undefined };
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    const end = async (): Promise<IteratorResult<Uint8Array>> => {
      this.break(null);
      return { done: true, value: undefined };
    };
    return { next, return: end, throw: end };
  }
}
