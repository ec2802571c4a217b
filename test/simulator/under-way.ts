/** What is under way in a simulated cluster and has to end by itself, whoever listens: when nothing more happens, all of it has. */
import { Violation } from './invariants.ts';

export class UnderWay {
  readonly #works = new Set<{ readonly name: string }>();

  /** Keeps `work` in mind until it settles. */
  track(name: string, work: Promise<unknown>): void {
    const entry = { name };
    this.#works.add(entry);
    const ended = (): boolean => this.#works.delete(entry);
    void work.then(ended, ended);
  }

  /** To be called when nothing more happens: who still waits does so for ever. */
  checkEnded(): void {
    if (this.#works.size === 0) return;
    const names = [...this.#works].map(({ name }) => name);
    throw new Violation(`${names.join(', ')} waits for nothing, for ever`);
  }
}
