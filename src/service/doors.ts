/**
 * Where the service is reached: by its operator and by applications over HTTP, by applications over gRPC, by peers.
 * Opens each with its certificates and its rules of who may call, and closes them all.
 */
import { Access, checkEndpoint, checkRole } from '../admin/access.ts';
import type { Operations } from '../admin/operations.ts';
import { AdminServer } from '../admin/server.ts';
import { formatAddress, isLoopback } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import { packageVersion } from '../lib/package-version.ts';
import { PeerServer } from '../peer/peer-server.ts';
import type { ShardProvider } from '../peer/shard-provider.ts';
import { Unauthenticated } from '../peer/wire-error.ts';
import { type CallCredentials, PropertyServer } from '../property-store/property-server.ts';
import type { PropertyStore } from '../property-store/property-store.ts';
import type { Settings } from '../settings/settings.ts';
import type { Events } from './events.ts';
import { tlsFilesOf } from './tls-files-of.ts';

export interface DoorsOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly events: Events;
}

export class Doors implements AsyncDisposable {
  readonly #options: DoorsOptions;
  readonly #access = new Access();
  /** Closed in reverse order. */
  readonly #open = new AsyncDisposableStack();
  #peers: string | null = null;
  #admin: string | null = null;
  #applications: string | null = null;

  constructor(options: DoorsOptions) {
    this.#options = options;
  }

  /** HOST:PORT that peers reach; null until it is open. */
  get peers(): string | null {
    return this.#peers;
  }

  /** HOST:PORT of the admin endpoint; null where it is not open. */
  get admin(): string | null {
    return this.#admin;
  }

  /** HOST:PORT of PropertyService; null where it is not open. */
  get applications(): string | null {
    return this.#applications;
  }

  /** Puts these tokens in force. Throws `bad-settings` and leaves the old ones. */
  async loadTokens({ admin }: Settings): Promise<void> {
    await this.#access.load(admin.tokens);
  }

  /** Opens the admin endpoint where the settings name one. Throws `bad-settings`, `io`. */
  async openAdmin(operations: Operations, store: PropertyStore): Promise<void> {
    const { settings, clock, events } = this.#options;
    const { listen, insecureListen, tls } = settings.admin;
    if (listen === null) return;
    const version = packageVersion();
    const access = this.#access;
    const server = new AdminServer({
      ...{ clock, operations, store, access, version, insecureListen },
      tls: tls && tlsFilesOf(tls, events),
    });
    this.#open.use(server);
    this.#admin = formatAddress(await server.listen(listen));
  }

  /** Opens PropertyService where the settings name an address. Throws `bad-settings`, `io`. */
  async openApplications(store: PropertyStore): Promise<void> {
    const { settings, clock, events } = this.#options;
    const { listen, insecureListen: insecure, tls } = settings.property;
    if (listen === null) return;
    const mutual = tls !== null && tls.ca !== null;
    const endpoint = {
      section: 'property',
      host: listen.host,
      encrypted: tls !== null,
      mutual,
      insecure,
    } as const;
    checkEndpoint(endpoint, this.#access);
    const server = new PropertyServer({
      ...{ store, clock },
      tls: tls && tlsFilesOf(tls, events),
      admit: (credentials, writes) => this.#admitApplication(credentials, writes),
      onCall: (call) => events.served({ ...call, call: `Property${call.call}` }),
    });
    this.#open.use(server);
    this.#applications = formatAddress(await server.listen(listen));
  }

  /** Opens ShardService. Throws `bad-settings`, `io`. */
  async openPeers(provider: ShardProvider): Promise<void> {
    const { settings, clock, events } = this.#options;
    const { tls, insecureListen, listen, wire } = settings;
    if (tls === null && !isLoopback(listen.host)) events.listensInsecurely(formatAddress(listen));
    const server = new PeerServer({
      ...{ provider, clock, insecureListen },
      limits: { sendBytesMax: wire.sendMax, acceptBytesMax: wire.acceptMax },
      // Who calls decides it, so that peers with and without it understand each other.
      compression: true,
      ...(tls !== null && {
        tls: tlsFilesOf(tls, events),
        ...(tls.allow !== null && { allowedPeers: tls.allow }),
      }),
      onCall: (call) => events.served(call),
    });
    this.#open.use(server);
    this.#peers = formatAddress(await server.listen(listen));
  }

  #admitApplication(credentials: CallCredentials, writes: boolean): string {
    const caller = this.#access.identify(credentials);
    if (caller === null) throw new Unauthenticated();
    checkRole(caller, writes ? 'writer' : 'viewer');
    return caller.name;
  }

  /** Takes no more calls and lets those under way end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open.disposeAsync();
  }
}
