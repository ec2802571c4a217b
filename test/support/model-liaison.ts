/** A model of a liaison behind a real socket: the groups of its cluster, and the data nodes they are placed on. */
import { createSecureServer, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Catalog } from '../../src/banyandb/generated/banyandb/common/v1/common_pb.ts';
import {
  ClusterStateService,
  GroupRegistryService,
  Role,
} from '../../src/banyandb/generated/banyandb/database/v1/database_pb.ts';

export interface LiaisonGroup {
  readonly name: string;
  readonly shards: number;
  /** Copies of each shard beside the first. */
  readonly replicas: number;
  /** Properties unless it says otherwise. */
  readonly catalog?: Catalog;
}

export interface ServeLiaisonOptions {
  readonly groups: readonly LiaisonGroup[];
  /** Names of the data nodes. */
  readonly nodes: readonly string[];
  /** Encrypts it; who does not show a certificate that `ca` signed is not let in, where it is given. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
}

export interface ServedLiaison extends AsyncDisposable {
  /** HOST:PORT. */
  readonly place: string;
}

export async function serveLiaison({ groups, nodes, tls }: ServeLiaisonOptions): Promise<ServedLiaison> {
  const adapter = connectNodeAdapter({
    routes: (router) => {
      router.service(GroupRegistryService, {
        list: () => ({
          group: groups.map(({ name, shards, replicas, catalog = Catalog.PROPERTY }) => ({
            metadata: { name },
            catalog,
            resourceOpts: { shardNum: shards, replicas },
          })),
        }),
      });
      const dataNodes = nodes.map((name) => ({ metadata: { name }, roles: [Role.META, Role.DATA] }));
      const liaisons = [{ metadata: { name: 'l' }, roles: [Role.LIAISON] }];
      router.service(ClusterStateService, {
        getClusterState: () => ({
          routeTables: { tire1: { registered: liaisons }, tire2: { registered: dataNodes } },
        }),
      });
    },
  });
  const server =
    tls === undefined
      ? createServer(adapter)
      : createSecureServer({ ...tls, requestCert: tls.ca !== undefined, rejectUnauthorized: true }, adapter);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    place: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      // Whoever still has a connection ends it by itself.
      server.close();
    },
  };
}
