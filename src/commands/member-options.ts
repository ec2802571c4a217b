/** Options of verbs over a whole cluster: places by name, or all of a nodes file. */
import { CodedError } from '../lib/coded-error.ts';
import { lookUpNodes } from '../peer/dns-nodes.ts';
import { NodesFile, type PeerNode } from '../peer/nodes-file.ts';
import { TlsFiles } from '../peer/tls.ts';
import type { Member } from '../round/member.ts';
import type { Command, CommandContext } from './command.ts';
import { addPlaceOptions, type PlaceOptions, withPlaces } from './place-options.ts';

export interface MemberOptions extends PlaceOptions {
  readonly nodes?: string;
  readonly dns?: string;
}

/** Adds the options of places and `--nodes`. */
export function addMemberOptions(command: Command): Command {
  return addPlaceOptions(command)
    .option('--nodes <file>', 'nodes file: all replicas it lists take part')
    .option('--dns <name>', 'all replicas that the SRV records of this name list take part');
}

/** Runs `work` over the named places and the nodes of the file, and closes them. */
export function withMembers<Result>(
  context: CommandContext,
  names: readonly string[],
  options: MemberOptions,
  work: (members: readonly Member[]) => Promise<Result>,
): Promise<Result> {
  if (names.length === 0 && options.nodes === undefined && options.dns === undefined) {
    throw new CodedError('bad-argument', 'name the places, a nodes file (--nodes) or a DNS name (--dns)', {
      field: 'places',
    });
  }
  return withPlaces(context, names, options, async (places, addresses) => {
    using opened = new DisposableStack();
    const members: Member[] = [...places];
    const listed = options.nodes === undefined ? [] : new NodesFile(options.nodes).read();
    const nodes = [...listed, ...(await dnsNodes(context, options))];
    for (const { grpcAddress, tlsEnabled, caCertPath } of nodes) {
      if (members.some(({ place }) => place === grpcAddress)) continue;
      const tls = tlsEnabled
        ? new TlsFiles({ ...clientCertificate(options), ...(caCertPath && { caPath: caCertPath }) })
        : undefined;
      members.push(opened.use(addresses.open(grpcAddress, tls)));
    }
    return await work(members);
  });
}

async function dnsNodes({ clock, signal }: CommandContext, options: MemberOptions): Promise<PeerNode[]> {
  const { dns, tlsCa } = options;
  if (dns === undefined) return [];
  const tls = { tlsEnabled: tlsCa !== undefined, caCertPath: tlsCa ?? null };
  return await lookUpNodes(dns, { clock, tls, signal });
}

function clientCertificate({ tlsCert, tlsKey }: PlaceOptions): { certPath?: string; keyPath?: string } {
  return {
    ...(tlsCert !== undefined && { certPath: tlsCert }),
    ...(tlsKey !== undefined && { keyPath: tlsKey }),
  };
}
