/** `tallystick serve` as a process of its own, as an init system would start, signal and kill it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Ready {
  readonly name: string;
  readonly listen: string;
  readonly admin: string | null;
  readonly property: string | null;
}

const cliPath = join(import.meta.dirname, '../../src/cli.ts');

export class ServeChild {
  readonly process: ChildProcess;
  readonly ready: Ready;
  readonly #ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  private constructor(
    child: ChildProcess,
    ready: Ready,
    ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>,
  ) {
    this.process = child;
    this.ready = ready;
    this.#ended = ended;
  }

  /** Starts it with these arguments and variables, and waits until it is ready. Throws with its log when it ends first. */
  static async start(
    argv: readonly string[],
    variables: Readonly<Record<string, string>> = {},
  ): Promise<ServeChild> {
    const child = spawn(process.execPath, [cliPath, 'serve', ...argv], {
      env: { ...process.env, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    const line = await createInterface({ input: child.stdout! })[Symbol.asyncIterator]().next();
    if (line.done === true) throw new Error(`it ended: ${JSON.stringify(await ended)} ${log}`);
    return new ServeChild(child, (JSON.parse(line.value) as { ready: Ready }).ready, ended);
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  get ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    return this.#ended;
  }

  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of an answer by comparing it.
  async get(path: string): Promise<any> {
    return await (await fetch(`http://${this.ready.admin}${path}`)).json();
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above.
  async post(path: string, order: object = {}): Promise<any> {
    const response = await fetch(`http://${this.ready.admin}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(order),
    });
    return await response.json();
  }

  /** Resident memory in bytes. */
  async resident(): Promise<number> {
    const { readFile } = await import('node:fs/promises');
    const text = await readFile(`/proc/${this.process.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024;
  }

  /** Ends it however it stands. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL');
    await this.#ended;
  }
}
