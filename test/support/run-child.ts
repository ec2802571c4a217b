/** Starts programs of test/support as processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it wrote to standard error. */
  readonly stderr: string;
}

export class Child {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<ChildEnd>;

  /** `program` is a file of test/support; arguments go over as JSON. */
  constructor(program: string, input: unknown) {
    const path = join(import.meta.dirname, program);
    this.process = spawn(process.execPath, [path, JSON.stringify(input)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let stderr = '';
    this.process.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    this.#lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
    this.#ended = once(this.process, 'close').then(([code, signal]) => ({ code, signal, stderr }));
  }

  /** The next line it writes. Throws when it ends first. */
  async line(): Promise<string> {
    const next = await this.#lines.next();
    if (next.done !== true) return next.value;
    throw new Error(`the child ended: ${JSON.stringify(await this.#ended)}`);
  }

  /** Lets it go on where it waits for a line. */
  tell(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }

  ended(): Promise<ChildEnd> {
    return this.#ended;
  }
}
