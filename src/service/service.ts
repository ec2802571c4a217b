/**
 * A replica as a running service: offers the shards of its data root to its peers and keeps their trees
 * fresh. The one place where its parts are put together; starts them in order and stops them in reverse.
 */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { Log } from '../lib/log.ts';
import { makeDirectory } from '../lib/atomic-file.ts';
import { PeerServer } from '../peer/peer-server.ts';
import type { BuildProgress } from '../peer/shard-provider.ts';
import { TlsFiles } from '../peer/tls.ts';
import { Checkpointer } from '../property-index/checkpointer.ts';
import { type Address, formatAddress } from '../settings/address.ts';
import type { Settings } from '../settings/settings.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { LocalProvider } from './local-provider.ts';

export interface ServiceOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
}

export class Service implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  readonly #builder = new TreeBuilder();
  readonly #checkpointer: Checkpointer;
  readonly #provider: LocalProvider;
  readonly #server: PeerServer;
  #building: Promise<void> = Promise.resolve();
  #listening: Address | null = null;

  constructor({ settings, clock, log }: ServiceOptions) {
    this.#settings = settings;
    this.#clock = clock;
    this.#log = log;
    this.#checkpointer = new Checkpointer((path, error) => log.warn({ path, error }, 'a checkpoint failed'));
    this.#provider = new LocalProvider({
      name: settings.name,
      root: settings.root,
      held: settings.shards === 'all' ? null : settings.shards,
      clock,
      builder: this.#builder,
      checkpointer: this.#checkpointer,
      onDamage: (path, error) => log.warn({ path, error }, 'a damaged tree was set aside or passed over'),
    });
    this.#server = new PeerServer({
      provider: this.#provider,
      clock,
      insecureListen: settings.insecureListen,
      ...this.#tls(),
      onCall: (call) => log.debug({ ...call }, 'a peer call ended'),
    });
  }

  #tls(): { tls?: TlsFiles; allowedPeers?: readonly string[] } {
    const { tls } = this.#settings;
    if (tls === null) return {};
    const paths = { certPath: tls.cert, keyPath: tls.key, ...(tls.ca !== null && { caPath: tls.ca }) };
    const onProblem = (error: CodedError): void => this.#log.warn({ error }, 'changed certificates could not be used');
    return { tls: new TlsFiles(paths, { onProblem }), ...(tls.allow !== null && { allowedPeers: tls.allow }) };
  }

  /** Where peers reach it, once started. */
  get address(): string | null {
    return this.#listening === null ? null : formatAddress(this.#listening);
  }

  /** Builds stale trees, then listens. Throws `bad-settings`, `io`; `cancelled` when stopped meanwhile. */
  async start(): Promise<void> {
    await makeDirectory(this.#settings.root);
    await this.#buildStale();
    this.#listening = await this.#server.listen(this.#settings.listen);
    this.#log.info({ listen: this.address, root: this.#settings.root }, 'serving');
    this.#building = this.#buildOnInterval();
  }

  async #buildOnInterval(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(this.#settings.build.quickDelay, signal);
        await this.#buildStale();
      } catch (error) {
        if (signal.aborted) return;
        this.#log.error({ error: CodedError.from(error) }, 'building stale trees failed; the next interval tries again');
      }
    }
  }

  async #buildStale(): Promise<void> {
    const { signal } = this.#stopping;
    for await (const built of this.#provider.build({ targets: [], force: false }, signal)) this.#logBuild(built);
  }

  #logBuild({ root, generation, ...built }: BuildProgress): void {
    if (built.outcome === 'failed') this.#log.error(built, 'a tree could not be built');
    if (built.outcome !== 'built') return;
    this.#log.info({ ...built, generation: Number(generation), root: root?.toString('hex').slice(0, 16) }, 'built a tree');
  }

  /** Takes no more calls, lets running ones end for a moment, and closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.serving = false;
    this.#stopping.abort(new CodedError('cancelled', 'the service is stopping'));
    await this.#server[Symbol.asyncDispose]();
    await this.#building;
    await this.#builder[Symbol.asyncDispose]();
    await this.#checkpointer[Symbol.asyncDispose]();
    this.#log.info({}, 'stopped');
  }
}
