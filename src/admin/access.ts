/**
 * Who may call the admin endpoint, and what applications call. With tokens, whoever shows one, in the token's role; with
 * certificates that callers must show, the holder of one, as operator; with neither, whoever reaches it, and that is
 * over a loopback address.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isLoopback } from '../lib/address.ts';
import { CodedError } from '../lib/coded-error.ts';
import { tokenCharactersMin } from '../settings/admin-settings.ts';

/** What each may do, the later also what the earlier may: look; write properties; give orders. */
export const roles = ['viewer', 'writer', 'operator'] as const;

export type Role = (typeof roles)[number];

export interface TokenSetting {
  readonly name: string;
  readonly role: Role;
  readonly token: string | null;
  readonly tokenFile: string | null;
}

/** What of a request decides; header values as they came. */
export interface Credentials {
  readonly authorization: string | undefined;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** Name in the certificate that was shown and checked; null for none. */
  readonly certificateName: string | null;
}

export interface Caller {
  readonly name: string;
  readonly role: Role;
}

/** Bytes of a token file: a token and a line end. */
const tokenFileBytesMax = 4_096;

export class Access {
  #tokens: readonly { readonly caller: Caller; readonly digest: Buffer }[] = [];

  /** Puts these tokens in force; files are read now. Throws `bad-settings` and leaves the old ones. */
  async load(settings: readonly TokenSetting[]): Promise<void> {
    this.#tokens = await Promise.all(
      settings.map(async ({ name, role, token, tokenFile }) => ({
        caller: { name, role },
        digest: digestOf(token ?? (await readToken(tokenFile ?? ''))),
      })),
    );
  }

  get hasTokens(): boolean {
    return this.#tokens.length > 0;
  }

  /** Who calls; null for nobody known. Throws `refused` for what a web page made a browser send. */
  identify({ authorization, host, origin, certificateName }: Credentials): Caller | null {
    if (origin !== undefined && originHost(origin) !== host) {
      throw new CodedError('refused', `a page of ${origin} may not give orders here`, {
        field: 'Origin',
        value: origin,
      });
    }
    const token = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];
    if (token !== undefined) return this.#holder(token);
    if (certificateName !== null) return { name: certificateName, role: 'operator' };
    if (this.hasTokens) return null;
    // A name that resolves to a loopback address is how a page elsewhere would reach us.
    if (!isLoopback(hostName(host ?? ''))) {
      throw new CodedError('refused', `without tokens only a loopback address is answered, not ${host}`, {
        field: 'Host',
        value: host,
      });
    }
    return { name: 'local', role: 'operator' };
  }

  #holder(token: string): Caller | null {
    const digest = digestOf(token);
    let found: Caller | null = null;
    // All are compared, each in constant time: how long it takes tells nothing.
    for (const one of this.#tokens) if (timingSafeEqual(one.digest, digest)) found = one.caller;
    return found;
  }
}

/** Throws `refused` unless the caller may do what takes the role `wanted`. */
export function checkRole({ name, role }: Caller, wanted: Role): void {
  if (roles.indexOf(role) >= roles.indexOf(wanted)) return;
  const may = { viewer: 'look', writer: 'look and write properties', operator: 'give orders' };
  const what = wanted === 'operator' ? 'give orders' : 'write properties';
  throw new CodedError('refused', `${name} may ${may[role]} but not ${what}`, { field: 'role', value: role });
}

/** What is about to be listened on, by the name of its section in the settings. */
export interface Endpoint {
  readonly section: 'admin' | 'property';
  readonly host: string;
  /** With TLS. */
  readonly encrypted: boolean;
  /** Callers must show certificates. */
  readonly mutual: boolean;
  /** Without TLS all the same. */
  readonly insecure: boolean;
}

/** Throws `bad-settings` for an endpoint that others than this machine would reach with nothing asked, or tokens unencrypted. */
export function checkEndpoint(
  { section, host, encrypted, mutual, insecure }: Endpoint,
  access: Access,
): void {
  if (isLoopback(host)) return;
  const what = section === 'admin' ? 'the admin endpoint' : 'PropertyService';
  if (!access.hasTokens && !mutual) {
    const message = `on ${host} ${what} needs tokens, or certificates that callers must show`;
    throw new CodedError('bad-settings', message, { field: 'admin.tokens', value: host });
  }
  if (!encrypted && !insecure) {
    const message = `on ${host} tokens would go over the network as they are: give a certificate, or say that this is wanted`;
    throw new CodedError('bad-settings', message, { field: `${section}.listen`, value: host });
  }
}

/** The host that a Host header names, without port and brackets. */
function hostName(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

function originHost(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

async function readToken(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CodedError('bad-settings', `token file ${path} cannot be read`, { path }, { cause });
  });
  const token = text.trim();
  if (token.length >= tokenCharactersMin && text.length <= tokenFileBytesMax && !/\s/.test(token))
    return token;
  throw new CodedError(
    'bad-settings',
    `token file ${path} holds no token of ${tokenCharactersMin} characters or more`,
    { path },
  );
}
