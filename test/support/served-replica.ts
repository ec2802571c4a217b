/** `serve` as a process of its own, as operators run it: started, heard, killed, ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const programPath = join(import.meta.dirname, '../../src/cli.ts');

export interface ServeOptions {
  readonly root: string;
  readonly name?: string;
  /** HOST:PORT; a free port of loopback by default. */
  readonly listen?: string;
  /** More arguments of `serve`. */
  readonly more?: readonly string[];
  /** Arguments of Node.js itself. */
  readonly nodeArguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ServeEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** Its log. */
  readonly stderr: string;
}

/** Until it says that it is ready; generous, for a machine that does other things too. */
const readyTimeoutMs = 60_000;

/** Starts a process and does not wait for it. */
export class ServeProcess {
  readonly process: ChildProcess;
  readonly ended: Promise<ServeEnd>;
  /** The first line on stdout; undefined when it ended before. */
  readonly firstLine: Promise<string | undefined>;
  readonly #written = { stdout: '', stderr: '' };

  constructor({ root, name = 'tested', listen = '127.0.0.1:0', more = [], ...options }: ServeOptions) {
    const flags = ['serve', '--root', root, '--name', name, '--listen', listen, ...more];
    this.process = spawn(process.execPath, [...(options.nodeArguments ?? []), programPath, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { TALLYSTICK_LOG_LEVEL: 'info', ...options.environment },
    });
    for (const stream of ['stdout', 'stderr'] as const) {
      this.process[stream]?.on('data', (chunk: Buffer) => {
        this.#written[stream] += chunk.toString();
      });
    }
    this.ended = once(this.process, 'close').then(([code, signal]) => ({ code, signal, ...this.#written }));
    const lines = createInterface({ input: this.process.stdout! });
    const first = once(lines, 'line', { signal: AbortSignal.timeout(readyTimeoutMs) });
    this.firstLine = Promise.race([first.then(([line]) => line as string), this.ended.then(() => undefined)]);
  }

  get stderr(): string {
    return this.#written.stderr;
  }
}

interface Ready {
  readonly listen: string;
  readonly admin: string | null;
  readonly property: string | null;
}

/** A replica that is ready. */
export class ServedReplica implements AsyncDisposable {
  readonly place: string;
  /** HOST:PORT of its admin endpoint; null without one. */
  readonly admin: string | null;
  /** HOST:PORT where applications reach PropertyService; null without it. */
  readonly property: string | null;
  readonly #child: ServeProcess;

  private constructor(child: ServeProcess, { listen, admin, property }: Ready) {
    this.#child = child;
    this.place = listen;
    this.admin = admin;
    this.property = property;
  }

  static async start(options: ServeOptions): Promise<ServedReplica> {
    const child = new ServeProcess(options);
    const line = await child.firstLine;
    if (line === undefined) throw new Error(`serve ended: ${JSON.stringify(await child.ended)}`);
    const { ready } = JSON.parse(line) as { ready: Ready };
    return new ServedReplica(child, ready);
  }

  /** Its log so far. */
  get log(): string {
    return this.#child.stderr;
  }

  get ended(): Promise<ServeEnd> {
    return this.#child.ended;
  }

  /** Sends a signal and does not wait. */
  signal(signal: NodeJS.Signals): void {
    this.#child.process.kill(signal);
  }

  async kill(): Promise<ServeEnd> {
    this.signal('SIGKILL');
    return await this.ended;
  }

  async stop(): Promise<ServeEnd> {
    this.signal('SIGTERM');
    return await this.ended;
  }

  /** Peak resident memory so far in MiB, as Linux tells it. */
  peakMemoryMib(): number {
    const status = readFileSync(`/proc/${this.#child.process.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#child.process;
    if (exitCode === null && signalCode === null) await this.kill();
  }
}
