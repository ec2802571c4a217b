/** Rounds of ours in a process of their own, one after another until one converges. What the last says is told. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Say } from './bench-case.ts';

const program = join(import.meta.dirname, '../../src/cli.ts');

/** Characters at the end of what a round prints: its summary, after all its changes. */
const toldMax = 1_000;

export interface RoundsOptions {
  /** Of the verb. */
  readonly args: readonly string[];
  /** File for what the round that runs prints. */
  readonly log: string;
  readonly say: Say;
}

export class RoundsInChild implements AsyncDisposable {
  readonly #options: RoundsOptions;
  #child: ChildProcess | null = null;
  #disposed = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#ended = this.#run();
  }

  /** Resolves when one has converged, the builds of the trees that its pushes end with included. */
  async untilConverged(): Promise<void> {
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#child?.kill('SIGTERM');
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { log, say } = this.#options;
    let told = '';
    for (let code: number | null = null; code !== 0 && !this.#disposed; ) {
      code = await this.#runOne();
      const outcome = `a round ended with code ${code}: ${readFileSync(log, 'utf8').trimEnd().slice(-toldMax)}`;
      if (!this.#disposed && outcome !== told) say(outcome);
      told = outcome;
    }
  }

  async #runOne(): Promise<number | null> {
    const { args, log } = this.#options;
    const file = openSync(log, 'w');
    try {
      const child = spawn(process.execPath, [program, 'round', ...args], { stdio: ['ignore', file, file] });
      this.#child = child;
      return await new Promise((resolve) => child.once('exit', resolve));
    } finally {
      closeSync(file);
    }
  }
}
